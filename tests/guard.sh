#!/bin/sh
# Instructions an octet of the scanner and the wire encoder on fixed input
# (tests/bench/guard.c), counted by callgrind and held below a bound: a change
# that makes them slower fails here without a clock.
# Usage: tests/guard.sh [OUT]
out=${1:-build}
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh

# Thousandths of an instruction an octet. What it takes now and a quarter more;
# lowered when the code gets faster.
# The first two hold where there is AVX2.
scan_bound=1050
headers_bound=12500
encode_bound=1300
portable_bound=3700

# instructions FUNCTION: in it and all that it calls
instructions() {
	valgrind -q --tool=callgrind --toggle-collect="$1" \
		--callgrind-out-file="$out/bench/guard.$1" "$out/bench/guard" >/dev/null 2>&1 &&
		sed -n 's/^\(totals\|summary\): \([0-9]*\).*/\2/p' "$out/bench/guard.$1" | tail -n 1
}

# guard NAME FUNCTION BOUND
guard() {
	count=$(instructions "$2")
	octets=$("$out/bench/guard" | sed -n "s/^$2 //p")
	rate=$((${count:-0} * 1000 / octets))
	echo "# $1: $rate thousandths of an instruction an octet, at most $3"
	if [ "$rate" -eq 0 ]; then
		fail "guard: $1" "callgrind counted nothing"
	elif [ "$rate" -gt "$3" ]; then
		fail "guard: $1" "$rate is over $3"
	else
		pass "guard: $1"
	fi
}

case $out in
*/sanitize | */coverage | */fuzz) why='counts mean nothing with this build' ;;
*/clang) why='valgrind cannot read what clang writes' ;;
*) command -v valgrind >/dev/null || why='needs the program valgrind' ;;
esac
if [ -n "${why:-}" ]; then
	skip 'guard' "$why"
	plan
fi
if grep -qw avx2 /proc/cpuinfo; then
	guard scan guard_scan "$scan_bound"
	guard encode guard_encode "$encode_bound"
else
	skip 'guard: scan' 'needs AVX2'
	skip 'guard: encode' 'needs AVX2'
fi
guard headers guard_headers "$headers_bound"
guard portable guard_portable "$portable_bound"
plan
