"""What Poplar costs, in a handful of figures (make bench).

A daemon of its own on loopback, as root where the caller is, and clients in
Python in other processes, which cost more than the server: the figures are
what was reached, not what is possible. Compare them between two builds on one
machine, never between machines. Arguments pick by parts of names.
"""
import multiprocessing
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import harness  # noqa: E402
import oracle  # noqa: E402

AT_ONCE = 8
MEGABYTE = 1 << 20


def say(name, value, unit):
    print(f"{name:<44} {value:>10.1f} {unit}", flush=True)


def big_mbox(path, messages, size):
    """So many messages of so many octets; no two are the same."""
    with open(path, "wb") as file:
        for number in range(messages):
            file.write(oracle.mbox_of(oracle.message_of(size, b"%d" % number)))


def start(users, options=None):
    defaults = {"session.max": 2000, "session.max_per_address": 2000}
    return harness.Daemon(users={name: "{PLAIN}secret" for name in users},
                          options={**defaults, **(options or {})},
                          privileged=os.geteuid() == 0)


def visits(port, user, seconds, result):
    """Whole sessions, one after the other."""
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        with harness.Client(port) as client:
            client.login(user, "secret")
            client.send(b"STAT\r\nQUIT\r\n")
            client.status()
            client.status()
        count += 1
    result.put(count)


def bench_sessions():
    """Login, STAT, QUIT with a maildrop of 50 kB, 8 clients at once."""
    users = [f"user{n}" for n in range(AT_ONCE)]
    daemon = start(users)
    try:
        for user in users:
            big_mbox(daemon.path(user), 10, 5000)
            daemon.give(daemon.path(user))
        result = multiprocessing.Queue()
        seconds = 5
        clients = [multiprocessing.Process(target=visits, args=(daemon.port, u, seconds, result))
                   for u in users]
        for client in clients:
            client.start()
        total = sum(result.get() for _ in clients)
        for client in clients:
            client.join()
        say("sessions (login, STAT, QUIT; 8 at once)", total / seconds, "/s")
    finally:
        daemon.stop()


def login_ms(daemon):
    begin = time.monotonic()
    with harness.Client(daemon.port, timeout=300) as client:
        client.login("mrose", "secret")
        took = time.monotonic() - begin
        client.send(b"QUIT\r\n")
        client.status()
    return took * 1000


def drain(client, octets):
    """Reads until the final dot; looks at nothing."""
    tail, got = client.buffer[-5:], len(client.buffer)
    client.buffer = b""
    while not tail.endswith(b"\r\n.\r\n"):
        data = client.sock.recv(MEGABYTE)
        if not data:
            raise AssertionError(f"the connection ended after {got} of {octets} octets")
        tail = (tail + data)[-5:]
        got += len(data)
    return got


def retr_rate(daemon, count):
    with harness.Client(daemon.port, timeout=300) as client:
        client.login("mrose", "secret")
        begin = time.monotonic()
        octets = 0
        for number in range(1, count + 1):
            client.send(b"RETR %d\r\n" % number)
            octets += drain(client, 0)
        took = time.monotonic() - begin
        client.send(b"QUIT\r\n")
        client.status()
    return octets / took / MEGABYTE


def bench_login():
    """A maildrop of 100 MB and 20,000 messages: first login, later ones, new mail."""
    daemon = start(["mrose"])
    try:
        big_mbox(daemon.path(), 20000, 5000)
        daemon.give(daemon.path())
        say("first login, 100 MB, 20,000 messages", login_ms(daemon), "ms")
        say("later logins (median of 20)",
            statistics.median(login_ms(daemon) for _ in range(20)), "ms")
        daemon.append(oracle.mbox_of(oracle.message_of(5000, b"new")))
        say("login with one new message", login_ms(daemon), "ms")
    finally:
        daemon.stop()


def bench_retr():
    """Throughput of one connection."""
    for name, count, size in (("small messages, 5 kB", 4000, 5000),
                              ("large messages, 20 MB", 10, 20 * MEGABYTE)):
        daemon = start(["mrose"])
        try:
            big_mbox(daemon.path(), count, size)
            daemon.give(daemon.path())
            login_ms(daemon)
            say(f"RETR, {name}", retr_rate(daemon, count), "MB/s")
        finally:
            daemon.stop()


def bench_update():
    """QUIT after DELE 1 of a maildrop of 100 MB: all behind it moves, synced."""
    daemon = start(["mrose"])
    try:
        big_mbox(daemon.path(), 20000, 5000)
        daemon.give(daemon.path())
        login_ms(daemon)
        with harness.Client(daemon.port, timeout=300) as client:
            client.login("mrose", "secret")
            client.send(b"DELE 1\r\n")
            client.status()
            begin = time.monotonic()
            client.send(b"QUIT\r\n")
            client.status()
            say("QUIT after DELE 1, 100 MB", (time.monotonic() - begin) * 1000, "ms")
    finally:
        daemon.stop()


def main():
    for name, bench in list(globals().items()):
        if name.startswith("bench_") and (
                not sys.argv[1:] or any(word in name for word in sys.argv[1:])):
            bench()


if __name__ == "__main__":
    main()
