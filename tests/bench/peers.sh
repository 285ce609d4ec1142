#!/bin/sh
# Fetches what make bench compares with and draws with: the peers' packages,
# unpacked below build/pkgs and not installed, since they exclude each other
# and start services; the libraries that they need, and gnuplot, installed.
# Needs root. Run it once before make bench; without it the peers are "not
# measured".
set -u
cd "$(dirname "$0")/../.." || exit 1
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND

peers='dovecot-core dovecot-pop3d popa3d mailutils-pop3d solid-pop3d'
libraries='libapparmor1 libexttextcat-2.0-0 libicu72 liblua5.4-0 libsodium23
	libstemmer0d libunwind8 libmailutils9 libmu-dbm9 libkyotocabinet16v5
	liblockfile1'

# unpack PACKAGE: its files below build/pkgs/PACKAGE
unpack() {
	[ -d "build/pkgs/$1" ] && return 0
	mkdir -p build/pkgs/deb && (cd build/pkgs/deb && apt-get -q download "$1") &&
		dpkg -x build/pkgs/deb/"$1"_*.deb "build/pkgs/$1"
}

apt-get -q -y update || exit 1
# shellcheck disable=SC2086
apt-get -q -y install --no-install-recommends gnuplot-nox openssl $libraries || exit 1
for package in $peers; do
	unpack "$package" || exit 1
done
