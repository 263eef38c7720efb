#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Options, variables, functions and exit statuses: what the code, --help, the manual
pages and the README say of them is the same.  The pages have no markup errors.
    manual.py ANYKVM SOURCE_ROOT
"""

import os
import re
import shutil
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

functions = re.findall(r"ANYKVM_API\s[^;]*?\b(anykvm_\w+)\(", read("include", "anykvm.h"))

page, variables_page, library_page = (read("man", name).replace("\\-", "-")
                                      for name in ("anykvm.1", "anykvm-env.7", "libanykvm.3"))
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
expect("anykvm-env(7)", variables_page, variables + debug, r"(?m)^\.BR? {}\b")
expect("anykvm-env(7)", variables_page, [o for o in options if f'ACTION("{o}"' not in rows], r"--{}\b")
expect("libanykvm(3)", library_page, functions, r"(?m)^\.(B|BI|BR) .*{}\(")
expect("--help", text, [v for v in variables if f'ENV_ONLY("{v}"' in rows], r"\b{}\b")
for where, content, known in (("the manual", page, variables),
                              ("anykvm-env(7)", variables_page, variables + debug),
                              ("libanykvm(3)", library_page, variables), ("README.md", readme, variables + debug),
                              ("--help", text, variables)):
    for word in sorted(set(re.findall(r"\bANYKVM_[A-Z_]+\b", content)) - set(known)):
        if not word.endswith("_"):
            errors.append(f"{where} has {word}, which the code does not know")
    for word in sorted(set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", content)) - set(options)):
        if word not in ("build", "install", "setup", "suite", "cflags", "libs"):
            errors.append(f"{where} has --{word}, which the code does not know")
for name in sorted(os.listdir(os.path.join(root, "man"))):
    path = os.path.join(root, "man", name)
    for lint in ["mandoc", "-T", "lint", "-W", "style"], ["groff", "-ww", "-man", "-T", "utf8", "-z"]:
        if name.endswith("meson.build") or not shutil.which(lint[0]):
            continue
        result = subprocess.run([*lint, path], capture_output=True, text=True, check=False)
        errors += (result.stdout + result.stderr).splitlines()
print("\n".join(errors) or f"{len(options)} options, {len(variables)} variables")
sys.exit(bool(errors))
