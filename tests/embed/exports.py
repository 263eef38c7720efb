#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the library exports is what anykvm.h declares, each name under the version
that anykvm.map gives it; and nothing that was once exported is gone.
    exports.py LIBRARY SOURCE_ROOT
"""

import os
import re
import subprocess
import sys

library, root = sys.argv[1:3]


def read(*path):
    with open(os.path.join(root, *path), encoding="utf-8") as file:
        return re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)


header = set(re.findall(r"ANYKVM_API\s[^;]*?\b(anykvm_\w+)\(", read("include", "anykvm.h")))
versions = {name: node
            for node, names in re.findall(r"^(ANYKVM_\d+) \{(.*?)^\}", read("src", "api", "anykvm.map"),
                                          flags=re.S | re.M)
            for name in re.findall(r"\b(anykvm_\w+);", names)}
lines = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", library],
                       capture_output=True, text=True, check=True).stdout.splitlines()
names = [line.split()[2] for line in lines if line.split()[1] != "A"]
exported = dict(re.match(r"([^@]+)(?:@@(.*))?", name).groups() for name in names)
released = {line.strip() for line in read("packaging", "debian", "libanykvm0.symbols").splitlines()
            if line.startswith(" ")}
released = dict(re.match(r"([^@]+)@(\S+)", name).groups() for name in released)

errors = [f"{name}: in the header, not exported" for name in sorted(header - set(exported))]
errors += [f"{name}: exported, not in the header" for name in sorted(set(exported) - header)]
errors += [f"{name}: exported as {exported[name]}, not as {versions.get(name)}"
           for name in sorted(exported) if exported[name] != versions.get(name)]
errors += [f"{name}@{node}: was exported" for name, node in sorted(released.items())
           if name not in versions.values() and exported.get(name) != node]
errors += [f"{name}: not in packaging/debian/libanykvm0.symbols"
           for name in sorted(set(exported) - set(released))]
print("\n".join(errors) or f"{len(exported)} functions")
sys.exit(bool(errors or not exported))
