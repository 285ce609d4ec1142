#!/bin/sh
# What `make soak` runs, part after part: the whole test so many times, plain
# and with the sanitizers; each delivery storm for so many minutes; kills and
# power cuts by the hundred; each fuzz entry for so many seconds. A part that
# fails, or leaves a file or a process behind, does not end it. What a part
# prints is shown and stays in build/soak/PART.log. The last line is the
# verdict; the status is 1 if a part failed or all was interrupted.
# Usage: tests/soak/soak.sh ROUNDS MINUTES FUZZ_SECONDS
set -u
cd "$(dirname "$0")/../.." || exit 1
rounds=$1
minutes=$2
fuzz_seconds=$3

logs=build/soak
rm -rf "$logs"
mkdir -p "$logs" || exit 1
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/poplar-soak-XXXXXX") || exit 1
chmod 1777 "$TMPDIR"
POPLAR_BUILD=$PWD/build
PYTHONDONTWRITEBYTECODE=1
export TMPDIR POPLAR_BUILD PYTHONDONTWRITEBYTECODE

started=$(date +%s)
passed=0
failed=''
job=''

minutes_since() {
	echo "$((($(date +%s) - $1 + 30) / 60)) min"
}

verdict() {
	sweep
	rm -rf "$TMPDIR"
	skipped=$(cat "$logs"/*.log | grep -ac '^ok .*# SKIP')
	echo "soak: $passed parts passed, failed:${failed:- none}, $skipped tests skipped," \
		"in $(minutes_since "$started")"
	[ -z "$failed" ]
}

interrupted() {
	trap '' HUP INT TERM
	if [ -n "$job" ]; then
		kill -TERM "-$job"
		wait
		timeout 60 sh -c "while kill -0 -$job 2>/dev/null; do sleep 0.1; done"
	fi
	failed="$failed $name (interrupted)"
	verdict
	exit 1
}
trap interrupted HUP INT TERM

# Ends and removes the processes and files of a part that has ended; names them.
sweep() {
	for process in /proc/[0-9]*; do
		case $(readlink "$process/exe") in
		"$TMPDIR"/*) echo "process ${process#/proc/}" && kill -KILL "${process#/proc/}" ;;
		esac
	done
	find "$TMPDIR" -mindepth 1 -maxdepth 1 -print -exec rm -rf {} +
}

# part NAME COMMAND...: in a process group of its own, which an interruption ends
part() {
	name=$1
	log=$logs/$1.log
	shift
	begin=$(date +%s)
	: >"$log"
	echo "soak: $name, from $(date '+%F %T')"
	setsid "$@" >"$log" 2>&1 </dev/null &
	job=$!
	tail -n +1 -f --pid="$job" "$log" &
	wait "$job"
	status=$?
	job=''
	wait
	left=$(sweep)
	if [ "$status" -eq 0 ] && [ -z "$left" ]; then
		passed=$((passed + 1))
		echo "soak: $name passed in $(minutes_since "$begin")"
		return
	fi
	failed="$failed $name"
	[ -z "$left" ] || printf 'soak: %s left behind:\n%s\n' "$name" "$left"
	echo "soak: $name FAILED in $(minutes_since "$begin"), status $status, see $log"
}

for round in $(seq "$rounds"); do
	part "check-$round" make -s check
	part "sanitize-$round" make -s sanitize
done
part storm /usr/bin/python3 tests/soak/storm.py "$minutes"
part kill env POPLAR_SOAK=1 /usr/bin/python3 tests/system/test_kill.py
part powercut env POPLAR_SOAK=1 /usr/bin/python3 tests/system/test_powercut.py
for entry in tests/fuzz/*.c; do
	entry=$(basename "$entry" .c)
	part "fuzz-$entry" make -s fuzz FUZZ="$entry" FUZZ_SECONDS="$fuzz_seconds"
done
verdict
