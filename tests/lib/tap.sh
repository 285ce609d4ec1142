# shellcheck shell=sh
# For tests that are shell scripts: source this, call pass, fail or skip for
# each verdict and plan at the end.
tap_count=0
tap_failed=0

pass() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

# fail NAME TEXT: the text says why
fail() {
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	printf '%s\n' "$2" | sed 's/^/# /'
	echo "not ok $tap_count - $1"
}

skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# verdict NAME TEXT: passes where the text is empty
verdict() {
	if [ -z "$2" ]; then pass "$1"; else fail "$1" "$2"; fi
}

plan() {
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ]
	exit
}
