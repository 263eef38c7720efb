#!/bin/sh
# SPDX-License-Identifier: MIT
# What keeps anykvm from working, and what limits it.
. "$(dirname "$0")/lib.sh"

check "works here" 0 '^yes: anykvm works here$' "$anykvm" --doctor

# -- What anykvm consists of
echo nonsense > text
mkdir "with space" && cp anykvm libanykvm* "with space/"
cause preload-missing 1 env ANYKVM_PRELOAD=/no/such.so "$anykvm" --doctor
cause preload-path 1 "with space/anykvm" --doctor
cause preload-refused 1 env ANYKVM_PRELOAD="$dir/text" "$anykvm" --doctor
check "the dynamic linker's reason" 1 'preload object \(file too short\)' \
	env ANYKVM_PRELOAD="$dir/text" "$anykvm" --doctor
cause preload-version 1 env ANYKVM_PRELOAD="$dir/old.so" "$anykvm" --doctor
cause engine-missing 1 env ANYKVM_ENGINE_LIB=/no/such.so "$anykvm" --doctor
cause engine-refused 1 env ANYKVM_ENGINE_LIB="$dir/text" "$anykvm" --doctor
cause engine-version 1 env ANYKVM_ENGINE_LIB="$dir/fake.so" "$anykvm" --doctor
mkdir other && cp libanykvm-preload.so other/
cause other-anykvm 0 env LD_PRELOAD="$dir/other/libanykvm-preload.so" "$anykvm" --doctor
no_cause other-anykvm "$anykvm" --quiet -- "$anykvm" --doctor
if is_root; then
	mkdir secure && cp anykvm libanykvm* secure/
	chown 65534 secure/anykvm && chmod u+s secure/anykvm
	cause preload-secure 1 secure/anykvm --doctor
fi
if can_mount; then
	cause preload-refused 1 unshare -m sh -c "mount -t tmpfs -o noexec none '$dir/other' &&
		cp libanykvm-preload.so other/ &&
		ANYKVM_PRELOAD='$dir/other/libanykvm-preload.so' '$anykvm' --doctor"
	cause no-proc 1 unshare -m sh -c "umount -l /proc; '$anykvm' --doctor"
fi

# -- Sandboxes
for call in memfd_create inotify_init1 inotify_add_watch epoll_create1 timerfd_create; do
	cause call-refused 1 "$sandbox" $call,EPERM -- "$anykvm" --doctor
	check "which call" 1 "refuses $call " "$sandbox" $call,ENOSYS -- "$anykvm" --doctor
	cause call-kills 1 "$sandbox" $call,kill -- "$anykvm" --doctor
done
cause kernel-old 1 "$sandbox" madvise,1=4096,2=18,EINVAL -- "$anykvm" --doctor
cause exec-refused 1 "$sandbox" mmap,2=5,3=1,EACCES -- "$anykvm" --doctor
cause trial-failed 1 "$sandbox" mmap,2=3,3=1,EIO -- "$anykvm" --doctor
check "which step" 1 'not run: KVM_CREATE_VCPU: Input/output error' \
	"$sandbox" mmap,2=3,3=1,EIO -- "$anykvm" --doctor
check "what no probe tries" 1 'refuses what KVM_CREATE_VCPU does .*\[call-refused\]' \
	"$sandbox" mmap,2=3,3=1,EPERM -- "$anykvm" --doctor
check "or dies of" 1 'kills whoever calls what KVM_CREATE_VCPU does.*\[call-kills\]' \
	"$sandbox" mmap,2=3,3=1,kill -- "$anykvm" --doctor
cause no-memory 1 "$sandbox" memfd_create,ENOMEM -- "$anykvm" --doctor
check "a sandbox is seen" 0 'a seccomp filter' "$sandbox" ioctl,1=1,EPERM -- "$anykvm" --doctor
"$sandbox" mdwe -- true && check "nothing is writable and executable" 0 '^yes' \
	"$sandbox" mdwe -- "$anykvm" --doctor
if can_mount; then
	cause exec-selinux 1 unshare -m sh -c "mount -t tmpfs none /sys/fs &&
		mkdir /sys/fs/selinux && echo 1 > /sys/fs/selinux/enforce &&
		'$sandbox' mmap,2=5,3=1,EACCES -- '$anykvm' --doctor"
	if unshare -pf --mount-proc sh -c 'echo 2 > /proc/sys/vm/memfd_noexec' 2>/dev/null; then
		cause memfd-noexec 1 unshare -pf --mount-proc \
			sh -c "echo 2 > /proc/sys/vm/memfd_noexec; '$anykvm' --doctor"
		check "memfd_noexec=1 is fine" 0 '^yes' unshare -pf --mount-proc \
			sh -c "echo 1 > /proc/sys/vm/memfd_noexec; '$anykvm' --doctor"
	fi
fi

# -- Limits
cause files-limit 1 prlimit --nofile=6 "$anykvm" --doctor
cause files-low 0 prlimit --nofile=64 "$anykvm" --doctor
cause fsize-limit 1 prlimit --fsize=100000 "$anykvm" --doctor
cause address-limit 1 prlimit --as=100000000 "$anykvm" --doctor
no_cause address-low prlimit --as=100000000 "$anykvm" --doctor
cause address-low 0 prlimit --as=4000000000 "$anykvm" --doctor
if is_root; then
	cause threads-limit 1 prlimit --nproc=1 $nobody "$anykvm" --doctor
else
	cause threads-limit 1 prlimit --nproc=1 "$anykvm" --doctor
fi
if unshare -Ur true 2>/dev/null; then
	sysctl=/proc/sys/user/max_inotify
	cause inotify-instances 1 unshare -Ur sh -c "echo 0 > ${sysctl}_instances; '$anykvm' --doctor"
	cause inotify-watches 1 unshare -Ur sh -c "echo 0 > ${sysctl}_watches; '$anykvm' --doctor"
	cause inotify-low 0 unshare -Ur sh -c "echo 4 > ${sysctl}_instances; '$anykvm' --doctor"
fi
group=/sys/fs/cgroup/anykvm-doctor-$$
if is_root && mkdir $group 2>/dev/null; then
	[ -e $group/pids.max ] && cause pids-limit 1 sh -c "echo \$\$ > $group/cgroup.procs &&
		echo 1 > $group/pids.max && exec '$anykvm' --doctor"
	rmdir $group
fi
finish
