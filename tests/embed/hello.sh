#!/bin/sh
# SPDX-License-Identifier: MIT
# The smallest example: hello.sh HELLO
. "$(dirname "$0")/../lib/check.sh"
check "hello" 0 '^Hello from a guest$' "$1"
check "nothing else" 0 '^1$' sh -c "'$1' 2>&1 | wc -l"
finish
