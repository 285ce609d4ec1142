#!/bin/sh
# Poplar from nothing to fetched mail, in one command:
#
#     sh contrib/demo.sh [--once]
#
# installs what is missing (as root, by apt-get), builds, makes a maildrop of
# sample mail, starts poplard without privilege on 127.0.0.1, fetches the mail
# with curl and Python's poplib, and compares every octet with what RFC 1725
# says must come. Then the server stays in the foreground until interrupted;
# with --once it is stopped, and the exit status is 0 only if all was exact.
#
# DEMO_PORT names another port than 1110, TMPDIR another place than /tmp.

set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.."

packages='gcc libc6-dev make pkg-config libbsd-dev libmd-dev libssl-dev libcrypt-dev
    libpam0g-dev libseccomp-dev libxxhash-dev curl'
port=${DEMO_PORT:-1110}
uid=$(id -u)
gid=$(id -g)
work=
server=
follower=

say() {
    printf '\n== %s\n' "$*"
}

die() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

clean_up() {
    status=$?
    trap - EXIT
    trap '' INT TERM HUP
    [ -z "$follower" ] || kill "$follower" 2>/dev/null || :
    [ -z "$server" ] || kill "$server" 2>/dev/null || :
    [ -z "$server" ] || wait "$server" 2>/dev/null || :
    [ -z "$work" ] || rm -rf "$work"
    exit "$status"
}

install_missing() {
    command -v dpkg-query >/dev/null || return 0
    missing=
    for package in $packages; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null |
            grep -q ' installed$' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    [ "$(id -u)" -eq 0 ] || die "please install as root: apt-get install$missing"
    say "Installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # shellcheck disable=SC2086
    apt-get install -q -y --no-install-recommends $missing
}

# Whether something listens on the port, on loopback or on every address.
port_is_open() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v "port=$(printf '%04X' "$port")" '
        $4 == "0A" && ($2 == "0100007F:" port || $2 ~ "^0+:" port "$") { found = 1 }
        END { exit !found }'
}

# ---- the sample mail

# message SUBJECT: a From_ line and a header; the body is for the caller
message() {
    count=$((count + 1))
    printf 'From ann@example.org Mon Nov  6 10:%02d:00 2023\n' "$count"
    printf 'From: Ann <ann@example.org>\nTo: demo@localhost\nSubject: %s\n' "$1"
    printf 'Message-ID: <%d@example.org>\n' "$count"
}

sample_mail() {
    count=0
    message 'A plain letter'
    printf '\nHello,\n\nthis is Poplar.\n\n'
    message 'Lines that begin with a dot'
    printf '\n.\n..\n.hidden\n...\nthe end.\n.\n\n'
    message 'From_ lines, quoted and not'
    printf '\n>From the start it was quoted.\nFrom here no empty line is before.\n'
    printf '\nFrom a line without a date no message starts.\n\n'
    message 'Eight bits'
    printf '\nGr\303\274\303\237e, na\357ve, \377\376\200.\n\n'
    message 'Nothing but a header'
    printf '\n'
    message 'An empty body'
    printf '\n\n'
    message 'Lines that end in CRLF'
    printf '\r\nThe first,\r\nthe second,\r\n\r\n.the fourth.\r\n\n'
    message 'A CR in the middle of a line'
    printf '\nbefore\rafter\ntwo\r\r\n\n'
    message 'A line of 60000 octets'
    printf '\n'
    awk 'BEGIN { for (i = 0; i < 6000; i++) printf "%s", "0123456789"; print "" }'
    printf '\n'
    message 'Empty lines'
    printf '\n\n\n\nbetween\n\n\n\n'
    message 'An attachment'
    printf 'Content-Transfer-Encoding: base64\n\n'
    awk 'BEGIN { for (i = 0; i < 8000; i++)
        print "UG9wbGFyIHNlcnZlcyBtYm94IG1haWxkcm9wcyB0byBtYWlsIGNsaWVudHMu" }'
    printf '\n'
    message 'No line end at the end'
    printf '\nThe file stops here.'
}

# What must come over the wire: each line ended by CRLF, however it is stored;
# the empty line before a From_ line is no part of a message; a message with
# no empty line after its header gets one. One file a message in folder $2.
expect_from() {
    awk -v "folder=$2" '
        function finish() {
            if (!number)
                return
            if (in_header)
                print "" >file
            close(file)
        }
        BEGIN { ORS = "\r\n"; empty = 1 }
        empty && /^From .* [0-9][0-9]:[0-9][0-9]:[0-9][0-9] [0-9][0-9][0-9][0-9]$/ {
            finish()
            file = folder "/" ++number
            in_header = 1
            empty = 0
            next
        }
        {
            if (empty) {
                print "" >file
                in_header = 0
            }
            sub(/\r$/, "")
            empty = $0 == ""
            if (!empty)
                print >file
        }
        END { finish() }' "$1"
}

# ---- the server

# As root: to a uid that needs no account, and that reaches nothing but $work.
unprivileged() {
    if [ "$uid" -eq "$(id -u)" ]; then
        exec "$@"
    fi
    exec setpriv --reuid "$uid" --regid "$gid" --clear-groups --no-new-privs "$@"
}

prepare() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/poplar-demo.XXXXXX")
    chmod 755 "$work"
    if [ "$uid" -eq 0 ]; then
        uid=60110
        gid=60110
    fi
    cp build/poplard "$work"
    mkdir "$work/mail" "$work/state" "$work/run" "$work/expected" "$work/curl" "$work/poplib"
    password=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
    (
        umask 077
        printf 'demo:{PLAIN}%s:%s:%s:Demo:/nonexistent:%s\n' "$password" "$uid" "$gid" \
            "$work/mail/demo" >"$work/users"
        sample_mail >"$work/mail/demo"
        printf 'user = "demo:%s"\n' "$password" >"$work/curlrc"
    )
    cat >"$work/poplar.conf" <<CONF
[listen]
pop3 = 127.0.0.1:$port
[server]
hostname = localhost
state_dir = $work/state
run_dir = $work/run
[auth]
backends = users
users_file = $work/users
cleartext = always
first_uid = 1
[maildrop]
path = $work/mail/%u
CONF
    chmod 700 "$work/mail" "$work/state"
    chown -R "$uid:$gid" "$work/mail" "$work/state" "$work/run" "$work/users"
    expect_from "$work/mail/demo" "$work/expected"
}

start() {
    if port_is_open; then
        die "port $port of 127.0.0.1 is taken; choose another: DEMO_PORT=11110 sh contrib/demo.sh"
    fi
    (unprivileged "$work/poplard" -F -c "$work/poplar.conf") 2>"$work/log" &
    server=$!
    tries=0
    until port_is_open; do
        if ! kill -0 "$server" 2>/dev/null || [ "$tries" -ge 100 ]; then
            cat "$work/log" >&2
            die 'poplard does not start'
        fi
        tries=$((tries + 1))
        sleep 0.1
    done
}

# ---- the clients

fetch_by_curl() {
    set -- --silent --show-error --verbose --max-time 60 --config "$work/curlrc" \
        "pop3://127.0.0.1:$port/" --output "$work/listing"
    number=0
    while [ "$number" -lt "$messages" ]; do
        number=$((number + 1))
        set -- "$@" "pop3://127.0.0.1:$port/$number" --output "$work/curl/$number"
    done
    curl "$@" 2>"$work/session" || {
        cat "$work/session" "$work/log" >&2
        die 'curl failed'
    }
}

fetch_by_poplib() {
    python3 - "$port" "$password" "$work/poplib" <<'PYTHON'
import poplib, sys
port, password, folder = sys.argv[1:]
poplib._MAXLINE = 1 << 20  # its limit of 2048 octets a line is its own
box = poplib.POP3("127.0.0.1", int(port), timeout=60)
box.user("demo")
box.pass_(password)
count, octets = box.stat()
total = 0
for number in range(1, count + 1):
    _, lines, _ = box.retr(number)
    text = b"".join(line + b"\r\n" for line in lines)
    total += len(text)
    with open(f"{folder}/{number}", "wb") as out:
        out.write(text)
box.quit()
if octets != total:
    sys.exit(f"STAT says {octets} octets, {total} came")
PYTHON
}

# compare FOLDER: what a client fetched with what must come
compare() {
    wrong=0
    number=0
    while [ "$number" -lt "$messages" ]; do
        number=$((number + 1))
        if ! cmp "$work/expected/$number" "$work/$1/$number"; then
            wrong=$((wrong + 1))
        fi
    done
    printf '%-7s fetched %d messages, %d of them wrong\n' "$1" "$messages" "$wrong"
    [ "$wrong" -eq 0 ] || exact=no
}

# LIST's sizes are those of what must come, octet by octet.
compare_sizes() {
    number=0
    while [ "$number" -lt "$messages" ]; do
        number=$((number + 1))
        printf '%d %d\r\n' "$number" "$(wc -c <"$work/expected/$number")"
    done >"$work/sizes"
    if cmp "$work/sizes" "$work/listing"; then
        printf '%-7s gives %d sizes, 0 of them wrong\n' LIST "$messages"
    else
        exact=no
    fi
}

show() {
    say "The session, as curl saw it (${messages} messages)"
    sed -n 's/^\([<>] [^\r]*\)\r*$/    \1/p' "$work/session" |
        sed "s/$password/********/" | cut -c 1-100
    say 'Sizes (number, octets, subject)'
    number=0
    while [ "$number" -lt "$messages" ]; do
        number=$((number + 1))
        printf '    %2d %7d  %s\n' "$number" "$(wc -c <"$work/expected/$number")" \
            "$(tr -d '\r' <"$work/expected/$number" | sed -n 's/^Subject: //p;/^$/q')"
    done
    say 'What poplard logged'
    sed 's/^/    /' "$work/log"
}

stay() {
    cat <<TEXT

poplard (process $server) serves 127.0.0.1:$port until you press Ctrl-C. Try
    curl pop3://127.0.0.1:$port/1 --user demo:$password
    curl pop3://127.0.0.1:$port/ --user demo:$password --request UIDL
Its configuration, users, mail and log are in $work; new log lines follow.

TEXT
    trap 'exit 0' INT TERM
    tail -n 0 -f "$work/log" &
    follower=$!
    wait "$server" || die 'poplard has ended'
}

case "${1-}" in
'' | --once) ;;
*) die 'usage: sh contrib/demo.sh [--once]' ;;
esac
case $port in
'' | *[!0-9]*) die 'DEMO_PORT is not a number' ;;
esac

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
install_missing
say 'Building'
make -s
prepare
messages=$(find "$work/expected" -type f | wc -l)
start
fetch_by_curl
if command -v python3 >/dev/null; then
    fetch_by_poplib
fi
show
say 'Compared with the mbox, octet by octet'
exact=yes
compare_sizes
compare curl
if command -v python3 >/dev/null; then
    compare poplib
fi
[ "$exact" = yes ] || die 'not exact'
[ "${1-}" = --once ] || stay
