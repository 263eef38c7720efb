#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sessions of the benchmark: on the host, and with a "QEMU" whose guest is a
shell of the host.

    tests/bench/engines.py WORKLOADS-BINARY
"""

import os
import signal
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# This file has the name of what it tests.
sys.path[0] = os.path.join(ROOT, "bench")

import engines  # noqa: E402

engines.WORKLOADS = os.path.abspath(sys.argv.pop(1))

# What bench/guest/init does; a kernel's messages end in CR and LF.
GUEST = """#!/bin/sh
printf '[    0.1] Linux version\\r\\n'
echo "bench: userspace"
echo "bench: uptime 1.25"
echo "bench: ready"
while read -r line; do
	eval "$line"
	echo "bench: status $?"
done
"""


class Sessions(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        directory = engines.FILES = engines.TREE = temporary.name
        engines.DISK = os.path.join(directory, "disk.img")
        with open(engines.DISK, "w"):
            pass
        self.write("qemu-system-x86_64", GUEST)
        os.symlink(engines.WORKLOADS, os.path.join(directory, "workloads"))
        path = os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        os.environ["PATH"] = directory + ":" + path

    def write(self, name, text):
        path = os.path.join(engines.FILES, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def session(self, accel=None):
        session = engines.Column("x", accel).session()
        self.addCleanup(session.close)
        return session

    def check_result(self, session):
        result = session.run("sort", 0.03, 10)
        self.assertEqual((result["units"], result["sum"]), (3, "21266c780f6f0e18"))
        self.assertLessEqual(result["best"], result["wall"])
        self.assertLessEqual(result["wall"], result["host_wall"])
        self.assertEqual(session.run("sort", 0.03, 10, 2)["units"], 6)

    def test_native(self):
        self.check_result(self.session())

    def test_native_failure(self):
        with self.assertRaises(engines.Failure) as caught:
            self.session().run("no such workload", 1, 1)
        self.assertIn("no workload 'no such workload'", str(caught.exception))

    def test_skipped(self):
        # There is no bin/cc1 in this tree.
        self.assertIsNone(self.session().run("compile", 1, 1))

    def test_guest(self):
        session = self.session("tcg")
        self.assertEqual(session.boot["uptime"], 1.25)
        self.check_result(session)

    def test_guest_failure(self):
        session = self.session("tcg")
        with self.assertRaises(engines.Failure):
            session.run("no such workload", 1, 1)

    def test_guest_that_ends(self):
        session = self.session("tcg")
        os.kill(session.lines.process.pid, signal.SIGKILL)
        with self.assertRaises(engines.Failure):
            session.run("sort", 1, 1)

    def test_guest_that_does_not_boot(self):
        self.write("qemu-system-x86_64", "#!/bin/sh\necho no such machine >&2\n")
        with self.assertRaises(engines.Failure) as caught:
            self.session("tcg")
        self.assertIn("no such machine", str(caught.exception))
        self.assertEqual([n for n in os.listdir(engines.FILES) if n.startswith("disk-")], [])

    def test_guest_that_hangs(self):
        lines = engines.Lines(["sh", "-c", "echo said; read -r nothing"])
        self.addCleanup(lines.close)
        start = time.monotonic()
        with self.assertRaises(engines.Failure) as caught:
            lines.expect("never said", 0.2)
        self.assertLess(time.monotonic() - start, 5)
        self.assertIn("| said", str(caught.exception))


unittest.main()
