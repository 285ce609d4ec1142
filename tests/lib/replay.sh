#!/bin/sh
# Feeds a fuzz entry every input that was worth keeping: one verdict for each
# corpus. Usage: lib/replay.sh OUT OUT/fuzz/NAME
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh
name=${2##*/}
corpus=tests/fuzz/corpus/$name
if [ -d "$corpus" ]; then
	said=$("$2" "$corpus"/* 2>&1)
	status=$?
	[ "$status" -eq 0 ] && said= || said="$said (status $status)"
	verdict "fuzz corpus of $name" "$said"
else
	fail "fuzz corpus of $name" "$corpus is missing"
fi
plan
