#!/bin/sh
# Runs one piece of the tests and leaves its verdicts, as TAP lines, in
# OUT/test/NAME.tap. What it leaves in its folder for temporary files is a fault.
# Usage: lib/piece.sh OUT PIECE
set -u
out=$1
piece=$2
name=$(echo "$piece" | sed -e "s,^$out/,," -e 's,^tests/,,' | tr '/' '-')
tap=$out/test/$name.tap

begin=$(date +%s)

# No piece may run longer than this many seconds.
limit=900

# Leaks are looked for in unit tests; a program that ends frees nothing.
case $piece in
*.py | *.sh) ASAN_OPTIONS=detect_leaks=0 && export ASAN_OPTIONS ;;
esac

TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/poplar-XXXXXX") || exit 1
chmod 1777 "$TMPDIR"
export TMPDIR

# timeout(1) makes a process group of its own, which no terminal's signal reaches
trap 'kill "$job" && wait "$job"; rm -rf --one-file-system "$TMPDIR"; exit 1' HUP INT TERM
run() {
	timeout "$limit" "$@" >"$tap" 2>&1 </dev/null &
	job=$!
	wait "$job"
	status=$?
}

case $piece in
*.py) run /usr/bin/python3 "$piece" ;;
*.sh) run sh "$piece" "$out" ;;
*/fuzz/*) run sh tests/lib/replay.sh "$out" "$piece" ;;
# cmocka calls a skipped test "not ok N # SKIP name"
*) CMOCKA_MESSAGE_OUTPUT=tap && export CMOCKA_MESSAGE_OUTPUT && run "$piece" ;;
esac
sed -i 's/^not \(ok [0-9]* # SKIP \)/\1/' "$tap"

# A piece that fell silent did not pass: its plan and its exit status must
# agree with its verdicts.
verdicts=$(grep -acE '^(not )?ok ' "$tap")
plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$tap" | tail -n 1)
if [ "${plan:-none}" != "$verdicts" ]; then
	echo "not ok - $name ended early: status $status, $verdicts of ${plan:-?} tests" >>"$tap"
elif [ "$status" -ne 0 ] && ! grep -qa '^not ok ' "$tap"; then
	echo "not ok - $name ended with status $status" >>"$tap"
fi

left=$(find "$TMPDIR" -mindepth 1 -maxdepth 1 -printf '%f ')
rm -rf --one-file-system "$TMPDIR"
[ -z "$left" ] || echo "not ok - $name left behind: $left" >>"$tap"

if grep -qa '^not ok ' "$tap"; then
	printf '==== %s\n' "$name"
	grep -avE '^ok [^#]*$' "$tap"
else
	grep -aE '^ok .*# SKIP' "$tap"
	printf '%-28s %3s passed in %s s\n' "$name" \
		"$(grep -aE '^ok ' "$tap" | grep -avc '# SKIP')" $(($(date +%s) - begin))
	# what was counted and measured
	sed -n 's/^# \([^ ].*\)/    \1/p' "$tap" | grep -av '^ *\(ok\|not ok\) '
fi
