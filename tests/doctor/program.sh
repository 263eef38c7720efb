#!/bin/sh
# SPDX-License-Identifier: MIT
# Whether a program can be served: --doctor PROGRAM, and the launcher's refusal.
. "$(dirname "$0")/lib.sh"

doctor() {
	"$anykvm" --doctor "$@"
}

# elf_patch FILE OFFSET OCTAL: changes one byte of a copy of true(1).
elf_patch() {
	cp /bin/true "$1"
	shift
	while [ $# -ge 2 ]; do
		printf "\\$2" | dd of="$file" bs=1 seek="$1" conv=notrunc 2>/dev/null
		shift 2
	done
}

check "served" 0 'program +/.*/true: can be served' doctor true
check "the verdict names it" 0 '^yes: anykvm works here for true$' doctor true
check "by path, with arguments" 0 'can be served' doctor -- /bin/true --option
cause not-found 1 doctor no-such-program
cause not-found 1 doctor ''
echo text > plain
cause not-executable 1 doctor ./plain
cause not-executable 1 doctor "$dir"
cause not-found 1 "$anykvm" --mode=real --doctor no-such-program

# -- Scripts
script() {
	printf '%s\n' "$1" > script
	chmod +x script
}
script '#!/bin/sh'
check "script" 0 'program +/bin/sh: can be served' doctor ./script
script '#!/usr/bin/env -S LC_ALL=C sh -e'
check "script by env" 0 'program +/.*/sh: can be served' doctor ./script
script '#! /no/such/interpreter -x'
cause no-interpreter 1 doctor ./script
check "which interpreter" 1 'interpreter /no/such/interpreter is not' doctor ./script
script 'echo found'
check "script without #!" 0 'program +/bin/sh: can be served' doctor ./script
script '#!./script'
check "a script that is its own interpreter" 0 '' timeout 5 "$anykvm" --doctor ./script
cp /bin/sh sh32 && file=sh32 && elf_patch sh32 4 001 18 003
script "#!$dir/sh32"
cause bits32 1 doctor ./script

# -- Other machines
file=arm && elf_patch arm 18 267
cause machine 1 doctor ./arm
check "which machine" 1 'one for arm64' doctor ./arm
check "refused" 125 "cannot serve './arm'.*arm64; use a build" "$anykvm" ./arm
file=machine && elf_patch machine 18 377 19 377
check "a machine without a name" 1 'ELF machine 65535' doctor ./machine
head -c 100 /bin/true > truncated && chmod +x truncated
check "a truncated file" 1 '\[static\]' doctor ./truncated

# -- How it is linked
echo 'int main(void) { return 0; }' > main.c
if cc main.c -o dynamic 2>/dev/null; then
	check "a plain program" 0 'can be served' doctor ./dynamic
	cc -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 main.c -o musl
	cause musl 1 doctor ./musl
	touch linker64 && cc -Wl,--dynamic-linker="$dir/linker64" main.c -o bionic
	cause other-loader 1 doctor ./bionic
	cc -Wl,--dynamic-linker=/no/ld-linux-x86-64.so.2 main.c -o nowhere
	cause no-interpreter 1 doctor ./nowhere
	check "the launcher says it too" 127 'interpreter /no/ld-linux' "$anykvm" ./nowhere
	cat > go.S <<-EOF
		.section .note.go.buildid,"a",@note
		.balign 4
		.long 4, 4, 4
		.asciz "Go\0"
		.long 0
		.section .note.GNU-stack,"",@progbits
	EOF
	cc main.c go.S -o go && cause go-dynamic 0 doctor ./go
	echo 'void _start(void) { for (;;); }' > raw.c
	cc -nostdlib -pie -fPIE -Wl,--dynamic-linker=/lib64/ld-linux-x86-64.so.2 raw.c -o raw
	cause raw-calls 0 doctor ./raw
	if cc -static main.c -o static 2>/dev/null; then
		cause static 1 doctor ./static
		cc -static main.c go.S -o static-go && cause static-go 1 doctor ./static-go
		cc -static-pie main.c -o static-pie && cause static 1 doctor ./static-pie
	fi
fi

# -- Privileges
if is_root; then
	cp /bin/true setuid && chown 65534 setuid && chmod u+s setuid
	cause setuid 1 doctor ./setuid
	cp /bin/true setgid && chgrp 65534 setgid && chmod g+s setgid
	cause setuid 1 doctor ./setgid
	script '#!/bin/sh'
	chown 65534 script && chmod u+s script
	check "setuid means nothing to a script" 0 'can be served' doctor ./script
	check "nor to the launcher" 0 '' "$anykvm" ./script
	cp /bin/true unreadable && chmod 711 unreadable
	cause unreadable 0 $nobody "$anykvm" --doctor ./unreadable
	mkdir -m 0 closed
	cause not-found 1 $nobody env PATH="$dir/closed:/bin" "$anykvm" --doctor no-such-program
	check "not the launcher's either" 127 'No such file' \
		$nobody env PATH="$dir/closed:/bin" "$anykvm" no-such-program
	cp /bin/true caps
	if setcap cap_net_raw+ep caps 2>/dev/null; then
		cause capabilities 1 $nobody "$anykvm" --doctor ./caps
	fi
fi
finish
