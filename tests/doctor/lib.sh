# SPDX-License-Identifier: MIT
# For the doctor's tests: a copy of anykvm that any user can run, and checks.
#   NAME.sh ANYKVM PRELOAD LIBRARY SANDBOX OLD_PRELOAD FAKE_ENGINE
. "$(dirname "$0")/../lib/check.sh"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp "$1" "$dir/anykvm"
cp "$2" "$dir/libanykvm-preload.so"
cp -L "$3" "$dir/libanykvm.so.0"
cp "$4" "$dir/sandbox"
cp "$5" "$dir/old.so"
cp "$6" "$dir/fake.so"
chmod -R a+rX "$dir"
cd "$dir" || exit 1
anykvm=$dir/anykvm
sandbox=$dir/sandbox
unset ANYKVM_ENGINE ANYKVM_ENGINE_LIB ANYKVM_PRELOAD ANYKVM_MODE LD_PRELOAD COLUMNS
nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"

# cause ID STATUS command...: the command's report names the cause in one line
# with a fix, and it ends with this status.
cause() {
	id=$1
	want=$2
	shift 2
	output=$("$@" 2>&1)
	status=$?
	if [ $status -eq 77 ]; then
		echo "not here: $id"
	elif [ $status -ne "$want" ]; then
		failed "$id: status $status, wanted $want: $*"
	elif [ "$(printf '%s\n' "$output" |
		  grep -c "^- .*\. Fix: .* \[$id\]\$")" -ne 1 ]; then
		failed "$id: not told in one line: $*"
	else
		echo "ok: $id"
	fi
}

# no_cause ID command...: the report does not name it.
no_cause() {
	id=$1
	shift
	output=$("$@" 2>&1)
	if printf '%s\n' "$output" | grep -q "\[$id\]"; then
		failed "$id is told: $*"
	else
		echo "ok: no $id"
	fi
}

is_root() {
	[ "$(id -u)" -eq 0 ]
}

can_mount() {
	is_root && unshare -m true 2>/dev/null
}
