#!/bin/sh
# SPDX-License-Identifier: MIT
# How programs and scripts find out whether there is KVM, before they open it:
#   probes.sh ANYKVM PRELOAD FAKE_ENGINE
# As root on a host that has none: no /dev/kvm, no flag, no module.
anykvm=$(realpath "$1")
self=$(realpath "$0")
if [ -z "$PROBES_HIDDEN" ] && [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	export PROBES_HIDDEN=1
	exec unshare -m "$self" "$@"
fi
. "$(dirname "$self")/../lib/check.sh"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

if [ -n "$PROBES_HIDDEN" ]; then
	sed 's/ \(svm\|vmx\)\b//g' /proc/cpuinfo > cpuinfo
	mount --bind cpuinfo /proc/cpuinfo
	mount -t tmpfs none /sys/module
	mount -t tmpfs -o mode=755 none /dev
	mknod -m 666 /dev/null c 1 3
	if [ -e /dev/kvm ] || grep -Eqw 'svm|vmx' /proc/cpuinfo; then
		echo "FAILED: something is not hidden"
		exit 1
	fi
fi

# probe NAME command...: it says yes, by its status.
probe() {
	what=$1
	shift
	if output=$("$anykvm" --fake-cpuinfo -- "$@" 2>&1); then
		echo "ok: $what"
	else
		failed "$what: status $?"
	fi
}

# no_probe NAME command...: without --fake-cpuinfo it says no.
no_probe() {
	what=$1
	shift
	[ -n "$PROBES_HIDDEN" ] || return
	if output=$("$anykvm" -- "$@" 2>&1); then
		failed "$what says yes without being asked to"
	else
		echo "ok: $what, not faked"
	fi
}

has() {
	command -v "$1" > /dev/null || { echo "not here: $1"; false; }
}

# -- The device
for shell in sh bash busybox; do
	has $shell || continue
	[ $shell != busybox ] || ! "$anykvm" busybox true 2>&1 | grep -q static || continue
	run="$shell"
	[ $shell != busybox ] || run="busybox sh"
	for test in -e -c -r -w; do
		probe "$shell: [ $test ]" $run -c "[ $test /dev/kvm ]"
	done
	probe "$shell: opened for reading and writing" $run -c ': 3<> /dev/kvm'
	probe "$shell: echo -n >" $run -c 'echo -n > /dev/kvm'
done
probe "bash: [[ ]]" bash -c '[[ -c /dev/kvm && -r /dev/kvm && -w /dev/kvm ]]'
probe "test(1)" env test -w /dev/kvm
probe "stat(1)" stat /dev/kvm
probe "ls(1) -d" ls -d /dev/kvm
probe "find(1)" sh -c 'find /dev/kvm -type c | grep -q kvm'
probe "dd(1)" sh -c 'dd if=/dev/null of=/dev/kvm conv=notrunc 2>&1'
python() {
	probe "python: $1" python3 -c "import os, pathlib, stat
kvm = pathlib.Path('/dev/kvm')
assert $1"
}
python 'os.path.exists("/dev/kvm")'
python 'os.access("/dev/kvm", os.R_OK | os.W_OK)'
python 'stat.S_ISCHR(os.stat("/dev/kvm").st_mode)'
python 'os.stat("/dev/kvm").st_rdev == os.makedev(10, 232)'
python 'os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC) >= 0'
python 'kvm.exists() and kvm.is_char_device() and not kvm.is_file()'
python 'kvm.open("rb", buffering=0)'
has perl && probe "perl: -e -c -r -w" \
	perl -e 'exit !(-e "/dev/kvm" && -c _ && -r "/dev/kvm" && -w "/dev/kvm")'
has perl && probe "perl: sysopen" perl -e 'use Fcntl; sysopen(F, "/dev/kvm", O_RDWR) or die $!'

# -- The processor and the modules
# faked NAME command...: yes on request, and only then.
faked() {
	probe "$@"
	no_probe "$@"
}
faked "grep(1)" grep -Eqw 'vmx|svm' /proc/cpuinfo
faked "cat(1)" sh -c 'cat /proc/cpuinfo | grep -Ew "vmx|svm"'
faked "sh: read" sh -c 'while read -r line; do
	case "$line " in flags*[\ ]vmx\ *|flags*[\ ]svm\ *) exit 0;; esac
done < /proc/cpuinfo; exit 1'
faked "python: open" python3 -c '
import re
assert re.search(r"^flags.* (vmx|svm)\b", open("/proc/cpuinfo").read(), re.M)'
has perl && faked "perl: open" perl -e 'open F, "/proc/cpuinfo"; exit !grep /\b(vmx|svm)\b/, <F>'
faked "sh: [ -d /sys/module/kvm ]" sh -c '[ -d /sys/module/kvm ]'
faked "sh: the processor's module" sh -c '[ -d /sys/module/kvm_intel ] || [ -d /sys/module/kvm_amd/ ]'
faked "python: os.path.isdir" python3 -c '
import os, sys
sys.exit(not os.path.isdir("/sys/module/kvm"))'
no_probe "a module of another name" \
	env ANYKVM_FAKE_CPUINFO=1 sh -c '[ -e /sys/module/kvmfr ] || [ -e /sys/module/kvm/parameters ]'
probe "once each processor" sh -c '[ $(grep -c "^processor" /proc/cpuinfo) -eq \
	$(grep "^flags" /proc/cpuinfo | grep -ow "vmx\|svm" | wc -l) ]'
probe "nothing else is changed" sh -c "[ \$(sed 's/ \(vmx\|svm\)\b//; /MHz/d' /proc/cpuinfo | cksum | cut -c1-9) = \
	$(sed 's/ \(vmx\|svm\)\b//; /MHz/d' /proc/cpuinfo | cksum | cut -c1-9) ]"
probe "closed on exec if asked to" python3 -c '
import os, sys
fd = os.open("/proc/cpuinfo", os.O_RDONLY | os.O_CLOEXEC)
assert not os.get_inheritable(fd) and os.fstat(fd)'
if has kvm-ok; then
	faked "kvm-ok" kvm-ok
fi
if has virt-host-validate; then
	probe "virt-host-validate" sh -c 'virt-host-validate qemu | grep -v "PASS$" |
		grep -c "hardware virtualization\|/dev/kvm" | grep -qx 0'
fi

finish
