"""Group E: the states that a maildrop's file may be in, or come into."""
import os
import shutil
import socket
import stat
import subprocess
import time

import harness
import oracle
from harness import needs_root, sha256

MAIL = oracle.mbox_of(oracle.message_of(120), oracle.message_of(200, b"2"),
                      oracle.message_of(300, b"3"))
OTHER = oracle.mbox_of(oracle.message_of(150, b"other"), oracle.message_of(200, b"o2"),
                       oracle.message_of(400, b"o3"))


class FilesCase(harness.TestCase):
    def refused(self, server, code="[SYS/PERM]"):
        with server.client() as client:
            client.login_fails(code=code)
            client.ok("QUIT")

    def ends(self, client, command):
        """The session ends at this command, having sent nothing but one -ERR."""
        client.send_line(command)
        try:
            said = client.rest()
        except ConnectionResetError:
            said = client.buffer
        self.assertRegex(said, rb"^(-ERR [^\r\n]*\r\n)?$")

    def serves(self, server, data):
        with server.logged_in() as client:
            self.assert_served(client, oracle.parse(data))
            client.quit()


class Unsuitable(FilesCase):
    """60: what is no plain file of the account, root's daemon or not."""

    privileged = False

    def setUp(self):
        self.server = self.daemon(privileged=self.privileged)
        self.path = self.server.path()

    def mine(self, path):
        if os.geteuid() == 0:
            os.chown(path, self.server.uid, self.server.gid, follow_symlinks=False)

    def check_refused(self):
        before = os.lstat(self.path)
        self.refused(self.server)
        after = os.lstat(self.path)
        self.assertEqual((before.st_mode, before.st_ino, before.st_size),
                         (after.st_mode, after.st_ino, after.st_size))
        self.server.wait_log(f'login=fail reason=maildrop detail="{self.path}: it ')

    def test_E60_symlink(self):
        target = self.server.put(MAIL, "target")
        self.path.symlink_to(target)
        self.mine(self.path)
        self.check_refused()
        self.assertEqual(target.read_bytes(), MAIL)

    def test_E60_dangling_symlink(self):
        self.path.symlink_to("/nonexistent/file")
        self.mine(self.path)
        self.check_refused()

    def test_E60_fifo(self):
        os.mkfifo(self.path, 0o600)
        self.mine(self.path)
        self.check_refused()

    def test_E60_socket(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.path))
            self.mine(self.path)
            self.check_refused()

    def test_E60_folder(self):
        self.path.mkdir()
        self.mine(self.path)
        self.check_refused()

    @needs_root
    def test_E60_device(self):
        os.mknod(self.path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero
        self.mine(self.path)
        self.check_refused()

    def test_E60_second_link(self):
        self.server.put(MAIL)
        os.link(self.path, self.server.mail / "link")
        self.check_refused()
        self.assertEqual(self.server.read(), MAIL)
        os.unlink(self.server.mail / "link")
        self.serves(self.server, MAIL)

    @needs_root
    def test_E60_other_owner(self):
        self.server.put(MAIL)
        os.chmod(self.path, 0o666)
        os.chown(self.path, self.server.uid + 1, self.server.gid)
        self.check_refused()
        os.chown(self.path, 0, 0)
        self.check_refused()

    def test_E60_mode_0(self):
        self.server.put(MAIL)
        self.path.chmod(0)
        self.check_refused()


@needs_root
class UnsuitableToRoot(Unsuitable):
    privileged = True


class ReadOnly(FilesCase):
    def only_read(self, server):
        before = server.digest()
        with server.logged_in() as client:
            self.assert_served(client, oracle.parse(MAIL))
            client.err("DELE 1", "[SYS/PERM]")
            client.err("DELE 2", "[SYS/PERM]")
            self.assertEqual(client.stat()[0], 3)
            client.quit()
        self.assertEqual(server.digest(), before)

    def test_E61_mode_0400(self):
        server = self.daemon(MAIL)
        server.path().chmod(0o400)
        self.only_read(server)

    @needs_root
    def test_E61_mode_0400_privileged(self):
        server = self.daemon(MAIL, privileged=True)
        server.path().chmod(0o400)
        self.only_read(server)

    @needs_root
    def test_E61_read_only_file_system(self):
        for privileged in (False, True):
            server = self.daemon(privileged=privileged)
            if subprocess.run(["mount", "-t", "tmpfs", "none", server.mail]).returncode:
                self.skipTest("needs mount(2)")
            self.addCleanup(subprocess.run, ["umount", "-l", server.mail])
            server.put(MAIL)
            subprocess.run(["mount", "-o", "remount,ro", server.mail], check=True)
            self.only_read(server)


class Meanwhile(FilesCase):
    """62 to 64: changed by others while a session is on."""

    def setUp(self):
        self.server = self.daemon(MAIL)
        self.client = self.server.logged_in()
        self.addCleanup(self.client.close)

    def replace(self, data):
        """As a mail reader does that writes a new file; the old one, open."""
        old = open(self.server.path(), "rb")
        self.addCleanup(old.close)
        new = self.server.put(data, "mrose.new")
        os.rename(new, self.server.path())
        return old

    def logged(self, what, end):
        """Why, before how it ended."""
        self.server.wait_log(f"end={end} ")
        self.assertRegex(self.server.log(), rf"{what} of \S+/mrose failed: changed by another "
                         rf"program\n.* user=mrose .*end={end} .*dele=0 ")

    def test_E62_replaced_then_retr(self):
        old = self.replace(OTHER)
        self.ends(self.client, "RETR 1")
        self.assertEqual(old.read(), MAIL)
        self.assertEqual(self.server.read(), OTHER)
        self.logged("reading", "error")
        self.serves(self.server, OTHER)

    def test_E62_replaced_by_the_same_bytes_then_quit(self):
        self.client.ok("DELE 1")
        old = self.replace(MAIL)
        self.ends(self.client, "QUIT")
        self.assertEqual(old.read(), MAIL)
        self.assertEqual(self.server.read(), MAIL)

    def test_E62_replaced_then_quit(self):
        self.client.ok("DELE 1")
        old = self.replace(OTHER)
        self.ends(self.client, "QUIT")
        self.assertEqual(old.read(), MAIL)
        self.assertEqual(self.server.read(), OTHER)
        self.logged("update", "quit")

    def test_E62_removed_then_quit(self):
        self.client.ok("DELE 1")
        with open(self.server.path(), "rb") as old:
            os.unlink(self.server.path())
            self.ends(self.client, "QUIT")
            self.assertEqual(old.read(), MAIL)
        self.assertFalse(self.server.path().exists())

    def test_E63_truncated_to_nothing(self):
        self.client.ok("DELE 2")
        os.truncate(self.server.path(), 0)
        self.ends(self.client, "RETR 1")
        self.assertEqual(self.server.read(), b"")
        self.serves(self.server, b"")

    def test_E63_truncated_then_quit(self):
        for size in (0, 1, len(MAIL) // 2, len(MAIL) - 1):
            with self.subTest(size=size):
                server = self.daemon(MAIL)
                client = server.logged_in()
                client.ok("DELE 1")
                os.truncate(server.path(), size)
                self.ends(client, "QUIT")
                self.assertEqual(server.read(), MAIL[:size])

    def test_E63_rewritten(self):
        """Whatever is asked, no octet of another message is sent."""
        rewritten = (OTHER, MAIL[::-1], oracle.without(MAIL, {1}), OTHER + MAIL,
                     b"x" * len(MAIL))
        for data in rewritten:
            for ask in ("RETR 1", "RETR 2", "RETR 3", "TOP 2 0", "TOP 2 1"):
                with self.subTest(data=data[:40], ask=ask):
                    server = self.daemon(MAIL)
                    client = server.logged_in()
                    client.ok("DELE 2") if ask == "RETR 1" else None
                    server.put(data)
                    self.ends(client, ask)
                    server.wait_idle()
                    self.assertEqual(server.read(), data)

    def test_E63_rewritten_then_quit(self):
        for data in (OTHER, oracle.without(MAIL, {1}), MAIL.replace(b"x", b"y"), b""):
            with self.subTest(data=data[:40]):
                server = self.daemon(MAIL)
                client = server.logged_in()
                client.ok("DELE 1")
                server.put(data)
                self.ends(client, "QUIT")
                self.assertEqual(server.read(), data)

    def test_E63_rewritten_by_the_same_bytes(self):
        self.client.ok("DELE 1")
        self.server.put(MAIL)
        self.assert_octets(self.client.retr(2), oracle.parse(MAIL)[1].wire)
        self.client.quit()
        self.assertEqual(self.server.read(), oracle.without(MAIL, {1}))

    def test_E63_rewritten_in_mid_retr(self):
        """None of the new octets goes out, and no final dot."""
        line = b"original " * 8 + b"\n"
        big = oracle.mbox_of(b"A: b\n\n" + line * (400000), oracle.message_of(120))
        expected = oracle.parse(big)[0].wire
        server = self.daemon(big)
        client = server.logged_in(rcvbuf=4096)
        client.ok("RETR 1")
        with open(server.path(), "r+b") as file:
            file.seek(len(big) // 2)
            file.write(b"intruder " * 100)
        got = client.rest()
        self.assert_octets(got, expected[:len(got)], "what went out before the end")

    def test_E64_appended(self):
        more = oracle.mbox_of(oracle.message_of(500, b"late"))
        before = self.client.stat()
        self.server.append(more)
        self.assertEqual(self.client.stat(), before)
        self.client.err("RETR 4")
        self.assertEqual(len(self.client.uidl()), 3)
        self.assert_octets(self.client.retr(3), oracle.parse(MAIL)[2].wire)
        self.client.quit()
        self.assertEqual(self.server.read(), MAIL + more)
        self.serves(self.server, MAIL + more)

    def test_E64_appended_and_deleted(self):
        more = oracle.mbox_of(oracle.message_of(500, b"late"))
        for gone in ({1}, {2}, {3}, {1, 3}, {1, 2, 3}):
            with self.subTest(gone=gone):
                server = self.daemon(MAIL)
                client = server.logged_in()
                for number in gone:
                    client.ok(f"DELE {number}")
                server.append(more)
                client.quit()
                kept = oracle.without(MAIL, gone) + more
                self.assertEqual(server.read(), kept)
                self.serves(server, kept)

    def test_E64_created_in_an_empty_session(self):
        server = self.daemon()
        client = server.logged_in()
        server.put(MAIL)
        self.assertEqual(client.stat(), (0, 0))
        client.quit()
        self.assertEqual(server.read(), MAIL)
        self.serves(server, MAIL)


class Changed(FilesCase):
    """65: changes that a clock may hide."""

    def rewrite(self, server, data):
        """In place, same size, mtime set back to the nanosecond."""
        before = os.stat(server.path())
        with open(server.path(), "r+b") as file:
            file.write(data)
        os.utime(server.path(), ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertEqual(os.stat(server.path()).st_size, before.st_size)

    def test_E65_between_sessions(self):
        server = self.daemon(MAIL)
        self.serves(server, MAIL)
        time.sleep(0.05)  # the index is believed from now on
        self.serves(server, MAIL)
        changed = MAIL.replace(b"xxx", b"yyy")
        self.rewrite(server, changed)
        self.serves(server, changed)

    def test_E65_within_one_tick(self):
        server = self.daemon(MAIL)
        for n in range(40):
            data = MAIL.replace(b"xxx", b"%03d" % n)
            self.rewrite(server, data)
            self.serves(server, data)

    def test_E65_in_the_session(self):
        server = self.daemon(MAIL)
        client = server.logged_in()
        client.retr(1)
        self.rewrite(server, MAIL.replace(b"xxx", b"yyy"))
        self.ends(client, "RETR 1")

    def test_E65_at_quit(self):
        server = self.daemon(MAIL)
        client = server.logged_in()
        client.retr(1)
        client.ok("DELE 1")
        changed = MAIL.replace(b"xxx", b"yyy")
        self.rewrite(server, changed)
        self.ends(client, "QUIT")
        self.assertEqual(server.read(), changed)

    def test_E65a_the_next_login_works(self):
        server = self.daemon(MAIL)
        self.serves(server, MAIL)
        client = server.logged_in()
        changed = MAIL.replace(b"xxx", b"yyy")
        self.rewrite(server, changed)
        self.ends(client, "RETR 2")
        self.serves(server, changed)

    def test_E65a_a_damaged_index_heals(self):
        server = self.daemon(MAIL)
        self.serves(server, MAIL)
        for damage in (b"", b"\0" * 4096, b"\xff" * 4096, os.urandom(4096)):
            with self.subTest(damage=damage[:8]):
                for index in server.state_dir.glob("*/index"):
                    index.write_bytes(damage)
                self.serves(server, MAIL)
                self.serves(server, MAIL)


class Folder(FilesCase):
    def test_E66_folder_missing(self):
        server = self.daemon(MAIL)
        missing = server.dir / "elsewhere"
        server.options["maildrop.path"] = f"{missing}/%u"
        server.write_conf()
        server.stop()
        server.start()
        for _ in range(5):
            self.refused(server, code=None)
        said = [line for line in server.log().splitlines() if "reason=maildrop" in line]
        self.assertEqual(len(said), 1, said)
        self.assertIn(f'detail="{missing}/mrose: its folder: No such file or directory"', said[0])
        self.assertFalse(missing.exists())
        missing.mkdir()
        server.own(missing)
        shutil.copy(server.path(), missing / "mrose")
        server.give(missing / "mrose")
        self.serves(server, MAIL)

    def test_path_that_a_user_does_not_fit(self):
        server = self.daemon(MAIL)
        server.options["maildrop.path"] = path = "%h/mbox"
        server.write_conf()
        server.reload()
        server.wait_log("configuration read again")
        self.refused(server)
        server.wait_log(f'reason=maildrop detail="{path}: this user\'s name or home does not fit')

    def test_name_that_holds_a_quote(self):
        name = 'mrose"reason=ok'
        server = self.daemon(users={name: "{PLAIN}secret"})
        missing = server.dir / "elsewhere"
        server.options["maildrop.path"] = f"{missing}/%u"
        server.write_conf()
        server.reload()
        server.wait_log("configuration read again")
        with server.client() as client:
            client.login_fails(name, "secret", code=None)
        server.wait_log(rf'reason=maildrop detail="{missing}/mrose\\042reason=ok: its folder: ')

    def test_what_is_wrong_with_the_content(self):
        server = self.daemon(b"no mbox\n")
        self.refused(server)
        server.wait_log(f'reason=maildrop detail="{server.path()}: not an mbox"')

    def test_E67_holes_are_nul(self):
        server = self.daemon(MAIL)
        hole = 3 << 20
        os.truncate(server.path(), len(MAIL) + hole)
        server.append(b"\n\n" + MAIL)
        data = server.read()
        self.assertEqual(len(data), len(MAIL) * 2 + hole + 2)
        before = sha256(server.path())
        self.serves(server, data)
        self.assertEqual(sha256(server.path()), before)


@harness.needs_root
class Homes(harness.TestCase):
    """Maildrops in folders that belong to users."""

    def test_link_into_the_folder_of_another(self):
        """Who has no mail yet finds his session lock free all the same."""
        users = {name: {"credential": "{PLAIN}secret", "uid": uid, "gid": uid,
                        "home": "/nonexistent"} for name, uid in (("alice", 62001), ("other", 62002))}
        server = self.laid_out(privileged=True, users=users,
                               options={"maildrop.path": "%h/Mail/inbox"})
        for name, user in users.items():
            home = server.dir / name
            home.mkdir()
            user["home"] = home
            os.chown(home, user["uid"], user["gid"])
        folder = server.dir / "alice" / "Mail"
        folder.mkdir()
        os.chown(folder, 62001, 62001)
        (server.dir / "other" / "Mail").symlink_to(folder)
        os.chown(server.dir / "other" / "Mail", 62002, 62002, follow_symlinks=False)
        server.write_users(users)
        server.start()
        self.addCleanup(server.stop)
        with server.logged_in("other") as other, server.logged_in("alice") as client:
            self.assertEqual(client.stat(), (0, 0))
            client.quit()
            other.quit()


if __name__ == "__main__":
    harness.main()
