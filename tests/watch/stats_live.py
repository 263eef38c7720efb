#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The live view of --stats, on terminals of several kinds.
    stats_live.py ANYKVM GUEST
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest

ANYKVM, GUEST = sys.argv[1:3]
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program with a terminal of its own."""

    def __init__(self, *command, columns=80, rows=24, **variables):
        self.seen = b""
        ready, go = os.pipe()
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.read(ready, 1)
            env = {**os.environ, "TERM": "xterm", **variables}
            env.pop("NO_COLOR", None) if "NO_COLOR" not in variables else None
            os.execvpe(command[0], command, env)
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.fd)
        os.write(go, b"x")
        os.close(ready)
        os.close(go)

    def resize(self, columns, rows=24):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                self.seen += os.read(self.fd, 1 << 16)
            except OSError:
                return False
        return True

    def wait_for(self, pattern, since=0, seconds=20):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.seen[since:], re.S):
            if time.monotonic() > end or not self.read(0.1):
                raise AssertionError(f"no {pattern!r} in {self.seen[since:]!r}")

    def write(self, keys):
        since = len(self.seen)
        os.write(self.fd, keys)
        return since

    def mode(self):
        return termios.tcgetattr(self.fd)

    def close(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.fd)


def lines(screen):
    """What one picture has, line by line, without its foot."""
    text = ESCAPES.sub("", screen.split(b"\x1b[J")[0].decode("ascii", "replace"))
    return re.split("\r+\n", text)


def pictures(seen):
    return [p for p in seen.split(b"\x1b[H")[1:] if b"q quit" in p]


class Live(unittest.TestCase):
    """Of a process that runs elsewhere."""

    @classmethod
    def setUpClass(cls):
        # pylint: disable=consider-using-with
        cls.guest = subprocess.Popen([ANYKVM, "--quiet", "--stats", GUEST, "50", "live"],
                                     stdout=subprocess.PIPE)
        cls.guest.stdout.read(1)
        cls.drain = subprocess.Popen(["cat"], stdin=cls.guest.stdout,
                                     stdout=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        cls.guest.kill()
        cls.guest.wait()
        cls.guest.stdout.close()
        cls.drain.wait()

    def view(self, **kwargs):
        terminal = Terminal(ANYKVM, "--stats=live", str(self.guest.pid), **kwargs)
        self.addCleanup(terminal.close)
        return terminal

    def leaves(self, terminal, what, status=0):
        since = terminal.write(what)
        terminal.wait_for(re.escape(LEAVE), since)
        self.assertEqual(terminal.mode(), terminal.before)
        self.assertEqual(os.waitpid(terminal.pid, 0)[1], status)

    def test_80_columns(self):
        t = self.view()
        t.wait_for(rb"io_exits.*q quit")
        self.assertNotEqual(t.mode(), t.before)
        last = pictures(t.seen)[-1]
        rows = lines(last)
        self.assertRegex(rows[0], rf"^anykvm {self.guest.pid} +\d+ s +exits/s \d+")
        self.assertRegex(rows[1], r"^guest \d+% halt \d+% VMM \d+% MIPS \d+")
        self.assertRegex(rows[2], r"^exit +total +per s +%$")
        self.assertRegex(rows[3], r"^IO {50,}\d+ +\d+ +9\d\.\d$")
        self.assertRegex(rows[4], r"^HLT +\d+ +\d+ +\d\.\d$")
        self.assertTrue(all(len(row) <= 80 for row in rows))
        self.leaves(t, b"q")

    def test_keys(self):
        t = self.view()
        t.wait_for(rb"q quit")
        since = t.write(b"p")
        t.wait_for(rb"guest address.*\n1006 IO .*\n1009 IO .*q quit", since)
        since = t.write(b"r")
        t.wait_for(rb"\nIO .*q quit", since)
        since = t.write(b" ")
        t.wait_for(rb"paused.*q quit", since)
        since = t.write(b" x")
        t.wait_for(rb"\x1b\[H[^p]*exits/s \d+\D*\x1b.*q quit", since)
        self.leaves(t, b"\x03")

    def test_40_columns(self):
        t = self.view(columns=40)
        t.wait_for(rb"q quit.*q quit")
        rows = lines(pictures(t.seen)[-1])
        self.assertTrue(all(len(row) <= 40 for row in rows), rows)
        self.assertRegex(t.seen, rb"pause?\x1b\[K")
        self.assertRegex(rows[3], r"^IO +\d+ +\d+ +9\d\.\d$")
        since = t.write(b"p")
        t.wait_for(rb"1006 IO.*q quit", since)
        self.leaves(t, b"q")

    def test_few_rows(self):
        t = self.view(rows=5, columns=60)
        t.wait_for(rb"q quit.*q quit")
        self.assertLessEqual(pictures(t.seen)[-1].count(b"\r\n"), 4)
        self.leaves(t, b"q")

    def test_resize(self):
        t = self.view(columns=80)
        t.wait_for(rb"q quit")
        t.resize(44)
        os.kill(t.pid, signal.SIGWINCH)
        t.wait_for(rb"\x1b\[7mexit {19}total", len(t.seen))
        self.leaves(t, b"q")

    def test_no_color(self):
        t = self.view(NO_COLOR="1")
        t.wait_for(rb"q quit")
        self.assertNotRegex(t.seen, rb"\x1b\[[0-9;]*m")
        self.leaves(t, b"q")

    def test_terminated(self):
        t = self.view()
        t.wait_for(rb"q quit")
        os.kill(t.pid, signal.SIGTERM)
        self.leaves(t, b"")

    def test_stopped(self):
        t = self.view()
        t.wait_for(rb"q quit")
        since = len(t.seen)
        os.kill(t.pid, signal.SIGTSTP)
        t.wait_for(re.escape(LEAVE), since)
        os.waitpid(t.pid, os.WUNTRACED)
        self.assertEqual(t.mode(), t.before)
        os.kill(t.pid, signal.SIGCONT)
        t.wait_for(re.escape(ENTER) + rb".*q quit", since)
        self.leaves(t, b"q")

    def test_dumb(self):
        t = self.view(TERM="dumb")
        t.wait_for(rb"exits/s.*\r\n\r\n.*exits/s.*\r\n\r\n")
        self.assertNotIn(b"\x1b", t.seen)
        self.assertEqual(t.mode(), t.before)
        os.kill(t.pid, signal.SIGTERM)
        self.assertEqual(os.waitpid(t.pid, 0)[1], 0)

    def test_no_terminal(self):
        with subprocess.Popen([ANYKVM, "--stats=live", str(self.guest.pid)],
                              stdout=subprocess.PIPE, start_new_session=True) as view:
            seen = [view.stdout.readline() for _ in range(16)]
            view.terminate()
        self.assertRegex(b"".join(seen), rb"(?s)exits/s.*IO .*\n\n.*exits/s")
        self.assertNotIn(b"\x1b", b"".join(seen))
        self.assertEqual(view.returncode, 0)


class Beside(unittest.TestCase):
    """On the terminal of the program."""

    def start(self, *program, **kwargs):
        terminal = Terminal(ANYKVM, "--quiet", "--stats=live", "--", *program, **kwargs)
        self.addCleanup(terminal.close)
        return terminal

    def test_quit_leaves_the_program(self):
        t = self.start(GUEST, "10", "live")
        t.wait_for(rb"q quit")
        since = t.write(b"q")
        t.wait_for(re.escape(LEAVE) + rb".*\.\.\.", since)
        self.assertEqual(t.mode(), t.before)
        self.assertEqual(os.waitpid(t.pid, os.WNOHANG), (0, 0))

    def test_killed_program(self):
        t = self.start(GUEST, "10", "live")
        t.wait_for(rb"q quit")
        os.kill(t.pid, signal.SIGKILL)
        os.waitpid(t.pid, 0)
        t.wait_for(re.escape(LEAVE))
        self.assertEqual(t.mode(), t.before)

    def test_interrupt_ends_both(self):
        t = self.start(GUEST, "10", "live")
        t.wait_for(rb"q quit")
        t.write(b"\x03")
        t.wait_for(re.escape(LEAVE))
        self.assertEqual(os.waitpid(t.pid, 0)[1], signal.SIGINT)

    def test_table_comes_behind_it(self):
        t = self.start("sh", "-c", f"'{GUEST}' 2000000; echo end=$?")
        t.wait_for(rb"end=0")
        self.assertIn(ENTER, t.seen)
        at = t.seen.rindex(LEAVE)
        self.assertRegex(t.seen[at:], rb"(?s)other ioctls.*IO +4000000 .*end=0")
        os.waitpid(t.pid, 0)
        self.assertEqual(t.mode(), t.before)

    def test_program_has_no_child(self):
        t = self.start(sys.executable, "-c", "import os\ntry: os.wait()\n"
                       "except ChildProcessError: print('alone')")
        t.wait_for(rb"alone")
        self.assertNotIn(ENTER, t.seen)

    def test_no_terminal(self):
        with subprocess.Popen([ANYKVM, "--quiet", "--stats=live", GUEST, "10", "live"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              start_new_session=True) as program:
            seen = [program.stderr.readline() for _ in range(16)]
            program.terminate()
            rest = program.stderr.read()
        self.assertRegex(b"".join(seen), rb"(?s)exits/s.*IO .*\n\n.*exits/s")
        self.assertNotIn(b"\x1b", b"".join(seen) + rest)


unittest.main(argv=sys.argv[:1])
