#!/bin/sh
# SPDX-License-Identifier: MIT
# Why the host's /dev/kvm cannot be used: each in a /dev of its own.
. "$(dirname "$0")/lib.sh"

# in_dev COMMANDS command...: the command with what the commands make of /dev/kvm.
in_dev() {
	make=$1
	shift
	unshare -m sh -c "mount -t tmpfs -o mode=755 none /dev && mknod -m 666 /dev/null c 1 3 &&
		{ $make; } && shift && exec \"\$@\"" sh sh "$@"
}

if ! can_mount; then
	echo "not here: only root can make a /dev"
	exit 77
fi

hide="mount -t tmpfs none /sys/devices/virtual/misc"
[ -e /sys/devices/virtual/misc/kvm ] && cause kvm-not-passed 0 in_dev : "$anykvm" --doctor
if grep -Eqm1 ' (vmx|svm) ' /proc/cpuinfo; then
	cause kvm-no-module 0 in_dev "$hide" "$anykvm" --doctor
else
	cause kvm-no-cpu 0 in_dev "$hide" "$anykvm" --doctor
fi

node="mknod -m 660 /dev/kvm c 10 232; chgrp 4242 /dev/kvm"
cause kvm-group 0 in_dev "$node" $nobody "$anykvm" --doctor
check "the group and the user's" 0 'group 4242, and nobody is in ' \
	in_dev "$node" $nobody "$anykvm" --doctor
cause kvm-relogin 0 in_dev "$node; echo kvmtest:x:4242:nobody > group; mount --bind group /etc/group" \
	$nobody "$anykvm" --doctor
cause kvm-mode 0 in_dev "mknod -m 600 /dev/kvm c 10 232" $nobody "$anykvm" --doctor
# These filters are in the way of the engine as well.
cause kvm-denied 1 in_dev "mknod /dev/kvm c 1 3" \
	"$sandbox" openat,2=0x80002,EPERM -- "$anykvm" --doctor
cause kvm-open 1 in_dev "mknod /dev/kvm c 1 3" \
	"$sandbox" openat,2=0x80002,EIO -- "$anykvm" --doctor
cause kvm-dead 0 in_dev "mknod /dev/kvm c 10 199" "$anykvm" --doctor
cause kvm-not-device 0 in_dev "touch /dev/kvm" "$anykvm" --doctor
cause kvm-not-device 0 in_dev "mkdir /dev/kvm" "$anykvm" --doctor
cause kvm-not-device 0 in_dev "mknod /dev/kvm c 1 3" "$anykvm" --doctor
cause kvm-api 0 in_dev "mknod /dev/kvm c 1 3" \
	"$sandbox" ioctl,1=0xae00,0 -- "$anykvm" --doctor

# -- What decides: the mode
check "mode real needs it" 1 '^no' in_dev : "$anykvm" --mode=real --doctor
check "mode auto does not" 0 '^yes' in_dev : "$anykvm" --mode=auto --doctor
check "mode real says why" 125 'not usable: it is not KVM.s device but a file; sudo rm' \
	in_dev "touch /dev/kvm" "$anykvm" --mode=real true

if "$anykvm" --mode=real --quiet true 2>/dev/null; then
	check "usable" 0 "/dev/kvm +the host's is usable" "$anykvm" --doctor
	check "all that there is" 0 '^yes' env ANYKVM_MODE=auto "$sandbox" memfd_create,EPERM -- \
		"$anykvm" --doctor
	cause kvm-busy 0 "$sandbox" ioctl,1=0xae01,EBUSY -- "$anykvm" --doctor
	cause kvm-no-vm 0 "$sandbox" ioctl,1=0xae01,ENOMEM -- "$anykvm" --doctor
	check "under another anykvm" 0 "/dev/kvm +the host's is usable" \
		"$anykvm" --quiet -- "$anykvm" --doctor
fi
finish
