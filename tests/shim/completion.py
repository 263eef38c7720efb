#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What bash offers behind anykvm: every option and value of env.def, then programs.
    completion.py ANYKVM SOURCE_ROOT
"""

import os
import re
import subprocess
import sys

anykvm, root = (os.path.abspath(path) for path in sys.argv[1:3])
BASH_COMPLETION = "/usr/share/bash-completion/bash_completion"
SKIPPED = 77

# Words are split as readline does it.
SCRIPT = r"""
. "$1"; . "$2"; shift 2
COMP_LINE=$1; COMP_POINT=${#COMP_LINE}; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9; COMP_KEY=9
_anykvm "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
"""


def offered(text):
    words = [anykvm] + re.findall(r"=|[^\s=]+", text)
    if not text or text[-1] in " =":
        words.append("")
    line = f"{anykvm} {text}"
    done = subprocess.run(["bash", "-c", SCRIPT, "bash", BASH_COMPLETION,
                           os.path.join(root, "completions", "anykvm"), line, *words],
                          capture_output=True, text=True, check=False, timeout=30,
                          cwd=os.path.join(root, "tests", "shim"))
    return set(done.stdout.split())


errors = []


def expect(text, some, others=frozenset(), exactly=False):
    got = offered(text)
    if set(some) - got or set(others) & got or (exactly and got != set(some)):
        errors.append(f"'anykvm {text}' offers {sorted(got)}, not {sorted(some)}")


if not os.path.exists(BASH_COMPLETION):
    sys.exit(SKIPPED)
with open(os.path.join(root, "src", "trace", "env.def"), encoding="utf-8") as file:
    rows = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
options = re.findall(r'(?:ENV\("\w+", |ACTION\()"([^"]+)"', rows)
shown = {"--" + re.match(r"[a-z-]+=?", option)[0] for option in options}
expect("-", shown, exactly=True)
expect("--qu", {"--quiet"}, exactly=True)
for option in options:
    name, has, choices = re.match(r"([a-z-]+)\[?(=?)([^\]]*)", option).groups()
    if has and choices.isupper():
        expect(f"--{name}=", {"completion.py"})
    elif has:
        expect(f"--{name}=", re.split("[|,]", choices), exactly=True)
        last = re.split("[|,]", choices)[-1]
        expect(f"--{name}={last}", {last})
        if "," in choices:
            expect(f"--{name}=x,", {"x," + choice for choice in choices.split(",")}, exactly=True)
        if "[" not in option:
            expect(f"--{name} ", re.split("[|,]", choices), exactly=True)
for before in ("", "--quiet ", "--engine=jit ", "--engine jit ", "--trace ", "--trace=fd ", "-- ", "--quiet -- "):
    expect(f"{before}e", {"env"}, shown)
    expect(f"{before}cat comp", {"completion.py"}, shown)
expect("cat --qu", set(), {"--quiet"})
expect("-- --qu", set(), {"--quiet"})
print("\n".join(errors) or f"{len(options)} options")
sys.exit(bool(errors))
