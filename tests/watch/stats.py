#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What anykvm --stats prints, of a program whose exits are known.
    stats.py ANYKVM GUEST
"""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest

ANYKVM, GUEST = sys.argv[1:3]
N = 500


def run(*options, program=(GUEST, str(N)), env=None, status=0):
    """Standard error of the program, run with these options."""
    done = subprocess.run([ANYKVM, "--quiet", *options, "--", *program], capture_output=True,
                          text=True, timeout=60, env={**os.environ, **(env or {})}, check=False)
    if done.returncode != status:
        raise AssertionError(f"status {done.returncode}: {done.stderr}")
    return done.stderr


def elf(symbols, machine=62, section_type=2, names_size=None):
    """A vmlinux of a null section, .text, a symbol table and its names."""
    names, entries = b"\0", struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0)
    for name, address, info, section in symbols:
        entries += struct.pack("<IBBHQQ", len(names), info, 0, section, address, 0)
        names += name.encode() + b"\0"
    at = 64
    sections = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    sections += struct.pack("<IIQQQQIIQQ", 0, 1, 4, 0x1000, 0, 0, 0, 0, 0, 0)
    sections += struct.pack("<IIQQQQIIQQ", 0, section_type, 0, 0, at, len(entries), 3, 1, 8, 24)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, at + len(entries),
                            len(names) if names_size is None else names_size, 0, 0, 1, 0)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 0, at + len(entries) + len(names),
                        0, 64, 0, 0, 64, 4, 0)
    return head + entries + names + sections


class Report(unittest.TestCase):
    def test_table(self):
        text = run("--stats")
        self.assertRegex(text, r"(?m)^IO +1000 +99\.9 ")
        self.assertRegex(text, r"(?m)^HLT +1 +0\.1 ")
        self.assertRegex(text, r"(?m)^IO +500 +50\.0 .* 0x0*1006$")
        self.assertRegex(text, r"(?m)^IO +500 +50\.0 .* 0x0*1009$")
        self.assertRegex(text, r"(?m)^io_exits +1000$")
        self.assertRegex(text, r"(?m)^0( +[\d.]+){3} +1001 ")
        self.assertTrue(all(len(line) <= 79 for line in text.splitlines()), text)

    def test_nothing_without(self):
        self.assertEqual(run(), "")
        self.assertEqual(run(env={"ANYKVM_STATS": ""}), "")

    def test_nothing_of_programs_without_guest(self):
        self.assertEqual(run("--stats", program=("true",)), "")

    def test_nothing_of_the_killed(self):
        code = f"'{GUEST}' 10 live >/dev/null & sleep 0.3; kill $!; wait"
        self.assertEqual(run("--stats", program=("sh", "-c", code), status=0), "")

    def test_status_and_output_stay(self):
        done = subprocess.run([ANYKVM, "--quiet", "--stats", "sh", "-c", "echo out; exit 3"],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (3, "out\n", ""))


class Json(unittest.TestCase):
    def report(self, *options, **kwargs):
        with tempfile.TemporaryDirectory() as where:
            path = os.path.join(where, "report")
            run("--stats", *options,
                env={"ANYKVM_JSON": "1", "ANYKVM_OUTPUT": path, **kwargs})
            with open(path, encoding="ascii") as file:
                lines = file.read().splitlines()
        self.assertEqual(len(lines), 1)
        return json.loads(lines[0])

    def test_schema(self):
        report = self.report()
        self.assertEqual((report["schema"], report["schema_version"]), ("anykvm-stats", 1))
        self.assertEqual(report["vms"], 1)
        self.assertGreater(report["ns"], 0)
        self.assertGreater(report["ioctls"], 3)
        self.assertEqual([(v["vm"], v["id"]) for v in report["vcpus"]], [(0, 0)])
        for of in report["all"], report["vcpus"][0]:
            self.assertEqual(of["exits"], 2 * N + 1)
            self.assertEqual(of["instructions"], 5 * N + 2)
            self.assertEqual({e["reason"]: e["count"] for e in of["by_reason"]},
                             {"IO": 2 * N, "HLT": 1})
            self.assertEqual(of["kvm"]["io_exits"], 2 * N)
            self.assertIn("halt_wait_ns", of["kvm"])
            self.assertGreater(of["guest_ns"], 0)
            self.assertGreater(of["vmm_ns"], 0)
        self.assertEqual(
            [(a["address"], a["reason"], a["count"], a["symbol"]) for a in report["addresses"]],
            [("0x1006", "IO", N, None), ("0x1009", "IO", N, None), ("0x1010", "HLT", 1, None)])
        self.assertEqual(report["addresses_lost"], 0)

    def test_option(self):
        with tempfile.TemporaryDirectory() as where:
            path = os.path.join(where, "report-%p")
            self.assertEqual(run("--stats", "--json", "-o", path), "")
            name, = os.listdir(where)
            with open(os.path.join(where, name), encoding="ascii") as file:
                report = json.load(file)
        self.assertEqual(name, f"report-{report['pid']}")

    def test_output_that_cannot_be_written(self):
        text = run("--stats", "--json", "-o", "/no/such/report", program=("echo",), status=125)
        self.assertEqual(len(text.splitlines()), 1)
        self.assertRegex(run("--stats", "-o", "/dev/full"), r"^anykvm[^\n]*No space left[^\n]*\n$")

    def test_symbols(self):
        with tempfile.NamedTemporaryFile("w", suffix=".map") as file:
            file.write('0000000000001000 T st"art\n')
            file.flush()
            report = self.report("--symbols=" + file.name)
        self.assertEqual([(a["symbol"], a["offset"]) for a in report["addresses"]],
                         [('st"art', 6), ('st"art', 9), ('st"art', 16)])


class Symbols(unittest.TestCase):
    def with_file(self, content, status=0, **kwargs):
        with tempfile.NamedTemporaryFile() as file:
            file.write(content if isinstance(content, bytes) else content.encode())
            file.flush()
            return run("--stats", "--symbols", file.name, status=status, **kwargs)

    def test_system_map(self):
        text = self.with_file("0000000000000f00 t before\n0000000000001006 T loop\n"
                              "0000000000001008 D data\n0000000000001009 W second\n")
        self.assertRegex(text, r"0x0*1006 loop\+0x0\n")
        self.assertRegex(text, r"0x0*1009 second\+0x0\n")
        self.assertRegex(text, r"0x0*1010 second\+0x7\n")

    def test_kallsyms(self):
        text = self.with_file("0000000000001000 T start\n"
                              "ffffffffc0000000 t of_module\t[ext4]\n")
        self.assertRegex(text, r"0x0*1006 start\+0x6\n")

    def test_unprintable_names(self):
        text = self.with_file("0000000000001000 T start\n0000000000001001 T \x1b[2J\n")
        self.assertRegex(text, r"0x0*1006 start\+0x6\n")

    def test_elf(self):
        text = self.with_file(elf([("loop", 0x1006, 0x12, 1), ("label", 0x1009, 0, 1),
                                   ("data", 0x1010, 0x11, 1), ("nowhere", 0x1008, 0x12, 0)]))
        self.assertRegex(text, r"0x0*1006 loop\+0x0\n")
        self.assertRegex(text, r"0x0*1009 label\+0x0\n")
        self.assertRegex(text, r"0x0*1010 label\+0x7\n")

    def test_by_variable(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("1000 T start\n")
            file.flush()
            text = run(env={"ANYKVM_STATS": "1", "ANYKVM_SYMBOLS": file.name})
        self.assertRegex(text, r"0x0*1006 start\+0x6\n")

    def refused(self, content, why):
        text = self.with_file(content, status=125, program=("echo", "started"))
        self.assertRegex(text, r"^anykvm: cannot use the symbols of '[^\n]*': " + why + r"\n$")

    def test_garbage(self):
        self.refused("", "no function in it")
        self.refused("hello\n", "neither ELF nor a list of symbols")
        self.refused(os.urandom(3) + b"\0" + os.urandom(4096), "neither ELF.*")
        self.refused("1000 T start\n1000\n", "line 2 is no address.*")
        self.refused("1000 T \n", "neither ELF nor.*")
        self.refused("11112222333344445 T start\n", "neither ELF nor.*")
        self.refused("0000000000000000 T start\n0000000000000000 t b\n", "all addresses are 0.*")

    def test_damaged_elf(self):
        good = elf([("loop", 0x1006, 0x12, 1)])
        self.refused(elf([("loop", 0x1006, 0x12, 1)], machine=183), "an ELF file of another.*")
        self.refused(elf([("loop", 0x1006, 0x12, 1)], section_type=1),
                     "an ELF file without symbol table")
        self.refused(elf([("loop", 0x1006, 0x12, 1)], names_size=1 << 40), ".*damaged")
        self.refused(good[:-1], ".*damaged")
        self.refused(good[:64], ".*damaged")
        self.refused(elf([("data", 0x1006, 0x11, 1)]), "no function in it")
        # Whatever else is wrong with one: a line or a table, no crash.
        for i in range(0, len(good), 3):
            bad = good[:i] + bytes([good[i] ^ 0xff]) + good[i + 1:]
            with tempfile.NamedTemporaryFile() as file:
                file.write(bad)
                file.flush()
                done = subprocess.run([ANYKVM, "--quiet", "--symbols", file.name, "true"],
                                      capture_output=True, text=True, timeout=60, check=False)
            self.assertIn(done.returncode, (0, 125), done.stderr)
            self.assertLessEqual(len(done.stderr.splitlines()), 1)

    def test_missing(self):
        text = run("--stats", "--symbols=/no/such", program=("echo", "started"), status=125)
        self.assertEqual(text, "anykvm: cannot use the symbols of '/no/such': "
                         "No such file or directory\n")
        text = run("--stats", "--symbols=/", program=("echo",), status=125)
        self.assertRegex(text, "Is a directory")


class Attach(unittest.TestCase):
    def test_no_such_process(self):
        text = run("--stats=live", program=("999999999",), status=125)
        self.assertEqual(text, "anykvm: process 999999999: there is no such process\n")

    def test_without_statistics(self):
        text = run("--stats=live", program=(str(os.getpid()),), status=125)
        self.assertRegex(text, "has no statistics; was it started with --stats")

    def test_no_number(self):
        self.assertRegex(run("--stats=live", program=("99999999999999999999",), status=125),
                         "is no process")


unittest.main(argv=sys.argv[:1])
