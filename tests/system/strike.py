"""Strikes at system calls of a running daemon, with the tool strike.c, and
tells what must be true of a maildrop after an UPDATE that was struck.
"""
import os
import random
import re
import subprocess

import harness
import oracle
from client import ProtocolError
from harness import wait_until

TOOL = harness.BUILD / "tools" / "strike"
UNKNOWN_MACHINE = 77

KILL = ("-k",)
WATCH = ()

# the calls by which a maildrop, a journal and an index are read and changed
DISK_CALLS = ("pread64", "pwrite64", "fsync", "fdatasync", "ftruncate", "fallocate",
              "fstatfs", "statx")


def failing(error):
    return ("-f", str(error))


def shortening(octets):
    return ("-s", str(octets))


class Strike:
    """The tool at work on one process. It counts from its next command on."""

    def __init__(self, pid, action, first=1, calls=(), victims=(), every=0, verbose=False):
        options = [*action, "-n", str(first)]
        if calls:
            options += ["-e", ",".join(calls)]
        if every:
            options += ["-g", "-i", str(every)]
        if verbose:
            options.append("-v")
        self._start([*options, str(pid), *map(str, victims)])

    def _start(self, arguments):
        self.process = subprocess.Popen([TOOL, *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(f"cannot watch {arguments}")

    @classmethod
    def of_command(cls, first, calls, command):
        """Kills a command and all it forks at a call, counted from its start."""
        strike = cls.__new__(cls)
        strike._start(["-xak", "-n", str(first), "-e", ",".join(calls), *map(str, command)])
        return strike

    def finish(self):
        """Waits until the process is gone. Sets what is known then."""
        said, _ = self.process.communicate(timeout=60)
        self.process.stdout.close()
        self.calls = re.findall(r"(?m)^call (\w+)$", said)
        hit = re.search(r"(?m)^hit (\w+)$", said)
        self.hit = hit.group(1) if hit else None
        end = re.search(r"(?m)^end (\d+) (\d+)$", said)
        if end is None:
            raise AssertionError(f"strike ended with {self.process.returncode}: {said}")
        self.count, self.written = int(end.group(1)), int(end.group(2))
        return self


def message(number, size, rng=None):
    """A message with a number and a content of its own."""
    rng = rng or random.Random(number)
    lines = [b"Subject: number %d" % number, b"Message-ID: <%d@example.org>" % number, b""]
    left = size - sum(map(len, lines)) - len(lines)
    while left > 0:
        lines.append(b"%016x " % rng.getrandbits(64) * 4)
        left -= len(lines[-1]) + 1
    return b"\n".join(lines) + b"\n"


def mbox(sizes, first=1):
    return oracle.mbox_of(*(message(first + n, size) for n, size in enumerate(sizes)))


class Update:
    """A maildrop, the message-numbers that a session deletes from it, and the
    mail that comes meanwhile."""

    def __init__(self, mail, numbers, arrival=b""):
        self.mail, self.numbers, self.arrival = mail, set(numbers), arrival
        self.old = mail + arrival
        self.new = oracle.without(mail, self.numbers) + arrival
        self.uids = {}

    def begin(self, server, fresh=True):
        """Puts the mail there and a session up to QUIT, the only one. Returns
        its client."""
        server.wait_idle()
        if fresh:
            server.put(self.mail)
        client = server.logged_in()
        self.uids = client.uidl()
        for number in self.numbers:
            client.ok(f"DELE {number}")
        if self.arrival:
            server.append(self.arrival)
        return client

    def outcome(self, case, data, said="", more=b""):
        """"old" or "new", and "new" if the client was told so; never else.
        more: what was delivered since."""
        for name, expected in (("new", self.new), ("old", self.old)):
            if data == expected + more:
                if name == "old" and said.startswith("+OK"):
                    case.fail(f"the client saw {said}, the maildrop is the old one")
                return name
        return case.assert_octets(data, self.new + more, "neither old nor new")

    def check_session(self, case, server, outcome):
        """The next login works at once, and what stays has the id it had."""
        expected = [uid for number, uid in self.uids.items()
                    if outcome == "old" or number not in self.numbers]
        with server.logged_in() as client:
            case.assertEqual(list(client.uidl().values())[:len(expected)], expected)
            client.quit()


def quit_reply(client):
    """Sends QUIT; the reply, "" where none came."""
    client.send_line("QUIT")
    return last_reply(client)


def last_reply(client):
    try:
        return client.status()
    except (ProtocolError, OSError):
        return ""
    finally:
        client.close()


def leftovers(server):
    """What an UPDATE leaves for a moment, and recovery takes away: the dotlock
    and a journal."""
    left = [name for name in os.listdir(server.mail) if name.endswith(".lock")]
    for folder in server.state_dir.iterdir():
        journal = folder / "journal"
        if journal.exists() and journal.stat().st_size > 0:
            left.append(f"journal of {journal.stat().st_size} octets")
        if (folder / "conflict").exists():
            left += [f"conflict/{name}" for name in os.listdir(folder / "conflict")]
    return left


def half_made(server):
    """Dotlocks that never got their name: the next one made takes them away."""
    return [name for name in os.listdir(server.mail) if name.startswith(".poplar")]


def recover(server):
    """poplard --recover, as a boot script calls it."""
    with open(server.log_path, "ab") as log:
        return server.spawn(["--recover"], stdin=subprocess.DEVNULL, stdout=log,
                            stderr=log).wait(60)


def wait_settled(server):
    """Until no process works on a maildrop any more, and nothing is left of
    one. Between the death of a monitor and the recovery there is none."""
    def settled():
        return not leftovers(server) and not server.monitors()
    try:
        wait_until(settled)
    except AssertionError:
        raise AssertionError(f"left over: {leftovers(server)}, {server.monitors()}") from None
