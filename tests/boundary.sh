#!/bin/sh
# The privilege boundary as a test: which folder may include what, and which
# symbols an object file of a folder may ask the linker for.
# Usage: tests/boundary.sh [OUT]
out=${1:-build}
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lib/tap.sh
. tests/lib/tap.sh

# main -> priv -> session -> mbox -> base. Headers of include/ by the folder
# they speak for; server, session and ipc are the only seams to the side.
base='log clock text wire lines config ipc network pages title scram'
headers_of() {
	case $1 in
	base) echo "control $base" ;;
	mbox) echo 'maildrop wire text clock lines pages' ;;
	session) echo "session maildrop ${base% scram}" ;; # no stored keys here
	priv) echo "server session maildrop control $base" ;;
	ctl) echo "server control $base" ;;
	main) echo "server session $base" ;;
	esac
}

# sources FOLDER: its files; main is a file
sources() {
	if [ "$1" = main ]; then echo src/main.c; else find "src/$1" -name '*.[ch]' | sort; fi
}

# may_include FOLDER HEADER
may_include() {
	case $2 in
	*/*) return 1 ;;
	esac
	[ "$1" != main ] && [ -f "src/$1/$2" ] && return 0
	for allowed in $(headers_of "$1"); do
		[ "$2" = "$allowed.h" ] && return 0
	done
	return 1
}

includes_of() {
	sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$1"
}

check_includes() {
	said=$(for file in $(sources "$1"); do
		for header in $(includes_of "$file"); do
			may_include "$1" "$header" || echo "$file includes $header"
		done
	done)
	verdict "boundary: includes of $1" "$said"
}

# What each folder must not call, as extended regular expressions over whole
# symbol names. Fortified names (__open_2, __fprintf_chk) are stripped of
# their dress first.
opens='open(at)?(64)?|creat(64)?|openat2|fopen(64)?|freopen(64)?|opendir|fdopendir'
spawns='v?fork|clone3?|_Fork|posix_spawnp?|exec(v|ve|vp|vpe|l|le|lp)|fexecve|execveat|system|popen'
exits='_?exit|_Exit|quick_exit|abort|v?errx?|fatal'
says='v?syslog|openlog|v?f?printf|v?dprintf|f?puts|f?putc|putchar|perror|v?warnx?|log_.*'
forbidden() {
	case $1 in
	base) echo "$spawns|pam_.*|SSL_.*" ;;
	mbox) echo "$opens|$exits|$says|$spawns|config_.*|ipc_.*|socket|socketpair|getenv|getpw.*" ;;
	session) echo "$opens|$spawns|socket|getpw.*|getgr.*|getspnam.*|pam_.*" ;;
	priv) echo 'SSL_read(_ex)?|SSL_accept|SSL_do_handshake|SSL_peek(_ex)?' ;;
	esac
}

undefined() {
	nm -u "$out/obj/$1"/*.o 2>/dev/null | sed -nE 's/^ +U //p' |
		sed -E -e 's/@.*//' -e 's/^__(.*)_chk$/\1/' -e 's/^__(open|openat)(64)?_2$/\1/' | sort -u
}

check_symbols() {
	[ -n "$(undefined "$1")" ] || {
		fail "boundary: symbols of $1" "no object files in $out/obj/$1"
		return
	}
	verdict "boundary: symbols of $1" "$(undefined "$1" | grep -xE "$(forbidden "$1")")"
}

# calls FROM TO ALLOWED: no symbol of TO is asked for by FROM but the allowed
defined() {
	nm -g --defined-only "$out/obj/$1"/*.o 2>/dev/null | sed -nE 's/^[0-9a-f]+ [A-Z] //p' | sort -u
}

check_calls() {
	if [ -z "$(undefined "$1")" ] || [ -z "$(defined "$2")" ]; then
		fail "boundary: $1 calls nothing of $2" "no object files of $1 or $2 in $out/obj"
		return
	fi
	said=$(undefined "$1" | grep -xF "$(defined "$2")" | grep -vxE "$3")
	verdict "boundary: $1 calls nothing of $2${4:+ but $4}" "$said"
}

for folder in base mbox session priv ctl main; do
	check_includes "$folder"
done
for folder in base mbox session priv; do
	check_symbols "$folder"
done
for above in mbox session priv; do
	check_calls base "$above" ''
done
check_calls mbox session ''
check_calls mbox priv ''
check_calls session priv ''
check_calls priv mbox ''
check_calls priv session 'session_(serve|recover|prove|try)' \
	'session_serve, session_recover, session_prove, session_try'
plan
