#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An ext4 file system on virtio-blk survives a reboot of the guest."""

import os
import subprocess

import vmm

MODULES = ["virtio_pci", "virtio_blk", "ext4"]
FILE_MIB = 8


def disk(directory):
    image = os.path.join(directory, "disk.img")
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    subprocess.check_call(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", image])
    arguments = vmm.linux(directory, modules=MODULES)
    arguments.remove("-no-reboot")
    arguments += ["-drive", f"if=none,id=d,format=raw,file={image}",
                  "-device", "virtio-blk-pci,drive=d"]
    with vmm.Vm(*arguments, smp=2) as vm:
        vm.boot_to_shell()
        vm.sh("mount -t ext4 /dev/vda /mnt")
        vm.sh(f"dd if=/dev/urandom of=/mnt/data bs=1M count={FILE_MIB}")
        vm.sh("cd /mnt && md5sum data > sum && sync && cd /")
        vm.sh("umount /mnt")
        vm.send("reboot -f\n")
        vm.boot_to_shell()
        vm.sh("mount -t ext4 /dev/vda /mnt")
        output = vm.sh("cd /mnt && md5sum -c sum; cd /")
        if "data: OK" not in output:
            raise vmm.Failure("the file changed: " + output)
        vm.sh("umount /mnt")
        vm.send("poweroff -f\n")
        vm.wait_exit()
    subprocess.check_call(["/sbin/e2fsck", "-f", "-n", image])


vmm.main(disk)
