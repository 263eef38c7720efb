#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Options, variables and exit statuses: what the code, --help, the manual page
and the README say of them is the same.
    manual.py ANYKVM SOURCE_ROOT
"""

import os
import re
import subprocess
import sys

anykvm, root = sys.argv[1:3]


def read(*path):
    with open(os.path.join(root, *path), encoding="utf-8") as file:
        return file.read()


rows = re.sub(r"/\*.*?\*/", "", read("src/trace/env.def"), flags=re.S)
options = re.findall(r'(?:ENV\("\w+", |ACTION\()"([a-z-]+)', rows)
values = {v for choices in re.findall(r'ENV\("\w+", "[a-z-]+\[?=([a-z|,]+)\]?"', rows)
          for v in re.split("[|,]", choices)}
variables = re.findall(r'(?:ENV|ENV_ONLY)\("(\w+)"', rows)
debug = re.findall(r'ENV_DEBUG\("(\w+)"', rows)
statuses = re.findall(r"EXIT_\w+ = (\d+)", read("src/shim/launcher.h"))

page = read("man/anykvm.1").replace("\\-", "-")
readme = read("README.md")
text = subprocess.run([anykvm, "--help"], capture_output=True, text=True, check=True).stdout
errors = []


def expect(where, content, words, pattern):
    for word in words:
        if not re.search(pattern.format(re.escape(word)), content):
            errors.append(f"{where} lacks {word}")


expect("the manual", page, options, r"--{}\b")
expect("--help", text, options, r"--{}\b")
expect("README.md", readme, [o for o in options if o not in ("help", "version")], r"--{}\b")
for where, content in ("the manual", page), ("--help", text), ("README.md", readme):
    expect(where, content, values, r"\b{}\b")
    expect(where, content, statuses, r"\b{}\b")
expect("the manual", page, variables, r"\b{}\b")
expect("README.md", readme, variables + debug, r"\b{}\b")
expect("--help", text, [v for v in variables if f'ENV_ONLY("{v}"' in rows], r"\b{}\b")
for where, content, known in (("the manual", page, variables), ("README.md", readme, variables + debug),
                              ("--help", text, variables)):
    for word in sorted(set(re.findall(r"\bANYKVM_[A-Z_]+\b", content)) - set(known)):
        if not word.endswith("_"):
            errors.append(f"{where} has {word}, which the code does not know")
    for word in sorted(set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", content)) - set(options)):
        if word not in ("build", "install", "setup", "suite"):
            errors.append(f"{where} has --{word}, which the code does not know")
print("\n".join(errors) or f"{len(options)} options, {len(variables)} variables")
sys.exit(bool(errors))
