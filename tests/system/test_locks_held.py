"""Group F, 73 to 76: who held the locks was killed, or they vanish; what is held
by lock_hold, and for how long. (Killed in the middle of UPDATE: test_kill.py.)
"""
import fcntl
import os
import re
import stat
import threading
import time

import harness
import oracle
import strike
from harness import kill, needs_fastclock, needs_root, wait_until
from locks import HOST, MAIL, LocksCase, fcntl_lock, flock_of, is_locked


class Deaths(LocksCase):
    """73 to 75: who held the locks was killed. (In UPDATE: test_kill.py.)"""

    def hold(self):
        server = self.serve(lock_hold="session")
        client = server.logged_in()
        client.ok("DELE 2")
        self.assertTrue(self.lockfile(server).exists())
        self.assertTrue(is_locked(server.path()))
        return server, client

    def is_free(self, server):
        wait_until(lambda: not self.lockfile(server).exists(), what="the end of the dotlock")
        wait_until(lambda: not is_locked(server.path()), what="the end of the fcntl lock")
        self.assertEqual(self.names(server), ["mrose"])
        self.assertEqual(server.read(), MAIL)
        self.deletes(server)

    def test_F73_session_killed(self):
        server, client = self.hold()
        kill(server.session())
        client.expect_closed()
        self.is_free(server)

    def test_F74_monitor_killed(self):
        server, client = self.hold()
        session = server.session()
        kill(server.monitors()[0])
        client.expect_closed()
        wait_until(lambda: harness.proc_stat(session) is None, what="the end of the session")
        self.is_free(server)

    def test_F75_everything_killed(self):
        server, client = self.hold()
        server.kill_all()
        client.expect_closed()
        self.assertTrue(self.lockfile(server).exists())
        server.start()
        self.is_free(server)


@needs_root
class DeathsInSpool(Deaths):
    privileged = True


class Held(LocksCase):
    """lock_hold = session: both locks from login to the end."""

    def setUp(self):
        self.server = self.serve(lock_hold="session")
        self.lock = self.lockfile(self.server)

    def session(self):
        client = self.server.logged_in()
        self.addCleanup(client.close)
        return client

    def freed(self):
        wait_until(lambda: not self.lock.exists() and not is_locked(self.server.path()))
        self.assertEqual(self.names(self.server), ["mrose"])

    def test_both_are_held(self):
        client = self.session()
        pid, host = re.fullmatch(r"(\d+) (\S+)\n", self.lock.read_text()).groups()
        self.assertIn(int(pid), self.server.monitors())
        self.assertEqual(host, HOST)
        held = self.lock.stat()
        self.assertEqual((held.st_uid, stat.S_IMODE(held.st_mode), held.st_nlink),
                         (self.server.uid, 0o644, 1))
        for command in ("STAT", "DELE 2", "NOOP"):
            client.ok(command)
            self.assertTrue(is_locked(self.server.path()))
        client.retr(1)
        self.assertTrue(is_locked(self.server.path()))
        self.assertEqual(self.lock.stat(), held)
        client.quit()
        self.freed()
        self.assertEqual(self.server.read(), oracle.without(MAIL, {2}))

    def test_held_till_the_connection_ends(self):
        for end in ("close", "reset"):
            with self.subTest(end=end):
                client = self.session()
                client.ok("DELE 2")
                getattr(client, end)()
                self.freed()
                self.assertEqual(self.server.read(), MAIL)

    def test_a_deliverer_waits(self):
        client = self.session()
        client.ok("DELE 1")
        done = []

        def deliver():
            with open(self.server.path(), "r+b") as file:
                fcntl.fcntl(file, fcntl.F_OFD_SETLKW, flock_of(fcntl.F_WRLCK))
                done.append(file.seek(0, os.SEEK_END))
                file.write(MAIL)

        thread = threading.Thread(target=deliver)
        thread.start()
        time.sleep(0.3)
        self.assertEqual(done, [])
        client.quit()
        thread.join(harness.PATIENCE)
        self.assertEqual(self.server.read(), oracle.without(MAIL, {1}) + MAIL)

    def test_E62_replaced_all_the_same(self):
        """By a program that heeds no lock, the old file kept under another name."""
        client = self.session()
        client.ok("DELE 2")
        kept = self.server.path("kept")
        self.server.path().rename(kept)
        self.server.put(MAIL)
        client.err("QUIT")
        self.assertEqual((kept.read_bytes(), self.server.read()), (MAIL, MAIL))
        self.freed_but("kept")

    def test_E62_replaced_then_retr(self):
        client = self.session()
        self.server.path().rename(self.server.path("kept"))
        self.server.put(oracle.mbox_of(b"Subject: other\n\nother\n"))
        client.send_line("RETR 1")
        self.assertNotIn(b"+OK", client.rest())
        self.freed_but("kept")

    def freed_but(self, *others):
        wait_until(lambda: self.names(self.server) == sorted(("mrose", *others)))

    def test_F76_removed(self):
        client = self.session()
        self.lock.unlink()
        client.ok("DELE 2")
        client.quit()
        self.freed()
        self.assertEqual(self.server.read(), oracle.without(MAIL, {2}))
        self.assertIn("another program removed or replaced our dotlock", self.server.log())

    def test_F76_removed_and_closed(self):
        client = self.session()
        self.lock.unlink()
        client.close()
        self.freed()
        self.server.wait_log("another program removed or replaced our dotlock")

    def replace(self):
        """Another's in its place: ext4 likes to give it the same inode number."""
        self.lock.unlink()
        return self.put_lock(self.server, f"{os.getpid()}\n")

    def test_F76_replaced(self):
        client = self.session()
        client.ok("DELE 2")
        lock = self.replace()
        reply = client.err("QUIT", "[SYS/TEMP]")
        self.assertIn("locked by another program", reply)
        client.expect_closed()
        self.assertEqual(lock.read_text(), f"{os.getpid()}\n")
        self.assertEqual(self.server.read(), MAIL)
        self.assertIn("another program removed or replaced our dotlock", self.server.log())

    def test_F76_replaced_and_closed(self):
        client = self.session()
        lock = self.replace()
        client.close()
        self.server.wait_idle()
        self.assertEqual(lock.read_text(), f"{os.getpid()}\n")
        self.assertIn("another program removed or replaced our dotlock", self.server.log())


@needs_root
class HeldInSpool(Held):
    privileged = True


class Renewed(LocksCase):
    """The dotlock of a long session must never look stale."""

    @needs_fastclock
    def test_touched_every_minute(self):
        server = self.daemon(MAIL, variant="fastclock",
                             options={"maildrop.lock_hold": "session"})
        with server.logged_in() as client:
            lock = self.lockfile(server)
            first = lock.stat()
            wait_until(lambda: lock.stat().st_mtime_ns != first.st_mtime_ns, what="a new time")
            self.assertEqual(lock.stat().st_ino, first.st_ino)
            client.ok("DELE 2")
            client.quit()
        self.assertEqual(self.names(server), ["mrose"])
        self.assertNotIn("dotlock", server.log())


class Between(LocksCase):
    """lock_hold = access: nothing is held between login and QUIT."""

    def gone(self, server):
        """The dotlock goes a moment after the reply."""
        self.assertFalse(is_locked(server.path()))
        wait_until(lambda: self.names(server) == ["mrose"], what="the end of the dotlock")

    def test_free_between(self):
        server = self.serve()
        with server.logged_in() as client:
            self.gone(server)
            client.retr(1)
            self.gone(server)
            client.ok("DELE 1")
            with fcntl_lock(server.path()) as file:
                file.seek(0, os.SEEK_END)
                file.write(MAIL)
                file.flush()
            client.quit()
        self.assertEqual(server.read(), oracle.without(MAIL, {1}) + MAIL)

    def test_back_at_once_behind_a_large_deletion(self):
        """The journal of a large maildrop is emptied behind the reply: who is
        back before that waits for it, and is not refused."""
        mail = strike.mbox([900, 700, 4_000_000])
        server = self.serve(mail)
        for _ in range(2):
            with server.logged_in() as client:
                client.ok("DELE 1")
                client.ok("QUIT")
                mail = oracle.without(mail, {1})
                self.assertEqual(server.read(), mail)
                self.gone(server)
                with server.logged_in() as again:
                    self.assert_served(again, oracle.parse(mail))
                    self.assertEqual(strike.leftovers(server), [])
        self.assertEqual(server.log().count("scan=none"), 3)
        self.assertNotIn("interrupted", server.log())

    def test_nothing_to_delete_needs_no_lock(self):
        server = self.serve()
        time.sleep(0.05)  # a file that was changed just now is looked at under locks
        with server.logged_in() as client, fcntl_lock(server.path()):
            self.put_lock(server, "")
            client.retr(1)
            client.quit()


class Names(LocksCase):
    """Two login names for one maildrop exclude each other."""

    def test_F_two_names(self):
        for hold in ("access", "session"):
            with self.subTest(hold=hold):
                self.exclude(self.serve(lock_hold=hold, lock_wait="0s"))

    def exclude(self, server):
        (server.dir / "link").symlink_to(server.mail)
        users = dict(server.users)
        for name, maildrop in (("same", server.path()), ("link", server.dir / "link" / "mrose")):
            users[name] = {"credential": "{PLAIN}secret", "maildrop": maildrop}
        server.write_users(users)
        for first in users:
            with server.logged_in(first) as client:
                client.ok("DELE 1")
                for second in users:
                    with server.client() as other:
                        reply = other.login_fails(second, "secret", "[IN-USE]")
                        self.assertRegex(reply, r"locked by another session from 127\.0\.0\.1 "
                                                r"since \d\d:\d\d:\d\d$")
                self.assertEqual(client.stat()[0], 2)
                client.ok("RSET")
                client.quit()
        self.assertEqual(len(list(server.state_dir.glob("*/index"))), 1)
        self.assertEqual(server.read(), MAIL)


@needs_root
class NamesToRoot(Names):
    privileged = True


if __name__ == "__main__":
    harness.main()
