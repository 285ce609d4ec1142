#!/bin/sh
# What contrib holds, as far as the programs that read it are here.
# Usage: tests/contrib.sh
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh

place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
# what those programs leave goes with it, as lintian's tables do
TMPDIR=$place
export TMPDIR

# read_by NAME PROGRAM ARGUMENT...: passes where its status is 0
read_by() {
    name=$1
    shift
    if ! command -v "$1" >/dev/null; then
        skip "$name" "needs the program $1"
    elif said=$("$@" 2>&1); then
        pass "$name"
    else
        fail "$name" "$said"
    fi
}

read_by 'haproxy reads its example' haproxy -c -f contrib/haproxy/poplar.cfg

for unit in contrib/systemd/*.service; do
    sed "s,/usr/local/sbin/poplard,$(command -v true),; s,=kill ,=/bin/kill ," \
        "$unit" >"$place/${unit##*/}"
    read_by "systemd reads ${unit##*/}" systemd-analyze verify --man=no "$place/${unit##*/}"
done

# unpacked, not installed: it would confine what else runs here
apparmor=build/pkgs/apparmor
PATH=$PWD/$apparmor/usr/sbin:$PWD/$apparmor/sbin:$PATH
read_by 'AppArmor compiles its profile' apparmor_parser -Q -K \
    -b $apparmor/etc/apparmor.d contrib/apparmor/poplard

unit_capabilities() {
    sed -n 's/^CapabilityBoundingSet=//p' contrib/systemd/poplard.service |
        tr ' ' '\n' | sed 's/^CAP_//' | tr '[:upper:]' '[:lower:]' | sort
}
profile_capabilities() {
    sed -n 's/^ *capability \(.*\),$/\1/p' contrib/apparmor/poplard | sort
}
unit_capabilities >"$place/unit"
profile_capabilities >"$place/profile"
verdict 'unit and AppArmor profile keep the same capabilities' \
    "$(diff "$place/unit" "$place/profile"; [ -s "$place/unit" ] || echo 'none')"

# both read mailboxes: what confines the one confines the other
confinement() {
    grep -E '^(Protect|Private|Restrict|SystemCall|MemoryDeny|Lock|NoNew|ReadWrite)' "$1" |
        grep -vE '^(PrivateNetwork|RestrictAddressFamilies)' | sort
}

confinement contrib/systemd/poplard.service >"$place/daemon"
confinement contrib/systemd/poplard-recover.service >"$place/recovery"
verdict 'the recovery is confined as the daemon is' "$(diff "$place/daemon" "$place/recovery")"

# ---- the Debian package

verdict 'the package has the version of the sources' "$(
    version=$(sed -n 's/^VERSION = //p' Makefile)
    sed 1q contrib/debian/changelog | grep -vF "poplar ($version) "
)"

# Build-Depends, without what is Debian's own
build_depends() {
    sed -n '/^Build-Depends:/,/^[^ ]*: /p' contrib/debian/control | grep -v '^Standards' |
        sed 's/^Build-Depends://; s/([^)]*)//g' | tr -s ', ' '\n' |
        grep -vE '^(|debhelper-compat|dh-sequence-.*)$' | sort
}

# what README.md says to install
readme_wants() {
    sed -n '/apt-get install gcc/,/[^\\]$/p' README.md | tr -s ' ' '\n' |
        grep -E '^(lib.*-dev|pkg-config)$' | grep -v '^libc6-dev$' | sort
}

build_depends >"$place/package"
readme_wants >"$place/readme"
verdict 'package and README.md build with the same libraries' \
    "$(diff "$place/readme" "$place/package"; [ -s "$place/package" ] || echo 'none')"

# Of the files that are not of a build; says what went wrong.
build_package() {
    mkdir "$place/poplar"
    tar -c --exclude=./build --exclude=./.git . | tar -x -C "$place/poplar"
    cp -r contrib/debian "$place/poplar"
    (cd "$place/poplar" && dpkg-buildpackage -b -us -uc -j2) >"$place/log" 2>&1 ||
        tail -n 20 "$place/log"
}

if dpkg-checkbuilddeps contrib/debian/control 2>/dev/null; then
    verdict 'the package is built' "$(build_package)"
    read_by 'lintian finds no fault' \
        lintian --allow-root --fail-on error,warning "$place"/poplar_*.changes
else
    skip 'the package is built' 'needs dpkg-dev and what contrib/debian/control names'
fi
plan
