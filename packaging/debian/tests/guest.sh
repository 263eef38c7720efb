# SPDX-License-Identifier: MIT
# Debian's own kernel, and an initramfs that says that it is there.  For the
# tests beside this file; GUEST_KERNEL is another kernel to use.
set -eu

fail() {
	echo "FAILED: $*"
	exit 1
}

dir=${AUTOPKGTEST_TMP:-$(mktemp -d)}
kernel=${GUEST_KERNEL:-}
if [ -z "$kernel" ]; then
	for kernel in /boot/vmlinuz-*-cloud-amd64; do :; done
fi
[ -r "$kernel" ] || fail "there is no kernel for the guest"

mkdir -p "$dir/root/bin" "$dir/root/proc"
cp "$(command -v busybox)" "$dir/root/bin/busybox"
cat > "$dir/root/init" <<'END'
#!/bin/busybox sh
busybox mount -t proc proc /proc
echo "guest: $(busybox uname -sm), $(busybox grep -c ^processor /proc/cpuinfo) CPUs"
busybox poweroff -f
END
chmod +x "$dir/root/init"
(cd "$dir/root" && find . | cpio --quiet -o -H newc) > "$dir/initrd"

# Runs a VMM; what the guest says is on its standard output.
boots() {
	status=0
	timeout 300 "$@" < /dev/null > "$dir/log" || status=$?
	cat "$dir/log"
	[ $status -eq 0 ] || fail "status $status"
	grep -q 'guest: Linux x86_64, 2 CPUs' "$dir/log" || fail "the guest has not said so"
}
