#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest boots while all that QEMU and KVM do is traced; the trace is read whole."""

import collections
import json
import os

import vmm

REQUESTS = ("KVM_CREATE_VM", "KVM_CREATE_VCPU", "KVM_SET_CPUID2", "KVM_SET_MSRS",
            "KVM_SET_GSI_ROUTING", "KVM_SET_USER_MEMORY_REGION", "KVM_GET_SREGS2")


def trace(directory):
    path = os.path.join(directory, "trace")
    os.environ.update(ANYKVM_TRACE="1", ANYKVM_JSON="1", ANYKVM_OUTPUT=path)
    with vmm.Vm(*vmm.linux(directory, "report"), smp=2) as vm:
        vm.expect(r"anykvm-guest: report complete", vmm.BOOT_TIMEOUT)
        vm.wait_exit()
    kinds, requests, exits, unnamed = (collections.Counter() for _ in range(4))
    with open(path, encoding="ascii") as file:
        for line in file:
            record = json.loads(line)
            kinds[record["type"]] += 1
            requests[record.get("request")] += 1
            exits[record.get("exit_reason")] += 1
            if record["type"] == "ioctl" and record["request"].startswith("0x"):
                unnamed[record["request"]] += 1
    print(os.path.getsize(path), "bytes;", dict(kinds), dict(exits), dict(unnamed))
    for request in REQUESTS:
        if not requests[request]:
            raise vmm.Failure(f"QEMU is said not to have called {request}")
    if not exits["KVM_EXIT_IO"] or not exits["KVM_EXIT_MMIO"] or not kinds["irq"]:
        raise vmm.Failure("exits or interrupts are missing")
    if kinds["start"] != 1 or kinds["lost"]:
        raise vmm.Failure("the trace is not of one process, or lacks records")


vmm.main(trace)
