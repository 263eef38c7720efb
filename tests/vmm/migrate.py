#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A running guest moves to a file, and from there into another QEMU."""

import argparse
import os

import vmm

MIGRATION_TIMEOUT = 180


def migrate(directory, options):
    state = os.path.join(directory, "state")
    arguments = vmm.linux(directory)
    with vmm.Vm(*arguments, smp=2, accel_options=options.accel) as source:
        source.boot_to_shell()
        # A counter keeps memory busy and shows that time goes on.
        source.sh("state=moved; (while sleep 0.1; do "
                  "echo x >> /tmp/ticks; done) & true")
        source.qmp.command("migrate", uri=f"exec:cat > {state}")
        if source.qmp.wait_for("query-migrate", ("completed", "failed"),
                               timeout=MIGRATION_TIMEOUT) != "completed":
            raise vmm.Failure("the migration to the file failed")
        source.qmp.command("quit")
        source.wait_exit()
    with vmm.Vm(*arguments, "-incoming", f"exec:cat {state}",
                smp=2, accel_options=options.accel) as target:
        target.qmp.wait_for("query-status", ("running",),
                            timeout=MIGRATION_TIMEOUT)
        if "it is moved" not in target.sh('echo "it is $state"'):
            raise vmm.Failure("the guest forgot its state")
        target.sh("a=$(wc -l < /tmp/ticks); sleep 2; "
                  "b=$(wc -l < /tmp/ticks); [ $b -gt $a ]")
        target.sh("taskset 1 true && taskset 2 true")
        target.send("poweroff -f\n")
        target.wait_exit()


parser = argparse.ArgumentParser()
parser.add_argument("--accel", default="", help="options of -accel")
vmm.main(migrate, parser.parse_args())
