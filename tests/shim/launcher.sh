#!/bin/sh
# SPDX-License-Identifier: MIT
# The launcher and the preload object from outside:
#   launcher.sh ANYKVM PRELOAD FAKE_ENGINE
# Run by Meson with the fake engine and ANYKVM_QUIET=1 in the environment.
. "$(dirname "$0")/../lib/check.sh"
anykvm=$(realpath "$1")
preload=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

one_line() {
	[ "$("$@" 2>&1 >/dev/null | wc -l)" -eq 1 ]
}

# -- Options and exit statuses
check "help" 0 '^Usage: anykvm' "$anykvm" --help
check "help fits a screen" 0 '' \
	sh -c "[ \$('$anykvm' --help | wc -l) -le 24 ]"
check "help fits a line" 0 '^0$' \
	sh -c "'$anykvm' --help | grep -c '.\{81\}' | cat"
check "version" 0 '^anykvm [0-9]+\.[0-9]+' "$anykvm" --version
check "no program" 125 'no program' "$anykvm"
check "no program after --" 125 'no program' "$anykvm" --
check "unknown option" 125 "unknown option '--nonsense'" "$anykvm" --nonsense true
check "unknown short option" 125 "unknown option '-x'" "$anykvm" -x true
check "one line of error" 0 '' one_line "$anykvm" --nonsense true
check "unknown engine lists the known" 125 'known are: jit' \
	"$anykvm" --engine=nonsense true
check "unknown engine in the environment" 125 'known are: jit' \
	env ANYKVM_ENGINE=nonsense "$anykvm" true
check "unknown mode" 125 'known are: soft' "$anykvm" --mode=nonsense true
check "missing value" 125 'needs a value' "$anykvm" --mode
check "unwanted value" 125 'takes no value' "$anykvm" --quiet=1 true
check "value as next argument" 0 '' "$anykvm" --engine interp true
check "empty value" 125 'needs a value' "$anykvm" --mode= true
check "optional value left out" 0 '^ANYKVM_TRACE=1$' "$anykvm" --trace -- env
check "optional value" 0 '^ANYKVM_TRACE=fd,run$' "$anykvm" --trace=fd,run -- env
check "unknown word of a list" 125 "unknown trace 'x'; known are: ioctl,run,irq,fd" \
	"$anykvm" --trace=fd,x true
check "empty word of a list" 125 "unknown trace ''" "$anykvm" --trace=fd, true
check "option becomes its variable" 0 '^ANYKVM_MODE=soft' \
	"$anykvm" --mode=soft -- env
check "option wins over variable" 0 '' \
	env ANYKVM_ENGINE=nonsense "$anykvm" --engine=interp true
check "misspelt variable" 0 'unknown environment variable ANYKVM_QIET' \
	env ANYKVM_QIET=1 "$anykvm" true
check "not found" 127 "cannot run 'no-such-program'" "$anykvm" no-such-program
check "not found by path" 127 'No such file' "$anykvm" ./no-such-program
check "empty name" 127 'No such file' "$anykvm" ''
check "not executable" 126 'Permission denied' "$anykvm" /etc/passwd
check "a directory" 126 'Permission denied' "$anykvm" /tmp
check "the program's status" 7 '' "$anykvm" -- sh -c 'exit 7'
check "the program's signal" 143 '' sh -c "'$anykvm' -- sh -c 'kill -15 \$\$'; exit \$?"
check "the program's arguments" 0 '^--quiet a  b$' \
	"$anykvm" printf '%s %s\n' --quiet 'a  b'
check "missing preload object" 125 'cannot find the preload object' \
	env ANYKVM_PRELOAD=/no/such.so "$anykvm" true

# -- Programs out of reach, and scripts
cp /bin/true setuid
chown 65534 setuid 2>/dev/null && chmod u+s setuid &&
	check "setuid program" 125 'setuid' "$anykvm" ./setuid
cp /bin/true own-setuid && chmod u+s own-setuid &&
	check "setuid to oneself" 0 '' "$anykvm" ./own-setuid
echo 'int main(void) { return 0; }' > static.c
if cc -static static.c -o static 2>/dev/null; then
	check "static program" 125 'statically linked' "$anykvm" ./static
fi
printf '#!/bin/sh\n[ -c /dev/kvm ] && echo found\n' > script
chmod +x script
check "script" 0 '^found$' "$anykvm" ./script
printf 'echo found\n' > bare
chmod +x bare
check "script without #!" 0 '^found$' "$anykvm" ./bare
check "program from PATH" 0 '^found$' env PATH="$dir:$PATH" "$anykvm" script

# -- LD_PRELOAD
check "appended to LD_PRELOAD" 0 "^LD_PRELOAD=/no/lib.so:$preload\$" \
	env LD_PRELOAD=/no/lib.so "$anykvm" -- env
check "appended once" 0 "^LD_PRELOAD=$preload\$" "$anykvm" "$anykvm" -- env
check "needs libc alone" 0 '^1 libc\.so\.6$' sh -c \
	"readelf -d '$preload' | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
	 grep -v '^ld-linux' | sort | uniq -c | sed 's/^ *//'"

# -- The device, as scripts see it
check "sh: exists" 0 '' "$anykvm" -- sh -c '[ -e /dev/kvm ]'
check "sh: character device" 0 '' "$anykvm" -- sh -c '[ -c /dev/kvm ]'
check "sh: readable, writable" 0 '' \
	"$anykvm" -- sh -c '[ -r /dev/kvm ] && [ -w /dev/kvm ]'
check "bash: readable, writable" 0 '' \
	"$anykvm" -- bash -c '[ -r /dev/kvm ] && [ -w /dev/kvm ]'
check "sh: opened for writing" 0 '' "$anykvm" -- sh -c 'echo -n > /dev/kvm'
check "stat" 0 '^character special file a:e8 660$' \
	"$anykvm" -- stat -c '%F %t:%T %a' /dev/kvm
check "python: os.access" 0 '^True True$' "$anykvm" -- python3 -c \
	'import os; print(os.access("/dev/kvm", os.R_OK | os.W_OK), os.path.exists("/dev/kvm"))'
check "python: open, API version" 0 '^12$' "$anykvm" -- python3 -c \
	'import fcntl; print(fcntl.ioctl(open("/dev/kvm", "rb+", 0), 0xae00))'
check "python: subprocess" 0 '^12$' "$anykvm" -- python3 -c '
import fcntl, subprocess
kvm = open("/dev/kvm", "rb+", 0)
subprocess.run(["true"], close_fds=True, check=True)
print(fcntl.ioctl(kvm, 0xae00))'

# -- Saying who serves, and not being heard otherwise
unset ANYKVM_QUIET
check "announced" 0 '^anykvm: serving /dev/kvm in software .*ANYKVM_QUIET=1' \
	"$anykvm" -- sh -c ': < /dev/kvm'
check "announced once" 0 '' \
	one_line "$anykvm" -- sh -c ': < /dev/kvm; exec 3< /dev/kvm'
check "silenced by option" 0 '^$' "$anykvm" --quiet -- sh -c ': < /dev/kvm'
check "silenced by variable" 0 '^$' \
	env ANYKVM_QUIET=1 "$anykvm" -- sh -c ': < /dev/kvm'
check "looking is not opening" 0 '^$' "$anykvm" -- sh -c '[ -e /dev/kvm ]'
check "the engine is loaded only when needed" 0 '^0$' "$anykvm" -- sh -c \
	'[ -e /dev/kvm ]; grep -c anykvm-fake /proc/self/maps | cat'
check "no engine: one clear line" 0 '^anykvm: cannot load the engine: /no/such' \
	env ANYKVM_ENGINE_LIB=/no/such.so "$anykvm" -- sh -c 'true < /dev/kvm; true'
check "no engine: ENODEV" 0 '^19$' \
	env ANYKVM_ENGINE_LIB=/no/such.so "$anykvm" -- python3 -c '
import os
try:
    os.open("/dev/kvm", os.O_RDWR)
except OSError as e:
    print(e.errno)'

# -- Modes
check "mode auto says what it took" 0 'mode auto: using' \
	"$anykvm" --mode=auto true
if [ -e /dev/kvm ] && "$anykvm" --mode=real --quiet true 2>/dev/null; then
	check "mode real: the host's device" 0 '^[^:]*$' \
		"$anykvm" --mode=real --quiet -- sh -c ': < /dev/kvm; echo fine'
	check "mode soft wins over the host's" 0 'serving /dev/kvm' \
		"$anykvm" -- sh -c ': < /dev/kvm'
	check "mode real undoes an outer anykvm" 0 '^none$' \
		"$anykvm" "$anykvm" --mode=real --quiet -- \
		sh -c 'echo "${LD_PRELOAD:-none}"'
else
	check "mode real refuses" 125 'not usable' "$anykvm" --mode=real true
fi

finish
