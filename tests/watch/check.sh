#!/bin/sh
# SPDX-License-Identifier: MIT
# What --check says and exits with:
#   check.sh ANYKVM MISUSE
. "$(dirname "$0")/../lib/check.sh"
anykvm=$(realpath "$1")
misuse=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export ANYKVM_TEST_BACKEND=launcher ANYKVM_QUIET=1
unset ANYKVM_CHECK ANYKVM_JSON ANYKVM_OUTPUT

silent() {
	[ -z "$("$@" 2>&1)" ]
}

# VCPU_TWICE is an error, API_VERSION a warning.
check "off" 0 '' silent "$anykvm" "$misuse" VCPU_TWICE bad
check "quiet, nothing found" 0 '' silent "$anykvm" --check -- "$misuse" VCPU_TWICE good
check "nothing found" 0 '^anykvm: check: nothing found$' \
	env ANYKVM_QUIET= "$anykvm" --check -- "$misuse" VCPU_TWICE good
check "told" 0 '^anykvm: check: error vcpu-twice: there is a vCPU 0 already$' \
	"$anykvm" --check -- "$misuse" VCPU_TWICE bad
check "the call" 0 '^    KVM_CREATE_VCPU on fd [0-9]+ = -1 EEXIST, thread [0-9]+, [0-9]+\.[0-9]{6} s$' \
	"$anykvm" --check -- "$misuse" VCPU_TWICE bad
check "the vCPU" 0 '^    KVM_RUN on fd [0-9]+ \(vCPU 0\), thread' \
	"$anykvm" --check -- "$misuse" SHUTDOWN_IGNORED bad
check "the caller" 0 '^    at misuse\+0x[0-9a-f]+' "$anykvm" --check -- "$misuse" VCPU_TWICE bad
check "section and advice" 0 '^    api.rst 4.7; a vCPU lives' \
	"$anykvm" --check -- "$misuse" VCPU_TWICE bad
check "summary" 0 '^anykvm: check: 1 error, 0 warnings; 1 in all$' \
	"$anykvm" --check -- "$misuse" VCPU_TWICE bad

# -- Exit status
check "error: an error" 123 '' "$anykvm" --check=error -- "$misuse" VCPU_TWICE bad
check "error: a warning" 0 'warning api-version' "$anykvm" --check=error -- "$misuse" API_VERSION bad
check "warn: a warning" 123 '' "$anykvm" --check=warn -- "$misuse" API_VERSION bad
check "warn: an error" 123 '' "$anykvm" --check=warn -- "$misuse" VCPU_TWICE bad
check "warn: nothing" 0 '' "$anykvm" --check=warn -- "$misuse" VCPU_TWICE good
check "unknown level" 125 'known are: error' "$anykvm" --check=all true

program='
import atexit, fcntl, os, sys
atexit.register(lambda: print("the end"))
kvm = os.open("/dev/kvm", os.O_RDWR)
for _ in range(3):
    os.close(fcntl.ioctl(kvm, 0xae01, 0))
print("not flushed", end="")
sys.exit(int(sys.argv[1]))'
check "the program's own status" 7 'warning api-version' \
	"$anykvm" --check=warn -- python3 -c "$program" 7
check "what the program does at exit is done" 123 'not flushedthe end' \
	"$anykvm" --check=warn -- python3 -c "$program" 0
check "repeats" 123 '^anykvm: check: api-version 3 times: KVM_CREATE_VM$' \
	"$anykvm" --check=warn -- python3 -c "$program" 0
check "one place, one finding" 0 '^1$' sh -c \
	"'$anykvm' --check -- python3 -c '$program' 0 2>&1 | grep -c warning.api-version:"

# -- JSON, and another file
json='
import json, sys
lines = [json.loads(line) for line in sys.stdin]
finding, repeats, summary = lines
assert finding["type"] == "finding" and finding["rule"] == "api-version", finding
assert finding["level"] == "warning" and finding["section"] == "4.1", finding
assert finding["request"] == "KVM_CREATE_VM" and finding["callers"], finding
assert finding["pid"] == finding["tid"] and finding["time"] > 1e9, finding
assert finding["callers"][0]["module"] and finding["callers"][0]["offset"] > 0, finding
assert repeats["type"] == "repeats" and repeats["times"] == 3, repeats
assert summary["type"] == "summary" and summary["errors"] == 0, summary
assert summary["warnings"] == 1 and summary["times"] == 3, summary
print("fine")'
check "JSON in a file" 0 '^fine$' sh -c "ANYKVM_JSON=1 ANYKVM_OUTPUT='$dir/out' \
	'$anykvm' --check -- python3 -c '$program' 0 && python3 -c '$json' < '$dir/out'"

# -- Forked children
check "a child that does nothing with it" 0 '' silent "$anykvm" --check -- python3 -c '
import os
kvm = os.open("/dev/kvm", os.O_RDWR)
pid = os.fork()
pid and os.waitpid(pid, 0)'

finish
