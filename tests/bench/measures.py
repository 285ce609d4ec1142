"""What is measured of each server, and of the reference loops.

A measure takes the run and a server and returns figures by key; table.py
says what they mean. Times are in ms, rates in units a second, memory in kB.
Every RETR is compared octet by octet (its hash) with what the maker of the
mailbox expects; run.note() keeps what differed and the client's CPU share.
"""
import time

from servers import copied, pss_kb
from tools import (MEGABYTE, Idle, MeasureError, crowd, mailbox, median, sums_of, tool, visit,
                   whole_sums)


class Run:
    """How long and how large; and what was noticed on the way."""

    def __init__(self, quick, say):
        self.quick, self.say = quick, say
        self.tries, self.patience = 3, 2 if quick else 60
        self.seconds = 1 if quick else 4
        self.clients = 8
        self.huge = (20_000, 200 * MEGABYTE) if quick else (100_000, 1000 * MEGABYTE)
        self.sizes = (10, 100) if quick else (10, 100, 1000)
        self.idle = 32
        self.wrong, self.cpu = {}, {}

    def note(self, server, key, step):
        if step.get("wrong"):
            self.wrong[f"{server.name}: {key}"] = [step["wrong"], step["count"]]
        self.cpu[f"{server.name}: {key}"] = step["cpu"]
        return step

    def repeat(self, measure):
        """Medians, figure by figure, of dicts; fewer where one takes long."""
        results, begin = [], time.monotonic()
        while len(results) < self.tries and (
                not results or time.monotonic() - begin < self.patience):
            results.append(measure())
        return {key: median([r[key] for r in results]) for key in results[0]}


def rate(step):
    return step["octets"] / step["ms"] / 1000


# sessions

def sessions(run, server, tls=False):
    small = mailbox(10, 50_000)
    for n in range(run.clients):
        server.place(small, f"bench{n}")
    crowd(server, run.clients, 0.3, tls)
    key = "tls_sessions" if tls else "sessions"

    def once():
        result = crowd(server, run.clients, run.seconds, tls)
        run.note(server, key, result)
        if result["failed"] > result["sessions"] / 100:
            raise MeasureError(f"{result['failed']} of {result['sessions']} sessions failed")
        return {key: result["rate"]}
    return run.repeat(once)


def tls_sessions(run, server):
    if server.tls_port is None:
        raise MeasureError("no TLS")
    return sessions(run, server, tls=True)


def loop_rate(run, loop, key, tls=False):
    def once():
        result = crowd(loop, run.clients, run.seconds, tls=tls)
        return {key: run.note(loop, key, result)["rate"]}
    return run.repeat(once)


def by_processes(run, loop, key, tls=False):
    """Two and three processes a session that do the least: what forking costs."""
    figures = {}
    for count in (2, 3):
        server = loop.by_processes(count, tls=tls)
        try:
            figures.update(loop_rate(run, server, f"{key}_{count}", tls=tls))
        finally:
            server.stop()
    return figures


def loop_sessions(run, loop):
    return {**loop_rate(run, loop, "loop_sessions"), **by_processes(run, loop, "loop_processes")}


def loop_tls_sessions(run, loop):
    return by_processes(run, loop, "loop_tls", tls=True)


# logins

def first_login(run, server):
    """A maildrop that the server has never seen, in the page cache."""
    source = mailbox(*run.huge)

    def once():
        server.place(source)
        time.sleep(0.1)
        return {"first": visit(server)["login"]["ms"]}
    return run.repeat(once)


def loop_read(run, _):
    source = mailbox(*run.huge)
    tool("loop", "read", source)
    return run.repeat(lambda: {"loop_read": tool("loop", "read", source)["ms"]})


def later_login(run, server):
    """The same maildrop again, unchanged; then LIST and UIDL."""
    source = mailbox(*run.huge)

    def once():
        steps = visit(server, "list", "uidl", sums=sums_of(source))
        run.note(server, "list", steps["list"])
        return {"login": steps["login"]["ms"], "list": steps["list"]["ms"],
                "uidl": steps["uidl"]["ms"]}
    path = server.path()
    if not path.exists() or path.stat().st_size != source.stat().st_size:
        server.place(source)
    visit(server)
    return run.repeat(once)


def new_mail_login(run, server):
    """100 messages more than last time."""
    first = run.huge[0] + 1
    new = mailbox(100, 100 * run.huge[1] // run.huge[0], first=first)

    def once():
        server.append(new)
        time.sleep(0.1)
        return {"new100": visit(server)["login"]["ms"]}
    return run.repeat(once)


def small_login(run, server):
    source = mailbox(1000, 10 * MEGABYTE)
    server.place(source)
    visit(server)
    time.sleep(0.1)
    return run.repeat(lambda: {"login_10m": visit(server)["login"]["ms"]})


# fetching

def fetching(run, server, source, keys, tls=False):
    """keys: figure to step; every octet is compared."""
    server.place(source)
    visit(server, tls=tls)
    # where a reply waits 40 ms for an acknowledgement, some hundred will do
    few = server.few and (20 if run.quick else server.few)
    keys = {key: step if step == "retr:16" or not few else f"{step}:{few}"
            for key, step in keys.items()}
    steps = list(keys.values())

    def once():
        result = visit(server, *steps, sums=sums_of(source), tls=tls)
        for key, step in keys.items():
            run.note(server, key, result[step])
        return {key: result[step]["count"] / result[step]["ms"] * 1000 if step.startswith("top")
                else rate(result[step]) for key, step in keys.items()}
    return run.repeat(once)


def retr(run, server):
    return fetching(run, server, mailbox(2000, 100 * MEGABYTE),
                    {"retr16": "retr:16", "retr1": "retr:1"})


def retr_small(run, server):
    return fetching(run, server, mailbox(10_000, 100 * MEGABYTE),
                    {"retr_small": "retr:16", "top1": "top:1", "top16": "top:16"})


def retr_large(run, server):
    return fetching(run, server, mailbox(4, 200 * MEGABYTE), {"retr_large": "retr:1"})


def tls_retr(run, server):
    if server.tls_port is None:
        raise MeasureError("no TLS")
    return fetching(run, server, mailbox(2000, 100 * MEGABYTE), {"tls_retr": "retr:16"}, tls=True)


def loop_retr(run, loop):
    """The loop serves the file of retr() as one message."""
    sums = whole_sums(mailbox(2000, 100 * MEGABYTE))

    def once():
        result = visit(loop, "retr:1", sums=sums)
        return {"loop_retr": rate(run.note(loop, "retr", result["retr:1"]))}
    return run.repeat(once)


# deleting

def quits(run, server):
    """QUIT after DELE 1, and after the deletion of all of 100 MB."""
    figures = {}
    for megabytes in run.sizes:
        source = mailbox(megabytes * 100, megabytes * MEGABYTE)

        def once(source=source, megabytes=megabytes):
            server.place(source)
            visit(server)
            return {f"quit_{megabytes}m": visit(server, "dele:1")["quit"]["ms"]}
        figures.update(run.repeat(once))
    return figures


def delete_all(run, server):
    def once():
        server.place(mailbox(2000, 100 * MEGABYTE))
        visit(server)
        return {"delete_all": visit(server, "deleall")["quit"]["ms"]}
    return run.repeat(once)


def loop_rewrite(run, _):
    figures = {}
    for megabytes in run.sizes:
        source = mailbox(megabytes * 100, megabytes * MEGABYTE)

        def once(source=source, megabytes=megabytes):
            with copied(source) as path:
                ms = tool("loop", "rewrite", path, 10_000)["ms"]
            return {f"loop_rewrite_{megabytes}m": ms}
        figures.update(run.repeat(once))
    return figures


def loop_truncate(run, _):
    def once():
        with copied(mailbox(2000, 100 * MEGABYTE)) as path:
            return {"loop_truncate": tool("loop", "truncate", path)["ms"]}
    return run.repeat(once)


# memory

def idle_kb(server, count, state, tls=False):
    """Proportional memory of all processes of the server, a session."""
    before = pss_kb(server.pids())
    with Idle(server, count, state, tls):
        time.sleep(0.3)
        return (pss_kb(server.pids()) - before) / count


def memory(run, server):
    small = mailbox(10, 50_000)
    for n in range(run.idle):
        server.place(small, f"bench{n}")
    figures = {"memory_out": idle_kb(server, run.idle, "out"),
               "memory_in": idle_kb(server, run.idle, "in")}
    if server.tls_port is not None:
        figures["memory_tls"] = idle_kb(server, run.idle, "in", tls=True)
    server.empty()
    return figures


# what the peers do in --quick: the rest takes minutes
QUICK_FOR_PEERS = (sessions, memory, small_login, retr, delete_all)

# in the order of the table; the loop beside the servers that it is compared with
MEASURES = (
    (loop_sessions, sessions),
    (loop_tls_sessions, tls_sessions),
    (None, memory),
    (None, small_login),
    (loop_retr, retr),
    (None, retr_small),
    (None, retr_large),
    (None, tls_retr),
    (loop_read, first_login),
    (None, later_login),
    (None, new_mail_login),
    (loop_rewrite, quits),
    (loop_truncate, delete_all),
)
