#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libguestfs under anykvm: its own test, and guestfish, whose appliance of this
system's packages makes a disk image and a file system and writes a file, which is
then read from outside."""

import os
import shutil
import subprocess
import sys

import vmm

TEXT = "written by a guest"
PARTITION = 128 * 512		# where part-disk puts the first one
SCRIPT = f"""
disk-create disk.img raw 64M
add disk.img format:raw
run
part-disk /dev/sda mbr
mkfs ext2 /dev/sda1
mount /dev/sda1 /
mkdir /etc
write /etc/motd "{TEXT}"
cat /etc/motd
umount /
"""


def appliance_kernel(directory):
    """What supermin looks for in /boot and /lib/modules, of the guests' kernel."""
    kernel = vmm.guest_kernel()
    version = subprocess.run(["file", "-bL", os.path.join(kernel, "vmlinuz")],
                             capture_output=True, text=True, check=True
                             ).stdout.split("version ")[1].split()[0]
    modules = os.path.join(directory, "lib", "modules", version)
    shutil.copytree(os.path.join(kernel, "modules"), os.path.join(modules, "kernel"))
    subprocess.run(["/sbin/depmod", "-b", directory, version], check=True,
                   stderr=subprocess.DEVNULL)
    return {"SUPERMIN_KERNEL": os.path.join(kernel, "vmlinuz"),
            "SUPERMIN_KERNEL_VERSION": version, "SUPERMIN_MODULES": modules}


def run(program, directory, environment, script=""):
    """The output of @program, which must have used anykvm."""
    process = subprocess.run(
        [vmm.ANYKVM, "--", program], input=script, cwd=directory, text=True,
        env=environment, capture_output=True, timeout=vmm.BOOT_TIMEOUT)
    print(process.stdout, process.stderr, flush=True)
    if process.returncode:
        raise vmm.Failure(f"{program} ended with {process.returncode}")
    if vmm.SERVED not in process.stdout + process.stderr:
        raise vmm.Failure(f"the appliance of {program} did not run on anykvm")
    return process.stdout


def test(directory):
    if not shutil.which("guestfish", path=os.environ["PATH"] + ":/usr/sbin"):
        sys.exit(vmm.SKIPPED)
    environment = dict(
        os.environ, **appliance_kernel(directory), LIBGUESTFS_BACKEND="direct",
        LIBGUESTFS_CACHEDIR=directory, TMPDIR=directory,
        LIBGUESTFS_BACKEND_SETTINGS="force_kvm", LIBGUESTFS_DEBUG="1")
    if "TEST FINISHED OK" not in run("libguestfs-test-tool", directory, environment):
        raise vmm.Failure("libguestfs-test-tool is not content")
    if TEXT not in run("guestfish", directory, environment, SCRIPT):
        raise vmm.Failure("the guest did not read its file back")
    outside = subprocess.run(
        ["debugfs", "-R", "cat /etc/motd", f"disk.img?offset={PARTITION}"],
        cwd=directory, capture_output=True, text=True, check=True).stdout
    if outside != TEXT:
        raise vmm.Failure(f"the image has {outside!r}")


vmm.main(test)
