#!/bin/sh
# What `make check` runs: every test against the binaries in a build folder,
# two pieces at a time. Installs nothing and needs no root; what cannot run
# here is skipped and says why. The last line is
# "N passed, M failed, K skipped"; the status is 1 if anything failed.
# Usage: tests/check.sh [OUT [PIECE...]]
set -u
out=${1:-build}
[ $# -gt 0 ] && shift
cd "$(dirname "$0")/.." || exit 1
case $out in /*) ;; *) out=$PWD/$out ;; esac

POPLAR_BUILD=$out
PYTHONDONTWRITEBYTECODE=1
export POPLAR_BUILD PYTHONDONTWRITEBYTECODE
unset MAKEFLAGS MFLAGS MAKELEVEL # tests that call make mean another build
jobs=${JOBS:-2}

case ${out##*/} in
coverage | sanitize) instrumented=yes ;;
*) instrumented=no ;;
esac

rm -rf "$out/test"
mkdir -p "$out/test" || exit 1

# build/fuzz holds a build of its own, too
entries=$(echo tests/fuzz/*.c | sed "s,tests/fuzz/\([^ ]*\)\.c,$out/fuzz/\1,g")

if [ $# -eq 0 ]; then
	for piece in tests/*.sh "$out"/unit/*/* $entries tests/system/test_*.py; do
		case $piece in
		*.d | *.o | tests/run.sh | tests/check.sh | tests/coverage.sh) continue ;;
		# what looks at the tree and not at a build: once is enough
		*.sh) [ "$instrumented" = no ] || continue ;;
		esac
		[ -f "$piece" ] && set -- "$@" "$piece"
	done
fi

# A piece that measures time says "runs alone" and goes last, on its own.
alone=''
together=''
for piece; do
	case $piece in
	*.py) if grep -q '^# runs alone' "$piece"; then
		alone="$alone $piece"
		continue
	fi ;;
	esac
	together="$together $piece"
done

# paths of the tree hold no blanks
# shellcheck disable=SC2086
printf '%s\n' $together | xargs -P "$jobs" -n 1 sh tests/lib/piece.sh "$out"
# shellcheck disable=SC2086
[ -n "$alone" ] && printf '%s\n' $alone | xargs -n 1 sh tests/lib/piece.sh "$out"

count() {
	cat "$out"/test/*.tap | grep -aE "$1" | grep -avcE "$2"
}
passed=$(count '^ok ' '# SKIP')
failed=$(count '^not ok ' '^ok')
skipped=$(count '^ok .*# SKIP' '^not')
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
