#!/bin/sh
# make install and make uninstall, into a folder; the configuration as shipped.
# Usage: tests/install.sh [OUT]
out=${1:-build}
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh

place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
root=$place/root
conf=$root/etc/poplar/poplar.conf

# installed GOAL: what make says where it fails; what was built is not built again
installed() {
    said=$(make -s -o all "out=$out" "DESTDIR=$root" prefix=/usr "$1" 2>&1) || echo "make $1: $said"
}

files() {
    (cd "$root" && find . -type f) | sort
}

verdict 'install works' "$(installed install)"

{
    printf './%s\n' usr/sbin/poplard usr/sbin/poplarctl etc/poplar/poplar.conf \
        etc/pam.d/poplar usr/lib/systemd/system/poplard.service \
        usr/lib/systemd/system/poplard-recover.service \
        usr/share/doc/poplar/README.md
    for page in man/*.[1-9]; do
        echo "./usr/share/man/man${page##*.}/${page##*/}"
    done
    find contrib -mindepth 2 -type f ! -path 'contrib/debian/*' | sed 's,^contrib,./usr/share/doc/poplar,'
} | sort >"$place/wanted"
verdict 'install puts every file in its place, and no other' \
    "$(files | diff "$place/wanted" -)"

verdict 'nothing but the programs can be executed, nothing written by others' \
    "$(find "$root" -type f -perm /111 ! -path '*/sbin/*'; find "$root" -perm /022)"

verdict 'installed texts name the installed programs' \
    "$(grep -rn /usr/local "$root/usr/lib" "$root/usr/share/doc/poplar/apparmor" \
        "$root/usr/share/doc/poplar/inetd" "$root/usr/share/doc/poplar/xinetd")"

verdict 'the installed program runs' "$("$root/usr/sbin/poplard" -V 2>&1 >/dev/null)"

sed 's/^#\([a-z0-9_]*\) =/\1 =/' etc/poplar.conf |
    awk '/^\[/ { section = substr($1, 2, length($1) - 2) }
        / =/ && !/^#/ { key = $1; sub(/^[^=]*= ?/, ""); print section "." key " " $0 }' |
    sed 's/ *$//' | sort >"$place/shipped"
"$root/usr/sbin/poplarctl" keys | sed 's/ *$//' | sort >"$place/keys"
verdict 'the configuration as shipped names keys at their defaults' \
    "$(comm -23 "$place/shipped" "$place/keys"; [ -s "$place/shipped" ] || echo 'no key')"

echo '# mine' >>"$conf"
cp "$conf" "$place/mine"
verdict 'a second install works' "$(installed install)"
verdict 'a second install leaves the configuration alone' "$(diff "$place/mine" "$conf" 2>&1)"

verdict 'uninstall works' "$(installed uninstall)"
verdict 'uninstall leaves the changed configuration and nothing else' \
    "$(files | grep -vx ./etc/poplar/poplar.conf; diff "$place/mine" "$conf" 2>&1)"

rm -rf "$root"
verdict 'install works again' "$(installed install)"
verdict 'uninstall works again' "$(installed uninstall)"
verdict 'uninstall leaves nothing of an installation that was not changed' \
    "$(files; find "$root" -name 'poplar*')"
plan
