#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guest resets itself, then QEMU resets it: each time it boots anew."""

import argparse

import vmm


def new_boot(vm):
    vm.boot_to_shell()
    if "it is " + vm.mark in vm.sh('echo "it is $(cat /tmp/mark)"'):
        raise vmm.Failure("the guest was not reset")
    vm.sh(f"echo {vm.mark} > /tmp/mark")


def reboot(directory, options):
    arguments = vmm.linux(directory)
    arguments.remove("-no-reboot")
    with vmm.Vm(*arguments, machine=options.machine, smp=options.smp) as vm:
        vm.mark = "marked"
        new_boot(vm)
        vm.send("reboot -f\n")
        new_boot(vm)
        # Every CPU runs when the reset comes.
        vm.sh("for i in 1 2 3 4; do while :; do :; done & done; sleep 1")
        vm.qmp.command("system_reset")
        new_boot(vm)
        vm.send("poweroff -f\n")
        vm.wait_exit()


parser = argparse.ArgumentParser()
parser.add_argument("--machine", default="pc")
parser.add_argument("--smp", type=int, default=2)
vmm.main(reboot, parser.parse_args())
