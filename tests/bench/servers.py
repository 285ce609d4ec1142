"""The servers that are measured: Poplar here, the peers in peers.py.

A server listens on loopback, knows the users bench0, bench1 ... with the
password "secret", and takes mailboxes into their maildrops.
"""
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import harness  # noqa: E402

USERS = 64


def copy_synced(source, target):
    """A copy in a new file that the disk has, so that nobody pays for it."""
    pathlib.Path(target).unlink(missing_ok=True)
    subprocess.run(["cp", "--sparse=never", source, target], check=True)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


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
    mail = None             # folder of the maildrops
    users = USERS

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
        for n in range(self.users):
            self.path(f"bench{n}").unlink(missing_ok=True)
            self.forget(f"bench{n}")

    def pids(self):
        return set()


class Poplar(Server):
    name = "Poplar"

    def __init__(self, certificate, users=USERS):
        self.users = users
        self.tls_port = harness.free_port()
        self.daemon = harness.Daemon(
            users={f"bench{n}": "{PLAIN}secret" for n in range(users)},
            options={"session.max": 2000, "session.max_per_address": 2000,
                     "listen.pop3s": f"127.0.0.1:{self.tls_port}", "tls.certificate": certificate,
                     "tls.private_key": certificate},
            privileged=os.geteuid() == 0, start=False)
        # a certificate is read as the caller, who may not be the daemon
        self.daemon.start()
        self.port, self.mail = self.daemon.port, self.daemon.mail

    def give(self, path, user):
        self.daemon.give(path)

    def pids(self):
        return descendants(self.daemon.process.pid)

    def stop(self):
        self.daemon.stop(check=False)
        self.daemon.remove()


class Loop(Server):
    """The reference loop, which serves one file to everybody (loop.c)."""

    name = "loop"

    def __init__(self, tool, source):
        self.process = subprocess.Popen([tool, "serve", source], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
