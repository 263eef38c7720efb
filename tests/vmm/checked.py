#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--check finds nothing in QEMU: no error, no warning, and it has looked."""

import argparse
import os
import re

import vmm


def checked(directory, options):
    os.environ["ANYKVM_CHECK"] = "warn"
    arguments = vmm.linux(directory)
    arguments.remove("-no-reboot")
    with vmm.Vm(*arguments, machine=options.machine, smp=2, accel_options=options.accel) as vm:
        vm.boot_to_shell()
        if options.reset:
            vm.qmp.command("system_reset")
            vm.boot_to_shell()
        if options.migrate:
            vm.qmp.command("migrate", uri="exec:cat >" + os.path.join(directory, "state"))
            vm.qmp.wait_for("query-migrate", ("completed",))
        vm.qmp.command("quit")
        vm.wait_exit()
        with open(vm.stderr_path, errors="replace", encoding="utf-8") as file:
            stderr = file.read()
        if not re.search(r"^anykvm: check: nothing found$", stderr, re.M):
            raise vmm.Failure("--check has not looked, or found something:\n" + stderr)


parser = argparse.ArgumentParser()
parser.add_argument("--machine", default="pc")
parser.add_argument("--accel", default="")
parser.add_argument("--reset", action="store_true")
parser.add_argument("--migrate", action="store_true")
vmm.main(checked, parser.parse_args())
