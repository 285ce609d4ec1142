"""The programs of the measurements (mkmbox, load, loop) and what they make.

Mailboxes are made once and kept in build/bench/mail; results, copies and
plots are in build/bench too.
"""
import json
import pathlib
import shutil
import statistics
import struct
import subprocess

import harness

WORK = harness.ROOT / "build" / "bench"
MAIL = WORK / "mail"
# where the peers' maildrops are, and with --dir all others too
place = WORK
BIN = harness.BUILD / "bench"

MEGABYTE = 1_000_000


def tool(name, *arguments, timeout=600):
    """Runs a program that prints JSON."""
    done = subprocess.run([BIN / name, *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout)
    if done.returncode != 0:
        raise MeasureError(done.stderr.strip())
    return json.loads(done.stdout) if done.stdout else None


class MeasureError(Exception):
    """A server did not do what was asked; the text says what it said."""


def sums_of(path):
    return pathlib.Path(f"{path}.sums")


def mailbox(messages, octets, kind="fixed", first=1):
    """A made mailbox of so many messages, octets in all."""
    path = MAIL / f"{kind}-{messages}-{octets}-{first}"
    if not path.exists() or not sums_of(path).exists():
        MAIL.mkdir(parents=True, exist_ok=True)
        tool("mkmbox", "-d", kind, "-f", first, messages, octets, MAIL / "new")
        MAIL.joinpath("new.sums").rename(sums_of(path))
        MAIL.joinpath("new").rename(path)
    return path


def whole_sums(path):
    """Sums for a server that sends the whole file as message 1."""
    whole = pathlib.Path(f"{path}.whole")
    first = sums_of(path).read_bytes()[:struct.calcsize("QQ")]
    whole.write_bytes(first + first)
    return whole


def free_octets():
    place.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(place).free


def visit(server, *steps, sums=None, user="bench0", tls=False, timeout=600):
    """One session; the figures of each step."""
    arguments = ["-p", server.tls_port if tls else server.port, "-u", user, "visit"]
    if sums is not None:
        arguments += ["-s", sums]
    return tool("load", *(["-t"] if tls else []), *arguments, *steps, timeout=timeout)


def crowd(server, clients, seconds, tls=False):
    return tool("load", *(["-t"] if tls else []), "-p", server.tls_port if tls else server.port,
                "-u", "bench", "crowd", clients, seconds)


def median(values):
    return statistics.median(values)


class Idle:
    """Connections that are held open, logged in or not."""

    def __init__(self, server, count, state, tls=False):
        command = [BIN / "load", *(["-t"] if tls else []),
                   "-p", server.tls_port if tls else server.port,
                   "-u", "bench", "idle", count, state]
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise MeasureError(self.process.stderr.read().strip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        self.process.stderr.close()
