# SPDX-License-Identifier: MIT
"""Where workloads run: on the host, or in a guest of one of QEMU's engines.

Both are sessions that speak the protocol of bench/guest/main.c: the workload
says "ready" when it is set up and warm, starts at a line, and ends with its
result; so both clocks of the host can be read beside that of the guest.
"""

import os
import re
import selectors
import shlex
import shutil
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
WORKLOADS = os.path.join(BUILD, "bench", "guest", "workloads")
GUEST = os.path.join(BUILD, "guest")
FILES = os.path.join(GUEST, "bench")
TREE = os.path.join(FILES, "tree")
INITRD = os.path.join(FILES, "bench.cpio")
DISK = os.path.join(FILES, "disk.img")
DISK_MIB = 96
MEMORY_MIB = 512

BOOT_TIMEOUT = 300
STEP_TIMEOUT = 240


class Failure(Exception):
    pass


# TCG walks longer page tables when it offers LA57, and executes REP MOVSB and
# STOSB byte by byte, which ERMS and FSRM make kernels and libraries use.
TCG_CPU = "max,la57=off,erms=off,fsrm=off"


class Column:
    """An engine.  launcher: what stands before QEMU; None: not a guest."""

    def __init__(self, name, accel=None, launcher=(), cpu="max"):
        self.name = name
        self.accel = accel
        self.cpu = cpu
        self.launcher = list(launcher)

    def session(self, cpus=1):
        return Guest(self, cpus) if self.accel else Native(cpus)


def anykvm(arguments):
    return [os.path.join(BUILD, "anykvm"), "--quiet", *arguments, "--"]


def columns(anykvm_arguments):
    """All there are, in the order of the table."""
    return [
        Column("native"),
        Column("tcg", "tcg", cpu=TCG_CPU),
        Column("anykvm", "kvm", anykvm(anykvm_arguments)),
    ]


# -- Processes that are talked to in lines ------------------------------------


def cpu_times(pid):
    """Nanoseconds of CPU time of each thread."""
    times = {}
    directory = f"/proc/{pid}/task"
    for thread in os.listdir(directory):
        try:
            with open(f"{directory}/{thread}/schedstat") as file:
                times[thread] = int(file.read().split()[0])
        except OSError:
            continue
    return times


class Lines:
    """A process whose output is read in lines, each within a time."""

    def __init__(self, command, **options):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log, bufsize=0, **options)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.buffer = b""
        self.recent = []

    def line(self, deadline):
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not self.selector.select(left):
                raise Failure("no answer in time" + self.last_words())
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise Failure("ended" + self.last_words())
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        text = line.decode("utf-8", "replace").rstrip("\r")
        self.recent = self.recent[-20:] + [text]
        return text

    def expect(self, pattern, timeout):
        deadline = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.line(deadline))
            if match:
                return match

    def send(self, text):
        try:
            self.process.stdin.write(text.encode() + b"\n")
        except OSError:
            raise Failure("ended" + self.last_words()) from None

    def last_words(self):
        self.log.seek(0)
        errors = self.log.read().decode("utf-8", "replace").split("\n")
        words = [line for line in self.recent[-8:] + errors[-8:] if line]
        return "".join("\n    | " + line for line in words)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.selector.close()
        self.log.close()


def parse_result(text):
    """The pairs of a result line; numbers are per unit, but for the units."""
    pairs = dict(pair.split("=") for pair in text.split())
    units = int(pairs["units"])
    return {"units": units, "sum": pairs["sum"],
            "wall": int(pairs["wall"]) / units,
            "cpu": int(pairs["cpu"]) / units, "best": int(pairs["best"])}


def converse(lines, end):
    """From "ready" to the result, or None if the workload was skipped."""
    wanted = rf"^(ready|skipped|result (.*)|{end})$"
    answer = lines.expect(wanted, STEP_TIMEOUT)
    if answer[1] == "skipped":
        return None
    if answer[1] != "ready":
        raise Failure("the workload failed" + lines.last_words())
    pid = lines.process.pid
    cpu, start = cpu_times(pid), time.monotonic()
    lines.send("")
    answer = lines.expect(wanted, STEP_TIMEOUT)
    if not answer[2]:
        raise Failure("the workload failed" + lines.last_words())
    result = parse_result(answer[2])
    host = time.monotonic() - start
    used = sum(ns - cpu.get(thread, 0) for thread, ns in cpu_times(pid).items())
    result["host_wall"] = host * 1e9 / result["units"]
    result["host_cpu"] = used / result["units"]
    return result


def arguments(name, scale, limit, processes):
    words = ["run", "-w", "-s", f"{scale:g}", "-l", f"{limit:g}"]
    words += ["-p", str(processes)] if processes else []
    return words + ["-d", "{}", name]


class Native:
    """The host.  One CPU of it, where guests have one."""

    def __init__(self, cpus):
        self.cpus = set(sorted(os.sched_getaffinity(0))[-cpus:])
        self.boot = None

    def run(self, name, scale, limit, processes=0):
        words = [word.replace("{}", TREE)
                 for word in arguments(name, scale, limit, processes)]
        lines = Lines([WORKLOADS, *words],
                      preexec_fn=lambda: os.sched_setaffinity(0, self.cpus))
        try:
            result = converse(lines, "")
        finally:
            lines.close()
        # What the workload's children used is in its own account only.
        if result:
            result["host_cpu"] = result["cpu"]
        return result

    def memory(self):
        return None

    def close(self):
        pass


# -- Guests ----------------------------------------------------------------------


def qemu(column, cpus, disk):
    return [*column.launcher, "qemu-system-x86_64", "-accel", column.accel,
            "-cpu", column.cpu, "-smp", str(cpus), "-m", str(MEMORY_MIB),
            "-display", "none", "-serial", "stdio", "-monitor", "none",
            "-nodefaults", "-no-user-config", "-no-reboot",
            "-kernel", os.path.join(GUEST, "amd64", "vmlinuz"),
            "-initrd", INITRD,
            "-append", "console=ttyS0 panic=-1 rdinit=/bench-init",
            "-drive", f"if=none,id=d,format=raw,file={disk}",
            "-device", "virtio-blk-pci,drive=d"]


def resident_mib(pid):
    """Proportional memory of a QEMU, without the guest's RAM."""
    total = skip = 0
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            if line.startswith("Size:"):
                skip = int(line.split()[1]) == MEMORY_MIB << 10
            elif line.startswith("Pss:") and not skip:
                total += int(line.split()[1])
    return total / 1024


class Guest:
    """A booted guest; boot is how long that took, in seconds."""

    def __init__(self, column, cpus):
        self.directory = tempfile.mkdtemp(prefix="disk-", dir=FILES)
        disk = os.path.join(self.directory, "disk.img")
        subprocess.check_call(["cp", "--sparse=always", DISK, disk])
        start = time.monotonic()
        self.lines = Lines(qemu(column, cpus, disk))
        try:
            self.lines.expect(r"^bench: userspace", BOOT_TIMEOUT)
            self.boot = {"wall": time.monotonic() - start,
                         "cpu": sum(cpu_times(self.lines.process.pid).values()) * 1e-9}
            match = self.lines.expect(r"^bench: uptime ([\d.]+)", STEP_TIMEOUT)
            self.boot["uptime"] = float(match[1])
            self.lines.expect(r"^bench: ready", STEP_TIMEOUT)
        except BaseException:
            self.close()
            raise

    def run(self, name, scale, limit, processes=0):
        words = [word.replace("{}", "/mnt")
                 for word in arguments(name, scale, limit, processes)]
        self.lines.send("workloads " + shlex.join(words))
        result = converse(self.lines, r"bench: status \d+")
        self.lines.expect(r"^bench: status 0", STEP_TIMEOUT)
        return result

    def memory(self):
        return resident_mib(self.lines.process.pid)

    def close(self):
        self.lines.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def idle_qemu_mib():
    """The memory of a QEMU that has a machine and has executed nothing."""
    disk = os.path.join(FILES, "disk.img")
    lines = Lines([*qemu(Column("idle", "tcg"), 1, disk), "-S", "-snapshot"])
    try:
        time.sleep(2)
        return resident_mib(lines.process.pid)
    finally:
        lines.close()


# -- What they need -----------------------------------------------------------------


def output_of(*command):
    return subprocess.check_output(command, text=True).strip()


def make_tree():
    """GCC's cc1 with its libraries, and something to compile."""
    shutil.rmtree(TREE, ignore_errors=True)
    for directory in ("bin", "lib"):
        os.makedirs(os.path.join(TREE, directory))
    cc1 = output_of("gcc", "-print-prog-name=cc1")
    shutil.copy(cc1, os.path.join(TREE, "bin"))
    for library in re.findall(r"(/\S+) \(0x", output_of("ldd", cc1)):
        shutil.copy(library, os.path.join(TREE, "lib"))
    source = os.path.join(ROOT, "bench", "guest", "compress.c")
    subprocess.check_call(["gcc", "-E", "-P", source, "-o",
                           os.path.join(TREE, "source.i")])


def make_disk():
    temporary = DISK + ".tmp"
    with open(temporary, "wb") as file:
        file.truncate(DISK_MIB << 20)
    subprocess.check_call(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", TREE,
                           temporary])
    os.rename(temporary, DISK)


def make_initrd():
    """The demo's initramfs with a second archive behind it."""
    scripts = os.path.join(ROOT, "scripts")
    subprocess.check_call([os.path.join(scripts, "guest-initramfs"), "amd64",
                           INITRD, "virtio_pci", "virtio_blk", "ext4"])
    with tempfile.TemporaryDirectory() as root:
        os.mkdir(os.path.join(root, "bin"))
        shutil.copy(WORKLOADS, os.path.join(root, "bin", "workloads"))
        shutil.copy(os.path.join(ROOT, "bench", "guest", "init"),
                    os.path.join(root, "bench-init"))
        names = "bench-init\nbin/workloads\n"
        archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"],
                                 input=names.encode(), cwd=root, check=True,
                                 stdout=subprocess.PIPE).stdout
    with open(INITRD, "ab") as file:
        file.write(archive)


def prepare(guests):
    os.makedirs(FILES, exist_ok=True)
    make_tree()
    if guests:
        subprocess.check_call([os.path.join(ROOT, "scripts", "guest-kernel"),
                               "amd64"])
        make_initrd()
        make_disk()
