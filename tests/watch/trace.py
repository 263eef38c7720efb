#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""anykvm --trace from outside: both forms, and all that may go wrong while it writes.
    trace.py ANYKVM TRACE_VMM SOURCE_ROOT
"""

import collections
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

anykvm, vmm, root = sys.argv[1:4]
os.environ["ANYKVM_QUIET"] = "1"
directory = tempfile.TemporaryDirectory()
out = os.path.join(directory.name, "out")

TEXT = re.compile(r"\[\d+\] \d\d:\d\d:\d\d\.\d{6} "
                  r"(ioctl\(\d+</dev/kvm[^>]*>, .*\) = -?\d+.* <\d+\.\d{6}>|irq \{.*\}|"
                  r"(open|end|mmap).*|anykvm [\d.]+ traces .*)")
KEYS = {
    "start": {"schema", "schema_version", "version", "topics"},
    "ioctl": {"fd", "scope", "request", "result", "duration_ns"},
    "run": {"fd", "scope", "vcpu", "result", "duration_ns"},
    "irq": {"vcpu", "event"},
    "fd": {"event"},
    "lost": {"records"},
}


def run(options, *arguments, **kwargs):
    return subprocess.run([anykvm, *options, "--", vmm, *map(str, arguments)],
                          stdout=subprocess.PIPE, timeout=60, check=False, **kwargs)


def read(path=out):
    with open(path, "rb") as file:
        return file.read()


def lines(data):
    assert data.endswith(b"\n"), data[-80:]
    return data.decode("ascii").splitlines()


def records(data):
    found = [json.loads(line) for line in lines(data)]
    for record in found:
        wanted = KEYS[record["type"]] | {"type", "pid", "tid", "time"}
        assert wanted <= set(record), record
    return found


def check_text():
    assert run(["--trace", "-o", out], 100).stdout == b"100 exits\n"
    text = lines(read())
    for line in text:
        assert TEXT.fullmatch(line), line
    body = [line.split(" ", 2)[2] for line in text]
    assert re.fullmatch(r"anykvm [\d.]+ traces ioctl, run, irq, fd", body[0]), body[0]
    runs = [line for line in body if ", KVM_RUN)" in line]
    assert len(runs) == 100
    assert re.fullmatch(
        r"ioctl\(\d+</dev/kvm vcpu 0>, KVM_RUN\) = 0 \{exit_reason=KVM_EXIT_IO, "
        r'io=\{direction=KVM_EXIT_IO_OUT, size=1, port=0x3f8, count=1, data="A"\}\} '
        r"<\d\.\d{6}>", runs[0]), runs[0]
    region = next(line for line in body if "KVM_SET_USER_MEMORY_REGION" in line)
    assert re.fullmatch(
        r"ioctl\(\d+</dev/kvm vm>, KVM_SET_USER_MEMORY_REGION, \{slot=0, flags=0, "
        r"guest_phys_addr=0x1000, memory_size=0x1000, userspace_addr=0x[0-9a-f]+\}\) = 0 "
        r"<\d\.\d{6}>", region), region


def check_json():
    run(["--trace", "--json", "--output", out], 10)
    found = records(read())
    kinds = collections.Counter(r["type"] for r in found)
    assert kinds["start"] == 1 and kinds["run"] == 10 and kinds["fd"] > 3, kinds
    assert found[0]["schema"] == "anykvm-trace" and found[0]["schema_version"] == 1
    last = [r for r in found if r["type"] == "run"][-1]
    assert last["exit_reason"] == "KVM_EXIT_IO" and last["vcpu"] == 0, last
    assert last["io"] == {"direction": "KVM_EXIT_IO_OUT", "size": 1, "port": "0x3f8",
                          "count": 1, "data": "41"}, last
    page = read(os.path.join(root, "man", "anykvm-trace.5")).decode().replace("\\-", "-")
    for record in found:
        for key in set(record) - {"io"}:
            assert re.search(rf"\b{key}\b", page), f"anykvm-trace(5) lacks {key}"
    for kind in KEYS:
        assert re.search(rf"(?m)^\.B {kind}$", page), f"anykvm-trace(5) lacks {kind}"


def check_topics():
    for topic, kind in ("ioctl", "ioctl"), ("run", "run"), ("fd", "fd"):
        run([f"--trace={topic}", "--json", "-o", out], 10)
        assert {r["type"] for r in records(read())} == {"start", kind}, topic


def check_threads():
    run(["--trace=run", "--json", "-o", out], 3000, 8)
    counts = collections.Counter(r["vcpu"] for r in records(read()) if r["type"] == "run")
    assert counts == {i: 3000 for i in range(8)}, counts


def check_fork():
    """The child's lines are its own, and none of the parent's comes twice."""
    result = run(["--trace=ioctl,run", "--json", "-o", out], 50, 1, "fork")
    assert b"50 exits\n" in result.stdout and b"child 1\n" in result.stdout, result
    found = records(read())
    pids = collections.Counter(r["pid"] for r in found)
    assert len(pids) == 2, pids
    assert sum(r["type"] == "run" for r in found) == 50
    child = [r for r in found if r["pid"] != found[0]["pid"]]
    assert [r["type"] for r in child] == ["start", "ioctl"], child
    pattern = os.path.join(directory.name, "each.%p")
    run(["--trace", "--json", "-o", pattern], 5, 1, "fork")
    each = [name for name in os.listdir(directory.name) if name.startswith("each.")]
    assert len(each) == 2, each
    for name in each:
        assert {str(r["pid"]) for r in records(read(os.path.join(directory.name, name)))} \
            == {name.split(".")[1]}


def check_full():
    """A full disk: one line, and the guest goes on."""
    result = run(["--trace", "-o", "/dev/full"], 5000, stderr=subprocess.PIPE)
    assert result.stdout == b"5000 exits\n" and result.returncode == 0, result
    assert result.stderr.count(b"\n") == 1 and b"/dev/full: No space left" in result.stderr, result


def check_stderr():
    """Without -o; closed, or a pipe that nobody reads any more."""
    result = run(["--trace=run"], 20, stderr=subprocess.PIPE)
    assert len(lines(result.stderr)) == 21, result
    result = run(["--trace"], 5000, preexec_fn=lambda: os.close(2))
    assert result.stdout == b"5000 exits\n" and result.returncode == 0, result
    reader, writer = os.pipe()
    os.close(reader)
    result = run(["--trace"], 5000, stderr=writer)
    os.close(writer)
    assert result.stdout == b"5000 exits\n" and result.returncode == 0, result


def check_kill():
    process = subprocess.Popen([anykvm, "--trace", "--json", "-o", out, "--", vmm, str(10 ** 9)])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and \
            (not os.path.exists(out) or os.path.getsize(out) < 1000000):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole = read().rpartition(b"\n")[0] + b"\n"
    assert len(records(whole)) > 1000


def check_refusals():
    for options, words in ((["-o", "/no/such/dir/file"], b"cannot write '/no/such/dir/file': No such"),
                           (["-o", directory.name], b"Is a directory"),
                           (["-o", "x%y"], b"only %p"),
                           (["--trace=x", "-o", out], b"unknown trace 'x'"),
                           (["-o"], b"needs a value")):
        result = subprocess.run([anykvm, "--trace", *options] + (["--", vmm, "1"] if options != ["-o"] else []),
                                capture_output=True, check=False)
        assert result.returncode == 125 and words in result.stderr, result
        assert result.stderr.count(b"\n") == 1 and not result.stdout, result


for name, test in sorted(globals().items()):
    if name.startswith("check_"):
        if os.path.exists(out):
            os.unlink(out)
        test()
        print("ok:", name[6:])
