#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""QEMU's gdbstub: break, step and continue, over the remote protocol."""

import argparse
import os
import re
import socket

import vmm

RIP = 16		# its place among the registers of a "g" answer
SYSCALL = "__x64_sys_newuname"
SOFTWARE, HARDWARE = 0, 1


class Gdb:
    """As much of the remote serial protocol as a breakpoint needs."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(vmm.STEP_TIMEOUT)
        self.socket.connect(path)
        self.buffer = b""

    def send(self, text):
        data = text.encode()
        self.socket.sendall(b"$" + data + b"#%02x" % (sum(data) & 0xff))

    def receive(self):
        while True:
            match = re.search(rb"\$([^#]*)#..", self.buffer)
            if match:
                self.buffer = self.buffer[match.end():]
                self.socket.sendall(b"+")
                return match.group(1).decode()
            data = self.socket.recv(65536)
            if not data:
                raise vmm.Failure("the gdbstub closed the connection")
            self.buffer += data

    def ask(self, text):
        self.send(text)
        return self.receive()

    def must(self, text):
        answer = self.ask(text)
        if answer != "OK":
            raise vmm.Failure(f"gdbstub: {text} gave {answer!r}")

    def drain(self):
        """Drops what the stub says by itself when a debugger comes."""
        self.socket.settimeout(1)
        try:
            while True:
                self.receive()
        except TimeoutError:
            self.socket.settimeout(vmm.STEP_TIMEOUT)

    def rip(self):
        registers = bytes.fromhex(self.ask("g").replace("x", "0"))
        return int.from_bytes(registers[RIP * 8:RIP * 8 + 8], "little")

    def expect_stop(self, answer):
        if not answer.startswith(("T05", "S05")):
            raise vmm.Failure(f"the guest stopped with {answer!r}")


def break_and_step(vm, gdb, address, kind):
    gdb.must(f"Z{kind},{address:x},1")
    gdb.send("c")
    vm.send("uname -r\n")
    gdb.expect_stop(gdb.receive())
    if gdb.rip() != address:
        raise vmm.Failure(f"stopped at {gdb.rip():#x}, not {address:#x}")
    gdb.must(f"z{kind},{address:x},1")
    seen = {address}
    for _ in range(5):
        gdb.expect_stop(gdb.ask("s"))
        seen.add(gdb.rip())
    if len(seen) < 5:
        raise vmm.Failure("single steps do not advance")


def gdbstub(directory, options):
    path = os.path.join(directory, "gdb")
    arguments = vmm.linux(directory, append="nokaslr")
    arguments += ["-chardev", f"socket,id=gdb,path={path},server=on,wait=off",
                  "-gdb", "chardev:gdb"]
    with vmm.Vm(*arguments, smp=options.smp) as vm:
        vm.boot_to_shell()
        line = vm.sh(f"grep -w {SYSCALL} /proc/kallsyms")
        address = int(re.search(r"^([0-9a-f]{16}) ", line, re.M).group(1), 16)
        gdb = Gdb(path)
        gdb.send("?")
        gdb.drain()
        break_and_step(vm, gdb, address, SOFTWARE)
        break_and_step(vm, gdb, address, HARDWARE)
        gdb.send("c")
        vm.sh("uname -r")
        gdb.socket.close()
        vm.send("poweroff -f\n")
        vm.wait_exit()


parser = argparse.ArgumentParser()
parser.add_argument("--smp", type=int, default=1)
vmm.main(gdbstub, parser.parse_args())
