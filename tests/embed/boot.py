#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The example that boots Linux without QEMU: report and power off, the console's
input and reset, wrong arguments.
    boot.py BOOT
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vmm"))
import vmm  # pylint: disable=wrong-import-position

boot = sys.argv[1]


def refused(status, words, *arguments):
    done = subprocess.run([boot, *arguments], capture_output=True, text=True, timeout=30)
    if done.returncode != status or words not in done.stderr:
        raise vmm.Failure(f"{arguments}: status {done.returncode}, {done.stderr!r}")


def wrong_arguments(kernel):
    for arguments in ([], ["-c", "0", kernel], ["-m", "9999", kernel], ["-m", "1x", kernel],
                      ["-z", kernel], ["a", "b", "c"]):
        refused(2, "Usage: boot", *arguments)
    refused(1, "No such file", "/no/kernel")
    refused(1, "no bzImage", __file__)
    refused(1, "does not fit", "-m", "16", kernel)
    refused(1, "does not fit", "-m", "64", kernel, kernel[:-len("vmlinuz")] + "big")


def ended(guest, words):
    guest.wait_exit()
    if words not in guest.stderr():
        raise vmm.Failure(f"no {words!r}, but {guest.stderr()!r}")


def test(directory):
    kernel = os.path.join(vmm.guest_kernel(), "vmlinuz")
    initrd = vmm.initramfs(os.path.join(directory, "initrd"))
    with open(os.path.join(directory, "big"), "wb") as file:
        file.truncate(64 << 20)
    os.symlink(kernel, os.path.join(directory, "vmlinuz"))
    wrong_arguments(os.path.join(directory, "vmlinuz"))

    with vmm.Guest([boot, "-c", "2", "-a", "console=ttyS0 anykvm=report", kernel, initrd]) as guest:
        guest.expect(r"  CPUs +2\r?$", vmm.BOOT_TIMEOUT)
        guest.expect(r"  hypervisor +KVM\r?$")
        guest.expect(r"anykvm-guest: report complete")
        ended(guest, "boot: the guest has powered off")

    with vmm.Guest([boot, "-m", "256", "-a", "console=ttyS0 anykvm=shell panic=-1", kernel, initrd]) as guest:
        guest.boot_to_shell()
        guest.sh("sleep 1")
        if "ttyS0" not in guest.sh("cat /proc/interrupts"):
            raise vmm.Failure("the console has no interrupt")
        guest.send("reboot -f\n")
        ended(guest, "boot: the guest has reset the machine")


vmm.main(test)
