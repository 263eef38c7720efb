# SPDX-License-Identifier: MIT
# For tests that look at programs from outside.
failures=0

failed() {
	echo "FAILED: $1:"
	printf '%s\n' "$output" | sed 's/^/  /'
	failures=$((failures + 1))
}

# check DESCRIPTION STATUS PATTERN command...
check() {
	what=$1
	want=$2
	pattern=$3
	shift 3
	output=$("$@" 2>&1)
	status=$?
	if [ $status -ne "$want" ] ||
	   ! printf '%s\n' "$output" | grep -Eq -- "$pattern"; then
		failed "$what: status $status, wanted $want and '$pattern'"
	else
		echo "ok: $what"
	fi
}

finish() {
	[ $failures -eq 0 ] || { echo "$failures failed"; exit 1; }
	exit 0
}
