#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest that takes us for Hyper-V uses what it finds, and survives loadvm.

Its clock is the TSC page, its TLB flushes and IPIs are hypercalls, and the
driver of VMBus talks to QEMU by messages and events of the SynIC.
"""

import os
import subprocess
import sys

import vmm

ENLIGHTENMENTS = ("relaxed", "vapic", "spinlocks=0x1fff", "vpindex", "runtime",
                  "time", "synic", "stimer", "reset", "frequencies",
                  "tlbflush", "ipi", "crash")
EXPECTED = ("Hypervisor detected: Microsoft Hyper-V",
            "Hyper-V: Using hypercall for remote TLB flush",
            "Hyper-V: Using IPI hypercalls",
            "Switched to clocksource hyperv_clocksource_tsc_page",
            "hv_vmbus: Vmbus version:")


def hyperv(directory):
    if vmm.ACCEL != "kvm":
        sys.exit(vmm.SKIPPED)
    image = os.path.join(directory, "state.qcow2")
    subprocess.check_call(["qemu-img", "create", "-q", "-f", "qcow2", image,
                           "64M"])
    arguments = vmm.linux(directory, modules=["hv_vmbus"])
    arguments += ["-device", "vmbus-bridge",
                  "-drive", f"if=none,id=d,file={image}",
                  "-device", "virtio-blk-pci,drive=d"]
    cpu = "host,kvm=off," + ",".join("hv-" + e for e in ENLIGHTENMENTS)
    with vmm.Vm(*arguments, smp=2, cpu=cpu) as vm:
        vm.boot_to_shell()
        log = vm.sh("dmesg")
        for line in EXPECTED:
            if line not in log:
                raise vmm.Failure(f"the guest's log has no '{line}'")
        for command in ("savevm one", "loadvm one"):
            answer = vm.qmp.monitor(command)
            if answer:
                raise vmm.Failure(f"{command}: {answer}")
        # Timers, interrupts and every CPU still work.
        vm.sh("sleep 1 && taskset 1 true && taskset 2 true")
        vm.send("poweroff -f\n")
        vm.wait_exit()


vmm.main(hyperv)
