#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each rule of --check is broken by its misuse, and by nothing else:
    check.py SOURCE_ROOT MISUSE [ANYKVM]
With ANYKVM the program is run by the launcher, else the engine is a part of it.
"""

import concurrent.futures
import os
import re
import subprocess
import sys

root, misuse = sys.argv[1:3]
launcher = sys.argv[3:]
TIMEOUT = 60


def run(rule, how):
    """The rules that it is told to break, and what went wrong."""
    environment = dict(os.environ, ANYKVM_QUIET="1", ASAN_OPTIONS="detect_leaks=0")
    command = [misuse, rule, how]
    if launcher:
        environment["ANYKVM_TEST_BACKEND"] = "launcher"
        command = launcher + ["--check", "--"] + command
    else:
        environment["ANYKVM_CHECK"] = "1"
    done = subprocess.run(command, env=environment, timeout=TIMEOUT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = set(re.findall(r"^anykvm: check: (?:error|warning) ([a-z0-9-]+): ", done.stdout, re.M))
    return rule, how, found, done


def problem(rule, how, found, done):
    wanted = {rule.lower().replace("_", "-")} if how == "bad" else set()
    if done.returncode:
        return f"{rule} {how}: status {done.returncode}\n{done.stdout}"
    if found != wanted:
        return f"{rule} {how}: told of {sorted(found)}\n{done.stdout}"
    if how == "bad" and not re.search(r"^    api\.rst \d+(\.\d+)?; [^%]+$", done.stdout, re.M):
        return f"{rule} {how}: no section, or no advice\n{done.stdout}"
    # At exit nobody calls.
    if launcher and how == "bad" and rule not in ("FORK_KEEP", "VM_KEPT") and \
            not re.search(r"^    at misuse\+0x[0-9a-f]+", done.stdout, re.M):
        return f"{rule} {how}: no caller\n{done.stdout}"
    return None


def rows():
    with open(os.path.join(root, "src/watch/check/rules.def"), encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    found = re.findall(r'RULE\((\w+), (ERROR|WARN), "([\d.]+)", "(.*?)",\s*"(.*?)"\)', text, re.S)
    if len(found) != text.count("RULE(") or len({row[0] for row in found}) != len(found):
        sys.exit("rules.def has rows that are not of its form, or twice")
    for rule, _, _, sentence, advice in found:
        if sentence.count("%") != sentence.count("%s") or sentence.count("%s") > 1 or "%" in advice:
            sys.exit(f"{rule}: at most one %s, in the sentence")
        if sentence.endswith(".") or advice.endswith(".") or not advice:
            sys.exit(f"{rule}: sentence or advice ends with a full stop, or is missing")
    return [row[0] for row in found]


def main():
    rules = subprocess.check_output([misuse, "--list"], text=True).split()
    if rules != rows():
        sys.exit("the program's list is not that of rules.def")
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        runs = list(pool.map(lambda job: run(*job),
                             [(rule, how) for rule in rules for how in ("bad", "good")]))
    problems = [p for p in (problem(*r) for r in runs) if p]
    print("\n".join(problems) or f"{len(rules)} rules, each broken and kept")
    sys.exit(bool(problems))


main()
