#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest rewrites its own kernel while all of its CPUs execute it.

Each switch of ftrace's function_graph tracer patches the entry of every
function, breakpoints first, and has the other CPUs serialize.
"""

import argparse

import vmm

# CPUs are busy in the kernel meanwhile.
LOAD = "while :; do cat /proc/stat > /dev/null; usleep 20000; done"
SWITCH = ("switch() { i=0; traced=0; while [ $i -lt $1 ] && "
          "echo function_graph > current_tracer; do "
          "grep -q '();' trace && traced=$((traced + 1)); "
          "echo nop > current_tracer; i=$((i + 1)); done; "
          "echo switched $i, traced $traced; }")
AT_ONCE = 10


def ftrace(directory, arguments):
    with vmm.Vm(*vmm.linux(directory), smp=arguments.smp) as vm:
        vm.boot_to_shell()
        vm.sh("mount -t tracefs tracefs /sys/kernel/tracing")
        vm.sh("cd /sys/kernel/tracing && echo 64 > buffer_size_kb")
        vm.sh(SWITCH)
        for _cpu in range(arguments.smp):
            vm.sh(f"{{ {LOAD}; }} & true")
        for done in range(0, arguments.switches, AT_ONCE):
            answer = vm.sh(f"switch {AT_ONCE}")
            if f"switched {AT_ONCE}, traced {AT_ONCE}" not in answer:
                raise vmm.Failure(f"after {done} switches: {answer}")
        log = vm.sh("dmesg")
        for word in ("BUG:", "Oops", "ftrace failed", "WARNING:"):
            if word in log:
                raise vmm.Failure(f"the guest's log has '{word}'")
        vm.send("poweroff -f\n")
        vm.wait_exit()


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--smp", type=int, default=4)
    parser.add_argument("--switches", type=int, default=2 * AT_ONCE)
    return parser.parse_args()


vmm.main(ftrace, options())
