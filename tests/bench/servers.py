"""The servers that are measured: Poplar here, the peers in peers.py.

A server listens on loopback, knows the users bench0, bench1 ... with the
password "secret", and takes mailboxes into their maildrops.
"""
import contextlib
import copy
import os
import pathlib
import shutil
import subprocess
import tempfile

import harness

USERS = 64
# the users' uids; where there are peers these are users of the system too
FIRST_UID = 61000


def copy_synced(source, target):
    """A copy in a new file that the disk has, so that nobody pays for it."""
    pathlib.Path(target).unlink(missing_ok=True)
    subprocess.run(["cp", "--sparse=never", source, target], check=True)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


@contextlib.contextmanager
def copied(source):
    """Such a copy for a loop, where Poplar's maildrops are."""
    with tempfile.TemporaryDirectory(prefix="poplar-bench-") as folder:
        path = pathlib.Path(folder) / "maildrop"
        copy_synced(source, path)
        yield path


def descendants(pid):
    """A process and all that descends from it."""
    parents = {p: int(stat[1]) for p in harness.all_pids() if (stat := harness.proc_stat(p))}
    found, fresh = set(), {pid}
    while fresh:
        found |= fresh
        fresh = {p for p, parent in parents.items() if parent in fresh} - found
    return found


def pss_kb(pids):
    """Proportional set size of processes, in kB."""
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total


class Server:
    """What every server has in common; maildrops are files of one folder."""

    tls_port = None
    mail = None     # folder of the maildrops
    few = None      # messages that are enough to measure a slow server with
    only = None     # all that is asked of it; None: everything

    def path(self, user="bench0"):
        return self.mail / user

    def give(self, path, user):
        """Makes a file the user's."""

    def forget(self, user):
        """Removes what the server remembers of a maildrop."""

    def place(self, source, user="bench0"):
        """A maildrop that the server never saw."""
        copy_synced(source, self.path(user))
        self.give(self.path(user), user)
        self.forget(user)

    def append(self, source, user="bench0"):
        with open(source, "rb") as new, open(self.path(user), "ab") as old:
            shutil.copyfileobj(new, old)

    def empty(self):
        for n in range(USERS):
            self.path(f"bench{n}").unlink(missing_ok=True)
            self.forget(f"bench{n}")

    def pids(self):
        return set()

    def asked(self, name):
        """Whether a measure or a plot is for this server."""
        return self.only is None or name in self.only


class Poplar(Server):
    name = "Poplar"

    def __init__(self, certificate):
        self.tls_port = harness.free_port()
        as_root = os.geteuid() == 0
        # the same hash as the peers': the cheapest that crypt(3) has
        credential = harness.crypted("secret", "pb")
        users = {f"bench{n}": {"credential": credential} for n in range(USERS)}
        if as_root:
            for n, user in enumerate(users.values()):
                user["uid"] = user["gid"] = FIRST_UID + n
        self.daemon = harness.Daemon(
            users=users, privileged=as_root,
            options={"session.max": 2000, "session.max_per_address": 2000,
                     "listen.pop3s": f"127.0.0.1:{self.tls_port}", "tls.certificate": certificate,
                     "tls.private_key": certificate})
        self.port, self.mail = self.daemon.port, self.daemon.mail

    def give(self, path, user):
        os.chmod(path, 0o600)
        if os.geteuid() == 0:
            number = FIRST_UID + int(user.removeprefix("bench"))
            os.chown(path, number, number)

    def pids(self):
        return descendants(self.daemon.process.pid)

    def stop(self):
        self.daemon.stop(check=False)
        self.daemon.remove()


def libraries():
    """Those that poplard is linked with, for LD_PRELOAD."""
    lines = subprocess.run(["ldd", harness.BUILD / "poplard"], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    return " ".join(line.split()[2] for line in lines if "=> /" in line)


class Loop(Server):
    """The reference loop, which serves one file to everybody (loop.c)."""

    name = "loop"

    def __init__(self, tool, source, certificate):
        self.tool, self.source, self.certificate = tool, source, certificate
        self.start(tool, "serve", source)

    def start(self, *command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        self.port = int(self.process.stdout.readline())

    def by_processes(self, count, *, tls=False):
        """The same by so many processes a connection, with Poplar's libraries."""
        command = [f"{self.tool}_tls", str(count), self.certificate] if tls else \
                  [self.tool, "processes", str(count), self.source]
        loop = copy.copy(self)
        loop.start(*command, environment={**os.environ, "LD_PRELOAD": libraries()})
        loop.tls_port = loop.port if tls else None
        return loop

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
