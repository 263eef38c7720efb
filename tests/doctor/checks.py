#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each cause of src/doctor/checks.def has a test, a sentence and a fix:
    checks.py SOURCE_ROOT
"""

import os
import re
import sys

root = sys.argv[1]
with open(os.path.join(root, "src/doctor/checks.def"), encoding="utf-8") as file:
    text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
text = text.replace('" ANYKVM_VERSION,', '",').replace('" ANYKVM_VERSION', '"')
checks = re.findall(r'CHECK\((\w+), (\w+),\s*"(.*?)",\s*"(.*?)"\)', text, flags=re.S)
tests = ""
for name in os.listdir(os.path.join(root, "tests/doctor")):
    if name.endswith((".sh", ".c")):
        with open(os.path.join(root, "tests/doctor", name), encoding="utf-8") as file:
            tests += file.read()

errors = []
if len(checks) != text.count("CHECK("):
    errors.append(f"{text.count('CHECK(')} rows, {len(checks)} of the form that is known")
for name, effect, sentence, fix in checks:
    told = f"cause {name.lower().replace('_', '-')} "
    if told not in tests and f"assert_told(CHECK_{name}" not in tests:
        errors.append(f"{name}: no test")
    for part in (sentence, fix):
        if re.sub("%s", "", part, count=1).count("%"):
            errors.append(f"{name}: more than one %s")
        if not part or part.endswith("."):
            errors.append(f"{name}: '{part}'")
    if effect not in ("SOFT", "REAL", "PROGRAM", "LIMIT"):
        errors.append(f"{name}: effect {effect}")
print("\n".join(errors) or f"{len(checks)} causes")
sys.exit(bool(errors))
