"""Group F, 68 to 71: locks that others hold or left behind, traps in the way of
ours, and folders that do not permit one. Group F goes on in test_locks_held.py,
its storms (72) are in test_storm.py.
"""
import contextlib
import fcntl
import os
import stat
import threading
import time

import harness
import oracle
from client import Closed
from harness import kill, needs_root, wait_until
from locks import HOST, MAIL, LocksCase, dead_pid, fcntl_lock, flock_of, is_locked

LOCK_WAIT = 60


class OthersLocks(LocksCase):
    """68, 69: fresh locks of other programs."""

    def waits(self, server, release):
        begin = time.monotonic()
        timer = threading.Timer(5, release)
        timer.start()
        with server.logged_in(timeout=LOCK_WAIT) as client:
            waited = time.monotonic() - begin
            self.assert_served(client, oracle.parse(MAIL))
            client.quit()
        timer.join()
        self.assertTrue(5 <= waited < LOCK_WAIT / 2, waited)
        self.assertEqual(self.names(server), ["mrose"])

    def test_F68_fcntl_lock_for_5_seconds(self):
        server = self.serve(lock_wait=f"{LOCK_WAIT}s")
        with contextlib.ExitStack() as stack:
            stack.enter_context(fcntl_lock(server.path()))
            self.waits(server, stack.close)

    def test_F68_fcntl_lock_for_longer_than_lock_wait(self):
        server = self.serve()
        with fcntl_lock(server.path()):
            begin = time.monotonic()
            self.refused(server)
            self.assertTrue(0.9 < time.monotonic() - begin < 9)
        self.deletes(server)

    def test_F68_locks_of_others_around_an_unchanged_maildrop(self):
        """The index vouches for all of it, nothing is read: no login need wait
        for a dotlock. Who has the fcntl lock may be writing."""
        server = self.serve()
        time.sleep(0.05)
        self.serves(server)
        with fcntl_lock(server.path()):
            self.refused(server)
        self.put_lock(server, f"{os.getpid()}\n")
        self.serves(server)
        server.append(MAIL)
        with server.client() as client:
            client.login_fails(code="[IN-USE]")

    def test_F68_read_lock_of_another(self):
        """One that reads does not exclude a session from a maildrop it only reads."""
        server = self.serve()
        server.path().chmod(0o400)
        with open(server.path(), "rb") as file:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, flock_of(fcntl.F_RDLCK))
            self.serves(server)
            server.path().chmod(0o600)
            self.refused(server)

    def test_F68_fcntl_lock_at_quit(self):
        server = self.serve()
        client = server.logged_in()
        client.ok("DELE 2")
        with fcntl_lock(server.path()):
            reply = client.err("QUIT", "[SYS/TEMP]")
            self.assertIn("locked by another program", reply)
            client.expect_closed()
        self.assertEqual(server.read(), MAIL)
        self.assertEqual(self.names(server), ["mrose"])
        self.deletes(server)

    def test_F68_fcntl_lock_where_the_index_is_damaged(self):
        """The maildrop is to be read in its place: not now, but later."""
        server = self.serve()
        self.deletes(server)
        server.put(MAIL)
        self.serves(server)
        time.sleep(0.05)
        self.serves(server)
        client = server.logged_in()
        [index] = server.state_dir.glob("*/index")
        with open(index, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"?")
        with fcntl_lock(server.path()):
            reply = client.err("LIST", "[SYS/TEMP]")
            self.assertIn("locked by another program", reply)
            client.ok("STAT")
        self.assert_served(client, oracle.parse(MAIL))
        client.quit()

    def test_F69_dotlock_for_5_seconds(self):
        server = self.serve(lock_wait=f"{LOCK_WAIT}s")
        lock = self.put_lock(server, f"{os.getpid()}\n")
        self.waits(server, lock.unlink)

    def test_F69_fresh_dotlocks_are_heeded(self):
        server = self.serve()
        for text in ("", "0", f"{os.getpid()}\n", f"{dead_pid()}\n", "1 elsewhere\n", "nonsense"):
            with self.subTest(text=text):
                lock = self.put_lock(server, text)
                before = lock.stat()
                self.refused(server)
                self.assertEqual(lock.stat(), before)
                self.assertEqual(lock.read_text(), text)
                self.assertFalse(is_locked(server.path()))
                lock.unlink()
        self.deletes(server)

    def test_F69_dotlock_at_quit(self):
        server = self.serve()
        client = server.logged_in()
        client.ok("DELE 2")
        lock = self.put_lock(server, f"{os.getpid()}\n")
        reply = client.err("QUIT", "[SYS/TEMP]")
        self.assertIn("locked by another program", reply)
        client.expect_closed()
        lock.unlink()
        self.assertEqual(server.read(), MAIL)
        self.deletes(server)


@needs_root
class OthersLocksInSpool(OthersLocks):
    privileged = True


class Stale(LocksCase):
    """70: dotlocks that nobody holds any more."""

    def broken(self, server):
        self.deletes(server)
        self.assertEqual(self.names(server), ["mrose"])
        said = [line for line in server.log().splitlines() if "broke another program's" in line]
        self.assertEqual(len(said), 1, server.log())
        self.assertRegex(said[0], r"stale dotlock, 3\d\d s old$")

    def test_F70_another_s_is_broken_once(self):
        for text in ("", f"{dead_pid()}\n", f"{dead_pid()} {HOST}\n", f"{os.getpid()} elsewhere\n"):
            with self.subTest(text=text):
                server = self.serve()
                self.put_lock(server, text, age=302)
                self.broken(server)

    def test_F70_not_before_five_minutes(self):
        server = self.serve()
        lock = self.put_lock(server, "", age=290)
        self.refused(server)
        self.assertTrue(lock.exists())

    def test_F70_not_of_a_live_process(self):
        server = self.serve()
        for text in (f"{os.getpid()}\n", f"{os.getpid()} {HOST}\n", f"  {os.getpid()}", "1\n"):
            with self.subTest(text=text):
                lock = self.put_lock(server, text, age=4000)
                self.refused(server)
                self.assertEqual(lock.read_text(), text)
                lock.unlink()

    def test_F70_not_without_the_fcntl_lock(self):
        server = self.serve()
        lock = self.put_lock(server, "", age=4000)
        with fcntl_lock(server.path()):
            self.refused(server)
            self.assertTrue(lock.exists())
        self.deletes(server)
        self.assertEqual(server.log().count("broke another program's"), 1)

    def test_F70_ours_of_a_dead_session_at_once(self):
        """One process for each connection: nobody clears up but the next login."""
        options = {"maildrop.lock_hold": "session", "maildrop.lock_wait": "0s"}
        server = self.daemon(MAIL, mode="inetd", check=False, options=options,
                             privileged=self.privileged)
        client = server.logged_in()
        self.assertTrue(self.lockfile(server).exists())
        for pid in server.members():
            kill(pid)
        client.close()
        wait_until(lambda: not server.members(), what="their end")
        self.assertTrue(self.lockfile(server).exists())
        self.deletes(server)
        self.assertEqual(self.names(server), ["mrose"])
        self.assertEqual(server.log().count("removed the dotlock of a session that died"), 1)

    def test_F70_another_s_in_the_place_of_ours(self):
        """The note is of a dotlock that stands there no more."""
        options = {"maildrop.lock_hold": "session"}
        server = self.daemon(MAIL, mode="inetd", check=False, options=options,
                             privileged=self.privileged)
        client = server.logged_in()
        for pid in server.members():
            kill(pid)
        client.close()
        server.wait_idle()
        self.lockfile(server).unlink()
        lock = self.put_lock(server, f"{os.getpid()}\n")
        self.refused(server)
        self.assertEqual(lock.read_text(), f"{os.getpid()}\n")


@needs_root
class StaleInSpool(Stale):
    privileged = True


@needs_root
class Traps(LocksCase):
    """70a: the maildrop is in the user's own folder, and root makes the dotlock."""

    def setUp(self):
        self.server = self.serve(privileged=True)
        os.chown(self.server.mail, self.server.uid, self.server.gid)
        self.server.mail.chmod(0o755)
        self.outside = self.server.dir / "outside"
        self.outside.mkdir(0o777)
        self.outside.chmod(0o777)
        (self.outside / "file").write_text("not mail\n")
        (self.outside / "mrose").write_bytes(MAIL)
        (self.outside / "folder").mkdir()

    def snapshot(self):
        return [(path.name, path.lstat().st_ino, path.lstat().st_mode, path.lstat().st_uid,
                 path.lstat().st_mtime_ns, path.lstat().st_nlink)
                for path in sorted(self.outside.rglob("*"))]

    def attempt(self):
        with self.server.client() as client:
            client.ok("USER mrose")
            client.command("PASS secret")

    def test_F70a_symlink(self):
        before = self.snapshot()
        lock = self.lockfile(self.server)
        for target in ("file", "folder", "new", "/etc/passwd", "mrose.lock"):
            lock.symlink_to(self.outside / target)
            os.utime(lock, (0, 0), follow_symlinks=False)
            self.attempt()
            self.assertTrue(lock.is_symlink())
            self.assertEqual(self.snapshot(), before)
            lock.unlink()

    def test_F70a_folder(self):
        lock = self.lockfile(self.server)
        lock.mkdir()
        (lock / "file").touch()
        os.utime(lock, (0, 0))
        self.attempt()
        self.assertTrue((lock / "file").exists())

    def test_F70a_hard_link_to_a_file_of_root_s(self):
        """As a user can make where fs.protected_hardlinks is off."""
        lock = self.lockfile(self.server)
        os.link(self.outside / "file", lock)
        os.utime(lock, (0, 0))
        before = self.snapshot()
        self.attempt()
        self.assertEqual((self.outside / "file").read_text(), "not mail\n")
        self.assertEqual([row[:5] for row in self.snapshot()], [row[:5] for row in before])

    def swap(self, stop):
        """All that a user can put under any name that is used there."""
        names = {"mrose.lock"}
        makers = [
            lambda path: path.symlink_to(self.outside / "file"),
            lambda path: path.symlink_to(self.outside / "new"),
            lambda path: path.symlink_to(self.outside),
            lambda path: path.mkdir(),
            lambda path: os.link(self.outside / "file", path),
            lambda path: path.open("x").close(),
        ]
        turn = 0
        while not stop.is_set():
            with contextlib.suppress(OSError):
                names.update(n for n in os.listdir(self.server.mail) if n.startswith(".poplar-"))
            for name in names:
                path = self.server.mail / name
                with contextlib.suppress(OSError):
                    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
                with contextlib.suppress(OSError):
                    makers[turn % len(makers)](path)
                    os.utime(path, (0, 0), follow_symlinks=False)
                turn += 1
        self.swapped = names, turn

    def swap_folder(self, stop):
        """The folder itself: now the real one, now a link to another."""
        real, aside = self.server.mail, self.server.dir / "aside"
        while not stop.is_set():
            real.rename(aside)
            real.symlink_to(self.outside)
            time.sleep(0.0005)
            real.unlink()
            aside.rename(real)
            time.sleep(0.0005)

    def under(self, swapper, seconds=4):
        before = [row[:4] for row in self.snapshot()]
        stop = threading.Event()
        thread = threading.Thread(target=swapper, args=(stop,))
        thread.start()
        attempts, deadline = 0, time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(Closed, ConnectionError), self.server.client() as client:
                client.ok("USER mrose")
                if client.command("PASS secret").startswith("+OK"):
                    client.command("DELE 1")
                    client.command("RSET")
                    client.command("DELE 99")
                    client.command("QUIT")
            attempts += 1
        stop.set()
        thread.join()
        self.assertEqual([row[:4] for row in self.snapshot()], before)
        self.assertEqual((self.outside / "file").read_text(), "not mail\n")
        self.assertEqual((self.outside / "mrose").read_bytes(), MAIL)
        return attempts

    def test_F70a_swapped_in_a_loop(self):
        attempts = self.under(self.swap)
        names, turns = self.swapped
        print(f"# {attempts} logins, {turns} swaps of {len(names)} names: nothing outside touched")
        self.assertEqual(self.server.read(), MAIL)

    def test_F70a_folder_swapped_in_a_loop(self):
        """root owns the folder above; here it swaps on the user's behalf."""
        attempts = self.under(self.swap_folder)
        print(f"# {attempts} logins while the folder was swapped: nothing outside touched")
        self.assertEqual(self.server.read(), MAIL)


class Dotlock(LocksCase):
    """Our own, as the client sees it."""

    def test_gone_when_the_client_is_answered(self):
        server = self.serve()
        for _ in range(10):
            server.put(MAIL)
            client = server.logged_in()
            self.assertEqual(self.names(server), ["mrose"])
            client.ok("DELE 1")
            client.ok("QUIT")
            self.assertEqual(self.names(server), ["mrose"])


class Folder(LocksCase):
    """71: the folder does not permit a dotlock."""

    def close_folder(self, server):
        os.chown(server.mail, 0 if os.geteuid() == 0 else -1, 0 if os.geteuid() == 0 else -1)
        server.mail.chmod(0o555)
        self.addCleanup(server.mail.chmod, 0o755)

    def test_F71_one_warning(self):
        server = self.serve()
        self.close_folder(server)
        self.deletes(server)
        said = [line for line in server.log().splitlines() if "no dotlock can be made" in line]
        self.assertEqual(len(said), 1, server.log())
        self.assertIn("Permission denied", said[0])

    def test_F71_required(self):
        """At a login that has something to read."""
        server = self.serve(dotlock="required")
        self.serves(server)
        self.close_folder(server)
        server.append(MAIL)
        with server.client() as client:
            client.login_fails(code="[SYS/PERM]")
        self.assertEqual(server.read(), MAIL + MAIL)

    def test_F71_required_at_quit(self):
        server = self.serve(dotlock="required")
        client = server.logged_in()
        client.ok("DELE 2")
        self.close_folder(server)
        client.err("QUIT", "[SYS/")
        client.expect_closed()
        self.assertEqual(server.read(), MAIL)

    def test_F71_off(self):
        server = self.serve(dotlock="off")
        self.close_folder(server)
        self.deletes(server)
        self.assertNotIn("dotlock", server.log())

    def test_F71_a_fresh_one_is_heeded_all_the_same(self):
        server = self.serve()
        self.put_lock(server, f"{os.getpid()}\n")
        self.close_folder(server)
        self.refused(server)


@needs_root
class FolderToRoot(Folder):
    privileged = True

    def test_F71_spool_of_group_mail(self):
        """The user may not write the folder; group mail may."""
        server = self.serve(lock_hold="session")
        with server.logged_in() as client:
            held = self.lockfile(server).stat()
            self.assertEqual(held.st_uid, server.uid)
            self.assertEqual(stat.S_IMODE(held.st_mode), 0o644)
            client.quit()
        self.assertNotIn("dotlock", server.log())


if __name__ == "__main__":
    harness.main()
