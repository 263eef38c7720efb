#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""savevm and loadvm: the guest goes back to where it was, and lives on."""

import os
import subprocess

import vmm


def snapshot(directory):
    image = os.path.join(directory, "state.qcow2")
    subprocess.check_call(["qemu-img", "create", "-q", "-f", "qcow2", image,
                           "64M"])
    arguments = vmm.linux(directory)
    arguments += ["-drive", f"if=none,id=d,file={image}",
                  "-device", "virtio-blk-pci,drive=d"]
    with vmm.Vm(*arguments, smp=2) as vm:
        vm.boot_to_shell()
        vm.sh("state=before")
        answer = vm.qmp.monitor("savevm one")
        if answer:
            raise vmm.Failure("savevm: " + answer)
        vm.sh("state=after")
        answer = vm.qmp.monitor("loadvm one")
        if answer:
            raise vmm.Failure("loadvm: " + answer)
        if "it is before" not in vm.sh('echo "it is $state"'):
            raise vmm.Failure("the guest did not go back")
        # Timers, interrupts and every CPU still work.
        vm.sh("sleep 1 && taskset 1 true && taskset 2 true")
        vm.send("poweroff -f\n")
        vm.wait_exit()


vmm.main(snapshot)
