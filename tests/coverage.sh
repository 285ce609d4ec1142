#!/bin/sh
# Line coverage of src/ by all tests, in build/coverage (make coverage). clang
# in continuous mode: the counters are a shared mapping of a file, made before
# the sandbox, so a session counts without a system call, and what is killed
# has counted too.
# Usage: tests/coverage.sh [PIECE...]
set -u
cd "$(dirname "$0")/.." || exit 1
out=$PWD/build/coverage
profiles=$out/profiles

for program in clang llvm-profdata llvm-cov; do
    command -v "$program" >/dev/null || {
        echo "coverage: needs $program (Debian: clang llvm)"
        exit 77
    }
done

make -s VARIANT=coverage all units || exit 1
rm -rf "$profiles"
mkdir -m 1777 "$profiles" || exit 1
LLVM_PROFILE_FILE=$profiles/%p%c.profraw sh tests/check.sh "$out" "$@"
status=$?

find "$profiles" -name '*.profraw' -size +0 >"$out/profiles.list"
llvm-profdata merge -sparse --failure-mode=all -f "$out/profiles.list" \
    -o "$out/all.profdata" 2>"$out/merge.log" || {
    cat "$out/merge.log"
    exit 1
}

# report PROGRAM OBJECT...: the programs that count, and the unit tests
set -- "$out/poplard" -object "$out/poplarctl"
for unit in "$out"/unit/*/*; do
    case $unit in
    *.d | *.o) ;;
    *) [ -f "$unit" ] && set -- "$@" -object "$unit" ;;
    esac
done
llvm-cov export -summary-only -instr-profile "$out/all.profdata" \
    -ignore-filename-regex='/tests/' "$@" | /usr/bin/python3 -c '
import json, os, sys
data = json.load(sys.stdin)["data"][0]
for file in data["files"]:
    lines = file["summary"]["lines"]
    missed = lines["count"] - lines["covered"]
    print("%6.1f%% %5d missed  %s" % (lines["percent"], missed, os.path.relpath(file["filename"])))
total = data["totals"]["lines"]
print("line coverage of src/: %.1f%% (%d of %d)"
      % (total["percent"], total["covered"], total["count"]))'
exit "$status"
