#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmark's workloads compute on the host what they always have.

    tests/bench/workloads.py WORKLOADS-BINARY
"""

import os
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.path.abspath(sys.argv.pop(1))
RESULT = re.compile(r"^result units=(\d+) wall=(\d+) best=(\d+) cpu=\d+ sum=([0-9a-f]{16})$",
                    re.MULTILINE)


def expected():
    with open(os.path.join(HERE, "checksums")) as file:
        return dict(line.rstrip("\n").split("\t") for line in file
                    if not line.startswith("#"))


class Workloads(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def run_one(self, *arguments, text=""):
        return subprocess.run(
            [BINARY, "run", "-d", self.directory.name, *arguments],
            input=text, capture_output=True, text=True)

    def test_checksums(self):
        names = subprocess.check_output([BINARY, "list"], text=True)
        names = [line.split("\t")[1] for line in names.splitlines()]
        sums = expected()
        # The compiler's output is that of the compiler at hand.
        self.assertEqual(set(names), set(sums) | {"compile"})
        for name in names:
            with self.subTest(name):
                done = self.run_one("-s", "0", name)
                self.assertEqual(done.returncode, 0, done.stderr)
                if done.stdout != "skipped\n":
                    self.assertEqual(RESULT.search(done.stdout)[4], sums[name])

    def test_scale_and_limit(self):
        done = self.run_one("-s", "0.05", "sort")
        self.assertEqual(RESULT.search(done.stdout)[1], "5")
        done = self.run_one("-s", "1000", "-l", "0.01", "sort")
        self.assertLess(int(RESULT.search(done.stdout)[1]), 100000)

    def test_copies_add_up(self):
        done = self.run_one("-s", "0.02", "-p", "2", "sort")
        self.assertEqual(RESULT.search(done.stdout)[1], "4")

    def test_waits_for_a_line(self):
        done = self.run_one("-s", "0", "-w", "sort", text="\n")
        self.assertRegex(done.stdout, r"\Aready\nresult ")
        done = self.run_one("-s", "0", "-w", "sort")
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("result", done.stdout)

    def test_refuses_what_it_does_not_know(self):
        self.assertEqual(self.run_one("no such workload").returncode, 2)
        self.assertEqual(self.run_one("-x", "sort").returncode, 2)


unittest.main()
