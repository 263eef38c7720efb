#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Debian kernel boots, finds its CPUs and clock, and powers off."""

import argparse
import re
import sys

import vmm


def field(report, name):
    match = re.search(rf"^  {name} +(.*?)\r?$", report, re.MULTILINE)
    if not match:
        raise vmm.Failure(f"the report has no {name}")
    return match.group(1)


def boot(directory, options):
    if options.cpu == "host" and vmm.ACCEL != "kvm":
        sys.exit(vmm.SKIPPED)
    arguments = vmm.linux(directory, "report", options.guest)
    with vmm.Vm(*arguments, machine=options.machine, smp=options.smp,
                cpu=options.cpu, accel_options=options.accel) as vm:
        vm.expect(r"anykvm-guest: report\r?$", vmm.BOOT_TIMEOUT)
        start = vm.seen
        vm.expect(r"anykvm-guest: report complete")
        report = vm.text[start:vm.seen]
        print(report)
        if field(report, "CPUs") != str(options.smp):
            raise vmm.Failure("not every CPU came up")
        if vmm.ACCEL == "kvm":
            if field(report, "hypervisor") != "KVM":
                raise vmm.Failure("the guest did not detect KVM")
            if field(report, "clocksource") not in ("kvm-clock", "tsc"):
                raise vmm.Failure("the guest does not use kvm-clock")
        # Without ACPI, microvm has no way to power off; the kernel halts.
        if options.machine.startswith("microvm"):
            vm.expect(r"reboot: (Power down|System halted)")
        else:
            vm.wait_exit()


parser = argparse.ArgumentParser()
parser.add_argument("--machine", default="pc")
parser.add_argument("--smp", type=int, default=1)
parser.add_argument("--cpu")
parser.add_argument("--guest", default="amd64")
parser.add_argument("--accel", default="", help="options of -accel")
vmm.main(boot, parser.parse_args())
