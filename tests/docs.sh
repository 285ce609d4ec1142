#!/bin/sh
# The manual pages and the shell scripts, read by their checkers.
# Usage: tests/docs.sh
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh

# lint NAME PROGRAM ARGUMENT...
lint() {
	name=$1
	shift
	if command -v "$1" >/dev/null; then
		verdict "docs: $name" "$("$@" 2>&1)"
	else
		skip "docs: $name" "needs the program $1"
	fi
}

for page in man/*.[1-9]; do
	lint "$page" mandoc -T lint -W warning "$page"
done
for script in tests/*.sh tests/lib/*.sh tests/soak/*.sh contrib/*.sh .ci/run; do
	lint "$script" shellcheck -x "$script"
done
plan
