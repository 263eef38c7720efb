#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what a static library needs from outside with hostcalls.def:
    hostcalls.py NM LIBRARY LIST
"""

import re
import subprocess
import sys

# The compiler's and the sanitizers' own.
INTERNAL = re.compile(r"_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|sanitizer|lsan)_|"
                      r"__cpu_|__u?(div|mod)|__popcount|__errno_location|__tls_get_addr|"
                      r"__stack_chk_fail|__start_|__stop_|__gcov|_Unwind_|__gcc_personality")


def symbols(nm, library):
    needed, defined = set(), set()
    for line in subprocess.check_output([nm, library], text=True).splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "U":
            needed.add(words[1])
        elif len(words) == 3:
            defined.add(words[2])
    return {s for s in needed - defined if not INTERNAL.match(s)}


def main():
    nm, library, listing = sys.argv[1:]
    with open(listing) as text:
        listed = set(re.findall(r"^(?:COUNTED|SAFE)\((\w+)|^FAILS\([^,]*, (\w+)",
                                text.read(), re.M))
    listed = {a or b for a, b in listed}
    needed = symbols(nm, library)
    for name in sorted(needed - listed):
        print(f"{name} is called, but not in {listing}")
    # Optimisation and sanitizers may drop a call, never add to the list's need.
    for name in sorted(listed - needed):
        print(f"note: {name} is in {listing}, but not called here")
    return 1 if needed - listed else 0


if __name__ == "__main__":
    sys.exit(main())
