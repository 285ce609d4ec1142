#!/bin/sh
# Installs what the tests need, builds, runs everything. As root it installs
# packages and makes a throw-away user for sessions, which it removes again;
# without root it says what is missing and skips the tests that need it.
# The last line is "N passed, M failed, K skipped"; the status is 1 if
# anything failed.
set -u
cd "$(dirname "$0")/.." || exit 1
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# wanted install|unpack: the packages of that kind
wanted() {
	case $1 in
	install) grep -vE '^(#|unpack |$)' tests/packages ;;
	unpack) sed -n 's/^unpack //p' tests/packages ;;
	esac
}

missing() {
	for package in $(wanted install); do
		is_installed "$package" || printf '%s ' "$package"
	done
	for package in $(wanted unpack); do
		[ -d "build/pkgs/$package" ] || printf '%s ' "$package"
	done
}

# What another release of Debian does not have is left out: its tests are skipped.
install_missing() {
	apt-get -q -y update || return 1
	for package in $(wanted install); do
		is_installed "$package" && continue
		apt-cache show "$package" >/dev/null && set -- "$@" "$package"
	done
	[ $# -eq 0 ] || apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
}

# Puts the files of a package below build/pkgs/NAME without installing it.
unpack() {
	[ -d "build/pkgs/$1" ] && return 0
	mkdir -p build/pkgs/deb && (cd build/pkgs/deb && apt-get -q download "$1") &&
		dpkg -x build/pkgs/deb/"$1"_*.deb "build/pkgs/$1"
}

prepare() {
	lacking=$(missing)
	[ -n "$lacking" ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "not root, so not installed: $lacking"
		return 0
	fi
	echo "installing: $lacking"
	install_missing >build/install.log 2>&1 || {
		cat build/install.log
		echo "some packages could not be installed"
	}
	for package in $(wanted unpack); do
		unpack "$package" >>build/install.log 2>&1 || echo "could not unpack $package"
	done
}

# The user that sessions run as, for the time of the tests.
make_user() {
	[ "$(id -u)" -eq 0 ] || return 0
	POPLAR_TEST_USER=poplar-test-$$
	useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
		"$POPLAR_TEST_USER" && export POPLAR_TEST_USER && trap remove_user EXIT
	trap 'exit 1' HUP INT TERM
}

remove_user() {
	userdel "$POPLAR_TEST_USER" 2>/dev/null
}

# build GOAL...: quiet where it goes well; a failure is a failed test
build() {
	if make -j2 WERROR=-Werror "$@" >"$log" 2>&1; then
		return 0
	fi
	tail -n 60 "$log"
	return 1
}

mkdir -p build
log=build/make.log
prepare
make_user

if ! build all units; then
	echo "the build failed: make all units"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
fi
build VARIANT=fastclock all || echo "no build with the fast clock: its tests are skipped"

# every test runs twice: in the build that counts lines, and as installed
sh tests/coverage.sh >build/coverage.log 2>&1
grep '^line coverage' build/coverage.log || echo "no line coverage: see build/coverage.log"

sh tests/check.sh build
