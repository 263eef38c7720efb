#!/bin/sh
# SPDX-License-Identifier: MIT
# What "make install" leaves: it works, also where it is moved to, programs can
# be built with it, and "ninja uninstall" takes all of it away.
#     install.sh BUILD_DIRECTORY SOURCE_ROOT PREFIX LIBDIR
. "$(dirname "$0")/../lib/check.sh"
build=$1
root=$2
prefix=$3
libdir=$4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset ANYKVM_PRELOAD ANYKVM_ENGINE_LIB LD_LIBRARY_PATH
export ANYKVM_QUIET=1

check "install" 0 '' env DESTDIR="$dir/here" meson install -C "$build" --no-rebuild --quiet
(cd "$dir/here" && find . ! -type d | sort) > "$dir/list"
for file in bin/anykvm "$libdir/libanykvm.so.0" "$libdir/libanykvm.so" \
	    "$libdir/anykvm/libanykvm-preload.so" "$libdir/pkgconfig/anykvm.pc" \
	    include/anykvm.h share/man/man1/anykvm.1 share/man/man3/libanykvm.3 \
	    share/man/man7/anykvm-env.7 share/bash-completion/completions/anykvm; do
	check "$file" 0 '' grep -Fqx ".$prefix/$file" "$dir/list"
done

# Each file goes into one Debian package.
owners() {
	patterns=$(cat "$root"/packaging/debian/*.install)
	set -f
	while read -r file; do
		n=0
		for pattern in $patterns; do
			# shellcheck disable=SC2254  # a pattern
			case usr/${file#".$prefix/"} in $pattern) n=$((n + 1)) ;; esac
		done
		[ $n -eq 1 ] || echo "$file: in $n packages"
	done < "$dir/list"
	set +f
}
check "each file is in one package" 0 '^$' owners

mv "$dir/here" "$dir/there"
tree=$dir/there$prefix
check "the doctor" 0 '^yes' "$tree/bin/anykvm" --doctor
check "its own preload object and library" 0 \
	"\"preload\": \"$tree/$libdir/anykvm/libanykvm-preload.so\", \"library\": \"[^\"]*$libdir/(anykvm/../)?libanykvm.so.0\"" \
	"$tree/bin/anykvm" --doctor --json
check "the device" 0 '^12$' "$tree/bin/anykvm" -- python3 -c \
	'import fcntl; print(fcntl.ioctl(open("/dev/kvm", "rb+", 0), 0xae00))'

flags() {
	PKG_CONFIG_PATH="$tree/$libdir/pkgconfig" pkg-config --define-variable=prefix="$tree" "$@" anykvm
}
check "pkg-config: the preload object" 0 '' sh -c "[ -e '$(flags --variable=preload)' ]"
check "pkg-config: its directory" 0 "/anykvm\$" flags --variable=preloaddir
# shellcheck disable=SC2046  # a list of flags
check "an example builds" 0 '^$' cc -Wall -Wextra "$root/examples/hello.c" \
	$(flags --cflags --libs) -o "$dir/hello"
check "an example runs" 0 '^Hello from a guest$' \
	env LD_LIBRARY_PATH="$tree/$libdir" "$dir/hello"
echo '#include <anykvm.h>' > "$dir/header.c"
# shellcheck disable=SC2046
check "the header alone, strictly" 0 '^$' cc -std=c99 -pedantic -Wall -Wextra -Werror \
	-D_POSIX_C_SOURCE=200809L $(flags --cflags) -c "$dir/header.c" -o "$dir/header.o"

mv "$dir/there" "$dir/here"
check "uninstall" 0 'Uninstall finished' ninja -C "$build" uninstall
check "nothing is left" 0 '^0$' sh -c "find '$dir/here' ! -type d | wc -l"
finish
