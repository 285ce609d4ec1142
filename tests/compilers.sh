#!/bin/sh
# The tree and its tests compile with the second compiler too, without a warning.
# Usage: tests/compilers.sh
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh

if command -v clang >/dev/null; then
	said=$(make -s WERROR=-Werror VARIANT=clang all units 2>&1) && said=''
	verdict 'compilers: clang' "$said"
else
	skip 'compilers: clang' 'needs the program clang'
fi
plan
