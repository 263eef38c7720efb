# SPDX-License-Identifier: MIT
"""QEMU under anykvm, driven over its serial port and QMP.

ACCEL=tcg runs the same tests on QEMU's own emulator, to see whether it is the
test or the engine that is wrong.  With kvm every test asserts, when its Vm is
closed, that anykvm served /dev/kvm.
"""

import fcntl
import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
ANYKVM = os.environ.get("ANYKVM", os.path.join(ROOT, "build", "anykvm"))
ACCEL = os.environ.get("ACCEL", "kvm")
GUESTS = os.path.join(ROOT, "build", "guest")

BOOT_TIMEOUT = 300
STEP_TIMEOUT = 90
# A whole test, whoever runs it; Meson's own limit is longer.
TEST_TIMEOUT = 600

SKIPPED = 77

SHELL_PROMPT = r"anykvm-guest: shell"
SERVED = "anykvm: serving /dev/kvm"


class Failure(Exception):
    pass


def guest_kernel(name="amd64"):
    """The directory of an unpacked kernel; fetches it if need be."""
    os.makedirs(GUESTS, exist_ok=True)
    with open(os.path.join(GUESTS, f"lock-{name}"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.check_call([os.path.join(ROOT, "scripts", "guest-kernel"),
                               name])
    return os.path.join(GUESTS, name)


def initramfs(output, name="amd64", modules=()):
    subprocess.check_call([os.path.join(ROOT, "scripts", "guest-initramfs"),
                           name, output, *modules])
    return output


class Qmp:
    """QEMU's control socket: commands, and waiting for events."""

    def __init__(self, path, deadline):
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise Failure("QEMU opened no QMP socket")
                time.sleep(0.05)
        self.socket.settimeout(STEP_TIMEOUT)
        self.stream = self.socket.makefile("rw")
        self.events = []
        self.read()
        self.command("qmp_capabilities")

    def read(self):
        line = self.stream.readline()
        if not line:
            raise Failure("QEMU closed its QMP socket")
        return json.loads(line)

    def command(self, name, **arguments):
        json.dump({"execute": name, "arguments": arguments}, self.stream)
        self.stream.write("\n")
        self.stream.flush()
        while True:
            answer = self.read()
            if "event" in answer:
                self.events.append(answer["event"])
            elif "error" in answer:
                raise Failure(f"QMP {name}: {answer['error']['desc']}")
            else:
                return answer["return"]

    def monitor(self, line):
        return self.command("human-monitor-command", **{"command-line": line})

    def wait_for(self, name, wanted, field="status", timeout=STEP_TIMEOUT):
        deadline = time.monotonic() + timeout
        while True:
            now = self.command(name).get(field)
            if now in wanted:
                return now
            if time.monotonic() > deadline:
                raise Failure(f"{name} stays at {now!r}")
            time.sleep(0.1)


class Guest:
    """A program whose standard input and output are a guest's serial port.  A
    context manager: leaving it ends the program and checks it."""

    def __init__(self, command):
        self.dir = tempfile.mkdtemp(prefix="anykvm-vmm-")
        self.stderr_path = os.path.join(self.dir, "stderr")
        self.text = ""
        self.seen = 0
        command = command(self.dir) if callable(command) else command
        print("+", " ".join(command), flush=True)
        environment = dict(os.environ)
        environment.pop("ANYKVM_QUIET", None)
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=stderr, env=environment, bufsize=0)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        stderr = self.stderr()
        shutil.rmtree(self.dir, ignore_errors=True)
        if kind:
            print("--- the guest's last words\n" + self.text[-6000:])
            print("--- stderr\n" + stderr[-4000:], flush=True)
        else:
            self.check(stderr)

    def check(self, stderr):
        """At the end, of a test that has not failed."""

    def stderr(self):
        with open(self.stderr_path, errors="replace") as file:
            return file.read()

    def read_some(self, timeout):
        """False at the end of the output."""
        if not self.selector.select(max(timeout, 0)):
            return True
        data = self.process.stdout.read(65536)
        if data == b"":
            return False
        self.text += (data or b"").decode("utf-8", "replace")
        return True

    def expect(self, pattern, timeout=STEP_TIMEOUT):
        """Waits for @pattern in the serial output after the last match."""
        deadline = time.monotonic() + timeout
        regex = re.compile(pattern, re.MULTILINE)
        alive = True
        while True:
            match = regex.search(self.text, self.seen)
            if match:
                self.seen = match.end()
                return match
            if not alive:
                raise Failure(f"the VMM ended before {pattern!r}")
            if time.monotonic() > deadline:
                raise Failure(f"no {pattern!r} within {timeout} s")
            alive = self.read_some(min(1, deadline - time.monotonic()))

    def send(self, text):
        self.process.stdin.write(text.encode())

    def sh(self, command, timeout=STEP_TIMEOUT, status=0):
        """Runs @command in the guest's shell; returns what it printed."""
        start = self.seen
        self.send(f'{command}; echo "rc""=$?="\n')
        match = self.expect(r"^rc=(\d+)=", timeout)
        output = self.text[start:match.start()]
        if int(match.group(1)) != status:
            raise Failure(f"guest: {command!r} ended with {match.group(1)}:\n"
                          + output)
        return output

    def boot_to_shell(self, timeout=BOOT_TIMEOUT):
        self.expect(SHELL_PROMPT, timeout)
        self.expect(r"# ", timeout)

    def wait_exit(self, timeout=STEP_TIMEOUT):
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise Failure(f"the VMM still runs after {timeout} s")
            if not self.read_some(0.2):
                time.sleep(0.05)
        if self.process.returncode:
            raise Failure(f"the VMM ended with {self.process.returncode}")


class Vm(Guest):
    """One QEMU."""

    def __init__(self, *arguments, machine="pc", smp=1, memory=512, cpu=None,
                 accel_options=""):
        def command(directory):
            self.qmp_path = os.path.join(directory, "qmp")
            return [
                *([ANYKVM, "--"] if ACCEL == "kvm" else []),
                "qemu-system-x86_64", "-accel",
                ACCEL + (accel_options if ACCEL == "kvm" else ""),
                "-machine", machine, "-smp", str(smp), "-m", str(memory),
                *(["-cpu", cpu] if cpu else []),
                "-display", "none", "-serial", "stdio", "-monitor", "none",
                "-nodefaults", "-no-user-config", "-qmp",
                f"unix:{self.qmp_path},server=on,wait=off", *arguments]

        super().__init__(command)
        self.qmp_connection = None

    def check(self, stderr):
        if ACCEL == "kvm" and SERVED not in stderr:
            raise Failure("anykvm did not serve /dev/kvm:\n" + stderr)
        if re.search(r"anykvm: check: (error|warning)", stderr):
            raise Failure("QEMU is said to misuse the API:\n" + stderr)

    @property
    def qmp(self):
        if not self.qmp_connection:
            self.qmp_connection = Qmp(self.qmp_path,
                                      time.monotonic() + STEP_TIMEOUT)
        return self.qmp_connection


def linux(vm_dir, what="shell", guest="amd64", modules=(), console="ttyS0",
          append=""):
    """QEMU's arguments that boot a Debian kernel into our initramfs."""
    kernel = guest_kernel(guest)
    initrd = initramfs(os.path.join(vm_dir, f"{guest}.cpio"), guest, modules)
    return ["-no-reboot", "-kernel", os.path.join(kernel, "vmlinuz"),
            "-initrd", initrd,
            "-append", f"console={console} panic=-1 anykvm={what} {append}"]


def interrupted(number, _frame):
    raise Failure("not done within the time" if number == signal.SIGALRM
                  else f"signal {number}")


def main(test, *arguments):
    """Runs @test(directory, *arguments); exits with its verdict."""
    # As exceptions these end QEMU too, which may be deaf to anything but KILL.
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupted)
    signal.alarm(TEST_TIMEOUT)
    with tempfile.TemporaryDirectory(prefix="anykvm-vmm-") as directory:
        try:
            test(directory, *arguments)
        except Failure as failure:
            print(f"FAILED: {failure}", flush=True)
            sys.exit(1)
    print("passed")
