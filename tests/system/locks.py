"""Locks as other programs hold them, and a test case that looks at ours."""
import contextlib
import fcntl
import os
import pathlib
import socket
import struct
import subprocess
import time

import harness
import oracle
from harness import wait_until

MESSAGES = [oracle.message_of(100 + 20 * n, b"%d" % n) for n in range(1, 4)]
MAIL = oracle.mbox_of(*MESSAGES)
HOST = socket.gethostname()


def flock_of(kind):
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0)


@contextlib.contextmanager
def fcntl_lock(path):
    """Another program's lock; an open file description's, so that nothing
    else this process does with the file lets it go."""
    with open(path, "r+b") as file:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, flock_of(fcntl.F_WRLCK))
        yield file


def is_locked(path):
    with open(path, "r+b") as file:
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, flock_of(fcntl.F_WRLCK))
        except BlockingIOError:
            return True
        return False


def dead_pid():
    """Of a process that was."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


class LocksCase(harness.TestCase):
    privileged = False

    def serve(self, mail=MAIL, privileged=None, **options):
        """A daemon; options are those of [maildrop]."""
        options = {f"maildrop.{key}": value for key, value in options.items()}
        return self.daemon(mail, options=options,
                           privileged=self.privileged if privileged is None else privileged)

    def lockfile(self, server):
        return pathlib.Path(f"{server.path()}.lock")

    def put_lock(self, server, text, age=0):
        """Another program's dotlock, so many seconds old."""
        path, fresh = self.lockfile(server), server.mail / "fresh"
        fresh.write_text(text)
        server.give(fresh, 0o644)
        when = time.time() - age
        os.utime(fresh, (when, when))
        wait_until(lambda: not os.path.lexists(path), what="our own dotlock to go")
        os.link(fresh, path)
        fresh.unlink()
        return path

    def names(self, server):
        return sorted(os.listdir(server.mail))

    def serves(self, server, data=MAIL, **kwargs):
        with server.logged_in(**kwargs) as client:
            self.assert_served(client, oracle.parse(data))
            client.quit()

    def deletes(self, server):
        """A session that deletes the second message."""
        with server.logged_in() as client:
            client.ok("DELE 2")
            client.quit()
        self.assertEqual(server.read(), oracle.without(MAIL, {2}))

    def refused(self, server):
        """The maildrop is locked by another program; nothing of ours is left."""
        before = self.names(server)
        with server.client() as client:
            reply = client.login_fails(code="[IN-USE]")
            self.assertEqual(reply, "-ERR [IN-USE] maildrop is locked by another program")
        self.assertEqual(self.names(server), before)
        self.assertEqual(server.read(), MAIL)
