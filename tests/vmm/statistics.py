#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A Debian kernel boots with --stats: counts at exit, and a live view with the
names of its functions, wherever it has moved itself to."""

import json
import os
import re
import subprocess
import sys

import vmm

MOVE = 0x2e00000	# between the symbols and the guest: a multiple of 2 MiB
NAMES = "entry_SYSCALL_64|io_serial_in|io_serial_out"


def require(condition, what):
    if not condition:
        raise vmm.Failure(what)


def symbols_of(vm, path):
    """The names, as they would be in a System.map of the kernel not moved."""
    text = vm.sh(f"grep -E ' ({NAMES})$' /proc/kallsyms")
    rows = re.findall(r"^([0-9a-f]{16}) (\w) (\w+)\r?$", text, re.MULTILINE)
    require(len(rows) >= 3, f"kallsyms has {rows}")
    with open(path, "w", encoding="ascii") as file:
        for address, kind, name in sorted(rows):
            file.write(f"{int(address, 16) - MOVE:016x} {kind} {name}\n")


def live(vm, path):
    """What the view shows of addresses, for some seconds of a busy console."""
    environment = {**os.environ, "TERM": "dumb"}
    environment.pop("ANYKVM_STATS")
    environment.pop("ANYKVM_OUTPUT")
    environment.pop("ANYKVM_JSON")
    with subprocess.Popen([vmm.ANYKVM, "--stats=live", f"--symbols={path}",
                           str(vm.process.pid)], env=environment,
                          stdout=subprocess.PIPE, text=True) as view:
        for _i in range(3):
            vm.sh("dmesg | head -n 50; sleep 1")
        view.terminate()
        return view.stdout.read()


def check(report, smp):
    require(report["schema"] == "anykvm-stats", "another schema")
    require(sorted(v["id"] for v in report["vcpus"]) == list(range(smp)), "other vCPUs")
    everything = report["all"]
    reasons = {e["reason"]: e["count"] for e in everything["by_reason"]}
    require(reasons.get("IO", 0) > 1000, f"exits: {reasons}")
    require(sum(reasons.values()) == everything["exits"], "exits are not their sum")
    require(everything["instructions"] > 1e8, "few instructions")
    kvm = everything["kvm"]
    require(kvm["io_exits"] >= reasons["IO"], "more exits for I/O than I/O")
    for name in "irq_injections", "pf_guest", "anykvm_tlb_misses":
        require(kvm[name] > 100, f"{name} is {kvm[name]}")
    names = {a["symbol"] for a in report["addresses"]}
    require(names == {None}, f"names from nowhere: {names}")
    in_kernel = sum(a["count"] for a in report["addresses"]
                    if int(a["address"], 16) >= 0xffffffff80000000)
    require(in_kernel > 100, "no exit in the kernel")


def statistics(directory):
    if vmm.ACCEL != "kvm":
        sys.exit(vmm.SKIPPED)
    output = os.path.join(directory, "report")
    path = os.path.join(directory, "System.map")
    os.environ.update(ANYKVM_STATS="1", ANYKVM_JSON="1", ANYKVM_OUTPUT=output)
    with vmm.Vm(*vmm.linux(directory), smp=2) as vm:
        vm.boot_to_shell()
        symbols_of(vm, path)
        shown = live(vm, path)
        require(re.search(r"^io_serial_(in|out)\+0x[0-9a-f]+ IO ", shown, re.MULTILINE),
                f"no names in the view: {shown}")
        vm.send("poweroff -f\n")
        vm.wait_exit()
    with open(output, encoding="ascii") as file:
        check(json.load(file), 2)
    print(shown)


vmm.main(statistics)
