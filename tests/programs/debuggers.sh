#!/bin/sh
# SPDX-License-Identifier: MIT
# A VMM under the tools its author has: gdb, strace, valgrind, sanitizers.
#   debuggers.sh ANYKVM VMM.C
set -u
anykvm=$(realpath "$1")
source=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0
export ANYKVM_QUIET=1

# check NAME WANTED_STATUS PATTERN COMMAND...: what it says, in both streams.
check() {
	name=$1 wanted=$2 pattern=$3
	shift 3
	timeout -k 5 60 "$@" > out 2>&1
	status=$?
	if [ "$status" != "$wanted" ] || ! grep -Eq "$pattern" out; then
		echo "FAILED: $name: status $status, wanted $wanted and '$pattern':"
		tail -n 20 out | sed 's/^/    /'
		failed=1
	else
		echo "ok: $name"
	fi
}

# said_all NAME: the guest has said all that it has to say.
said_all() {
	if [ "$(grep -Eo '^[0-9]$' out | tr -d '\n')" != 3210 ]; then
		echo "FAILED: $1: the guest did not say 3210:"
		tail -n 20 out | sed 's/^/    /'
		failed=1
	fi
}

cc -g -O1 "$source" -o vmm || exit 1
check "the VMM alone" 0 '^0$' "$anykvm" ./vmm
said_all "the VMM alone"

# To the exit, not through it: gdb 13 may ask for the registers of a thread that has
# ended with the process, and calls that its own failure.
check "gdb" 0 'in serve .*vmm.c' "$anykvm" gdb -q -batch -ex 'break serve' -ex run \
	-ex 'break ioctl' -ex continue -ex backtrace -ex delete -ex 'break _exit' \
	-ex continue ./vmm
said_all "gdb"
check "gdb steps over KVM_RUN" 0 'exit_reason == KVM_EXIT_HLT' "$anykvm" gdb -q -batch \
	-ex 'break serve' -ex run -ex next -ex next -ex next ./vmm
check "strace of the VMM" 0 '^0$' "$anykvm" strace -f -o calls ./vmm
said_all "strace of the VMM"
grep -q 'exit_group(0)' calls || failed=1
check "strace of all" 0 '^0$' strace -f -o calls "$anykvm" ./vmm
said_all "strace of all"

# What the VM consists of is reachable at the end, or possibly so.
valgrind="valgrind --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite"
# shellcheck disable=SC2086
check "valgrind" 0 'ERROR SUMMARY: 0 errors|definitely lost: 0' "$anykvm" $valgrind ./vmm
said_all "valgrind"
# shellcheck disable=SC2086
check "valgrind finds the VMM's own leak" 9 'misbehave \(vmm.c' \
	"$anykvm" $valgrind ./vmm --leak

# sanitized NAME OPTION...: builds and runs it.
sanitized() {
	name=$1
	shift
	if ! cc -g -O1 "$@" "$source" -o sanitized 2>cc.log; then
		echo "FAILED: $name: it does not build"
		sed 's/^/    /' cc.log
		failed=1
		return
	fi
	check "$name" 0 '^0$' "$anykvm" ./sanitized
	said_all "$name"
	! grep -q Sanitizer out || { echo "FAILED: $name: a report"; cat out; failed=1; }
}

sanitized "AddressSanitizer" -fsanitize=address
check "AddressSanitizer finds an overrun" 1 'heap-buffer-overflow' \
	"$anykvm" ./sanitized --overrun
check "AddressSanitizer finds the VMM's own leak" 1 'misbehave' "$anykvm" ./sanitized --leak
sanitized "AddressSanitizer, static" -fsanitize=address -static-libasan
sanitized "UndefinedBehaviorSanitizer" -fsanitize=undefined
sanitized "ThreadSanitizer" -fsanitize=thread

exit $failed
