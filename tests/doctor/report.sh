#!/bin/sh
# SPDX-License-Identifier: MIT
# The report itself: options, statuses, width, colours, JSON.
. "$(dirname "$0")/lib.sh"

# -- Usage
check "json of nothing" 125 "'--json' is for --doctor" "$anykvm" --json true
check "unknown option" 2 "unknown option '--nonsense'" "$anykvm" --doctor --nonsense
check "unknown option before" 2 "unknown option '--nonsense'" "$anykvm" --nonsense --doctor
check "unknown engine before" 2 "unknown engine 'x'" "$anykvm" --engine x --doctor
check "unknown mode in the environment" 2 'known are: soft' env ANYKVM_MODE=x "$anykvm" --doctor
check "unwanted value" 2 'takes no value' "$anykvm" --doctor=1
check "the program's own --doctor" 0 '^--doctor$' "$anykvm" echo --doctor
check "no program's" 125 "unknown option '--nonsense'" "$anykvm" --nonsense -- --doctor
check "nobody reads" 1 'cannot write the report' sh -c "'$anykvm' --doctor > /dev/full"

# -- Text
check "first line" 0 '^yes' sh -c "'$anykvm' --doctor | head -1"
check "one screen" 0 '' sh -c "[ \$('$anykvm' --doctor | wc -l) -le 24 ]"
check "nothing on stderr" 0 '^$' sh -c "'$anykvm' --doctor 2>&1 > /dev/null"
check "the engine that is asked for" 0 'asked for is jit' "$anykvm" --engine=jit --doctor
check "40 columns" 0 '^0$' sh -c \
	"COLUMNS=40 '$anykvm' --doctor nosuch | grep -v '^  \(preload\|library\)' |
	 grep -c '.\{41\}' | cat"
check "few columns are 40" 0 '' sh -c \
	"[ \$(COLUMNS=1 '$anykvm' --doctor | wc -l) -eq \$(COLUMNS=40 '$anykvm' --doctor | wc -l) ]"
check "nonsense for columns" 0 '^yes' env COLUMNS=-3x "$anykvm" --doctor

escape=$(printf '\033')
in_terminal() {
	TERM=$1 script -qec "stty cols $2; '$anykvm' --doctor" /dev/null < /dev/null | tr -d '\r'
}
if command -v script > /dev/null; then
	check "colour on a terminal" 0 "^$escape\[1;32myes" in_terminal xterm 80
	check "the terminal's width" 0 '^0$' sh -c \
		"TERM=dumb script -qec \"stty cols 40; '$anykvm' --doctor\" /dev/null < /dev/null |
		 tr -d '\r' | grep -v '^  \(preload\|library\)' | grep -c '.\{41\}' | cat"
	NO_COLOR=1
	export NO_COLOR
	check "NO_COLOR" 0 '^yes' in_terminal xterm 80
	unset NO_COLOR
	check "a terminal without colour" 0 '^yes' in_terminal dumb 80
fi
check "no colour in a pipe" 0 '^yes' env TERM=xterm "$anykvm" --doctor

# -- JSON
cat > schema.py <<'E2'
"""Checks the report on stdin: schema 1, and what of it follows from what."""
import json
import sys

report = json.load(sys.stdin)
TYPES = {
    "schema": str, "schema_version": int, "version": str, "usable": bool,
    "mode": str, "soft": bool, "real": bool, "engines": dict, "guest_cpu": dict,
    "host": dict, "rlimits": dict, "files": dict, "findings": list,
}
for name, kind in TYPES.items():
    assert type(report[name]) is kind, name
assert set(report) - set(TYPES) <= {"program"}
assert report["schema"] == "anykvm-doctor" and report["schema_version"] == 1
assert set(report["engines"]) == {"interp", "jit", "auto"}
assert set(report["guest_cpu"]) == {"name", "level", "features"}
assert set(report["rlimits"]) == {"as", "nofile", "fsize", "nproc"}
for finding in report["findings"]:
    assert set(finding) == {"id", "effect", "text", "fix"}
    assert finding["effect"] in {"soft", "real", "program", "limit"}
    assert all(finding.values()), finding
effects = {f["effect"] for f in report["findings"]}
assert report["soft"] == ("soft" not in effects)
assert report["real"] == ("real" not in effects)
if report["soft"]:
    assert report["engines"]["interp"] and report["engines"]["auto"] in ("interp", "jit")
    assert {"sse2", "syscall", "hypervisor"} <= set(report["guest_cpu"]["features"])
if "program" in report:
    assert set(report["program"]) == {"name", "path", "served"}
    assert report["program"]["served"] == ("program" not in effects)
print("usable" if report["usable"] else "not usable")
E2
json() {
	"$@" --doctor --json > json.out
	status=$?
	python3 schema.py < json.out || return 99
	return $status
}
check "json" 0 '^usable$' json "$anykvm"
check "json of what does not work" 1 '^not usable$' json "$sandbox" memfd_create,EPERM -- "$anykvm"
check "json without an engine" 1 '^not usable$' json env ANYKVM_PRELOAD=/no "$anykvm"
json_program() {
	"$anykvm" --json --doctor -- "$1" | python3 schema.py
}
check "json of a program" 0 '^usable$' json_program true
check "a name with everything in it" 0 '^not usable$' json_program "$(printf 'a"b\\c\n\t\001\377\303\244\355\240\200')"
finish
