"""Figures against something that grows, for the plots, and the plots.

A series takes the run, a server and a place on the x axis and returns the
figure there; a server that fails or takes too long at one place is not asked
for a greater one. gnuplot draws SVG into build/bench.
"""
import json
import shutil
import subprocess
import time

from measures import idle_kb
from tools import MEGABYTE, WORK, MeasureError, crowd, free_octets, mailbox, median, sums_of, visit

# a point that takes longer than this is the last of its server
PATIENCE = 150
MESSAGE = 10_000


def login_first(run, server, megabytes):
    """Never seen before; leaves the maildrop for login_again()."""
    octets = megabytes * MEGABYTE
    needed = 3 * octets if server.path().exists() else 2 * octets
    if free_octets() < needed + 2_000 * MEGABYTE:
        raise MeasureError("no room on the disk")
    server.place(mailbox(octets // MESSAGE, octets))
    time.sleep(0.1)
    return visit(server, timeout=PATIENCE)["login"]["ms"]


def login_again(run, server, megabytes):
    login_first(run, server, megabytes)
    return median([visit(server, timeout=PATIENCE)["login"]["ms"] for _ in range(3)])


def throughput(run, server, kilobytes):
    count = min(20_000, max(4, 100_000 // kilobytes))
    source = mailbox(count, count * kilobytes * 1000)
    server.place(source)
    visit(server)
    step = visit(server, "retr:16", sums=sums_of(source), timeout=PATIENCE)["retr:16"]
    return step["octets"] / step["ms"] / 1000


def concurrency(run, server, clients):
    for n in range(clients):
        server.place(mailbox(10, 50_000), f"bench{n}")
    crowd(server, clients, 0.2)
    return crowd(server, clients, 2)["rate"]


def memory(run, server, sessions):
    for n in range(sessions):
        server.place(mailbox(10, 50_000), f"bench{n}")
    return idle_kb(server, sessions, "in") * sessions / 1000


SERIES = (
    # name, measure, places, title, x, y
    ("login", login_again, (1, 10, 100, 1000, 10_000),
     "PASS to the reply to STAT, mailbox unchanged", "mailbox, MB", "ms"),
    ("throughput", throughput, (1, 10, 100, 1000, 10_000),
     "RETR, 16 in flight", "message, kB", "MB/s"),
    ("sessions", concurrency, (1, 2, 4, 8, 16, 32, 64),
     "USER PASS STAT QUIT", "sessions at once", "sessions/s"),
    ("memory", memory, (1, 4, 16, 64),
     "memory of idle sessions (PSS)", "sessions logged in", "MB"),
)


def points(run, server, measure, places):
    found = []
    for place in places:
        begin = time.monotonic()
        try:
            found.append((place, measure(run, server, place)))
        except (MeasureError, subprocess.TimeoutExpired) as error:
            run.say(f"{server.name}: {measure.__name__} at {place}: {str(error)[:100]}")
            break
        if time.monotonic() - begin > PATIENCE:
            break
    server.empty()
    return found


def measure_series(run, servers):
    data = {}
    for name, measure, places, *_ in SERIES:
        data[name] = {}
        for server in servers:
            if not server.asked(name):
                continue
            begin = time.monotonic()
            data[name][server.name] = points(run, server, measure, places)
            run.say(f"{time.monotonic() - begin:7.1f} s  {server.name}: {name} plot")
    (WORK / "series.json").write_text(json.dumps(data, indent=1))
    return data


def gnuplot_text(name, title, x, y, servers):
    """A script; the data stand in it. Both axes are logarithmic."""
    lines = [f"set terminal svg size 640,400 font 'sans,12'; set output '{WORK / name}.svg'",
             "set logscale xy", "set grid", "set key outside right", "set style data linespoints",
             f"set title '{title}'", f"set xlabel '{x}'", f"set ylabel '{y}'"]
    drawn = [(server, places) for server, places in servers.items() if places]
    for i, (_, places) in enumerate(drawn):
        lines += [f"$d{i} << EOD", *(f"{px} {py}" for px, py in places), "EOD"]
    lines.append("plot " + ", ".join(
        f"$d{i} title '{server}' lw {3 if server == 'Poplar' else 1}"
        for i, (server, _) in enumerate(drawn)))
    return "\n".join(lines) + "\n"


def draw(data):
    """The plots of what was measured; says where they are."""
    if not shutil.which("gnuplot"):
        print("no plots: needs gnuplot (sh tests/bench/peers.sh)")
        return
    for name, _, _, title, x, y in SERIES:
        if any(data.get(name, {}).values()):
            subprocess.run(["gnuplot"], input=gnuplot_text(name, title, x, y, data[name]),
                           text=True, check=True)
            print(f"wrote {WORK / name}.svg")
