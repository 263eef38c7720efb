#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""GRUB on a disk image: BIOS, real mode, then a kernel from ext4."""

import os
import shutil
import struct
import subprocess

import vmm

SECTOR = 512
PARTITION_SECTOR = 2048
PARTITION_MIB = 64
GRUB = "/usr/lib/grub/i386-pc"
MODULES = ["biosdisk", "part_msdos", "ext2", "serial", "terminal", "normal",
           "linux", "echo", "boot"]

CONFIG = """serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=1
menuentry "Debian" {
	echo "GRUB loads the kernel"
	linux /vmlinuz console=ttyS0 panic=-1 anykvm=report
	initrd /initrd
}
"""


def file_system(directory, output):
    """An ext4 image with GRUB's configuration, the kernel and initramfs."""
    tree = os.path.join(directory, "tree")
    os.makedirs(os.path.join(tree, "boot", "grub"))
    with open(os.path.join(tree, "boot", "grub", "grub.cfg"), "w") as file:
        file.write(CONFIG)
    shutil.copy(os.path.join(vmm.guest_kernel(), "vmlinuz"), tree)
    vmm.initramfs(os.path.join(tree, "initrd"))
    with open(output, "wb") as file:
        file.truncate(PARTITION_MIB << 20)
    subprocess.check_call(["/sbin/mke2fs", "-q", "-F", "-t", "ext4",
                           "-d", tree, output])


def boot_sectors(directory):
    """The first sectors: GRUB's boot.img with a partition table, core.img."""
    core = os.path.join(directory, "core.img")
    subprocess.check_call(["grub-mkimage", "-O", "i386-pc", "-o", core,
                           "-p", "(hd0,msdos1)/boot/grub", *MODULES])
    with open(os.path.join(GRUB, "boot.img"), "rb") as file:
        boot = bytearray(file.read())
    entry = struct.pack("<B3sB3sII", 0x80, bytes(3), 0x83, bytes(3),
                        PARTITION_SECTOR, (PARTITION_MIB << 20) // SECTOR)
    # The other three entries hold code for floppies, as it comes.
    boot[446:510] = entry + bytes(48)
    boot[510:512] = b"\x55\xaa"
    # boot.img loads sector 1, where core.img starts, unless told otherwise.
    with open(core, "rb") as file:
        sectors = bytes(boot) + file.read()
    if len(sectors) > PARTITION_SECTOR * SECTOR:
        raise vmm.Failure("core.img does not fit before the partition")
    return sectors


def grub(directory):
    image = os.path.join(directory, "disk.img")
    partition = os.path.join(directory, "partition.img")
    file_system(directory, partition)
    with open(image, "wb") as disk, open(partition, "rb") as content:
        disk.write(boot_sectors(directory))
        disk.seek(PARTITION_SECTOR * SECTOR)
        shutil.copyfileobj(content, disk)
    with vmm.Vm("-no-reboot", "-drive",
                f"if=none,id=d,format=raw,file={image}",
                "-device", "ide-hd,drive=d") as vm:
        vm.expect(r"GRUB loads the kernel", vmm.BOOT_TIMEOUT)
        vm.expect(r"anykvm-guest: report complete", vmm.BOOT_TIMEOUT)
        vm.wait_exit()


vmm.main(grub)
