"""Group G: disks that are really full, or that may not be written.

Each is filled at the last moment before QUIT. The client is answered, and the
maildrop is the new one if it saw +OK, else the old one.
"""
import errno
import os
import pathlib
import shutil
import subprocess
import tempfile

import harness
import image
import oracle
import strike
from disks import KEPT, NARROW, DiskCase, set_limit
from harness import needs_root
from strike import Strike, Update

# most of the second message can be a hole
HOLLOW = oracle.mbox_of(strike.message(1, 900), strike.message(2, 900) + bytes(1_000_000) + b"\n")

setUpModule = image.enter_namespace


@needs_root
class FullDisk(DiskCase):
    """Disks that are full, or that may not be written."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="poplar-disk-"))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def memory(self, name, size, options=""):
        disk = image.Memory(self.folder / name, size, options)
        self.addCleanup(disk.umount)
        return disk.folder

    def fill(self, folder):
        """To the last octet."""
        with open(folder / "ballast", "wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    pass

    def quit_on(self, server, update, fill):
        """An UPDATE with the disk filled at the last moment."""
        client = update.begin(server)
        fill()
        said = strike.quit_reply(client)
        server.wait_idle()
        outcome = update.outcome(self, server.read(), said)
        self.assertEqual(outcome, "new" if said.startswith("+OK") else "old", said)
        return said

    def test_G77_full_state_folder(self):
        """Only the state folder's disk is full."""
        state = self.memory("state", 8 << 20)
        server = self.server(state=state)
        for update, word in ((Update(KEPT, [2]), "+OK"), (Update(KEPT, [5]), "+OK"),
                             (Update(KEPT, [1, 2, 3, 4, 5]), "+OK"),
                             (Update(NARROW, [1]), "-ERR")):
            said = self.quit_on(server, update, lambda: self.fill(state))
            self.assertTrue(said.startswith(word), f"{update.numbers}: {said}")
            (state / "ballast").unlink()
            self.repaired(server, update, said)

    def test_G77_hole_on_a_full_disk(self):
        """What the disk has no block for is not written over: nothing is begun."""
        mail = self.memory("mail", 8 << 20)
        server = self.server(mail=mail)
        update = Update(HOLLOW, [1])

        def dig():
            subprocess.run(["fallocate", "--dig-holes", server.path()], check=True)
            self.assertLess(os.stat(server.path()).st_blocks * 512, 100_000)
            self.fill(mail)
        said = self.quit_on(server, update, dig)
        self.assertTrue(said.startswith("-ERR [SYS/TEMP] "), said)
        self.assertEqual(strike.leftovers(server), [])
        (mail / "ballast").unlink()
        self.repaired(server, update, said)

    def test_G77_full_disk_of_both(self):
        """Mail and state folder on one full disk; G88 without a quota."""
        disk = self.memory("both", 16 << 20)
        server = self.server(mail=disk, state=disk)
        for numbers in ([2], [5], [1, 2, 3, 4, 5], [2, 4], [4, 5]):
            update = Update(KEPT, numbers)
            said = self.quit_on(server, update, lambda: self.fill(disk))
            self.assertTrue(said.startswith("+OK"), f"{numbers}: {said}")
            (disk / "ballast").unlink()
            self.repaired(server, update, said)

    def image(self, kind, **kwargs):
        disk = image.Image(kind, self.folder / kind, **kwargs)
        self.addCleanup(disk.umount)
        return disk

    def refused_on(self, server, update, fill):
        """For want of room, before anything was begun."""
        said = self.quit_on(server, update, fill)
        self.assertTrue(said.startswith("-ERR [SYS/TEMP] no space left"), said)
        self.assertIn("nothing deleted", said)
        self.assertEqual(strike.leftovers(server), [])
        return said

    def test_G77_nothing_is_written_in_place(self):
        """On btrfs to write over takes room too. What needs none still goes."""
        disk = self.image("btrfs").folder
        server = self.server(mail=disk, state=disk)
        for numbers in ([2], [5], [1], [1, 2, 3, 4, 5], [2, 4], [4, 5]):
            update = Update(KEPT, numbers)
            run = self.quit_on if max(numbers) == 5 else self.refused_on
            said = run(server, update, lambda: self.fill(disk))
            self.assertEqual(said.startswith("+OK"), max(numbers) == 5, f"{numbers}: {said}")
            (disk / "ballast").unlink()
            self.repaired(server, update, said)

    def test_G77_shared_blocks(self):
        """A copy of the maildrop that shares its blocks, as cp(1) makes one."""
        disk = self.image("xfs").folder
        server = self.server(mail=disk, state=disk)
        update = Update(KEPT, [1])

        def share():
            subprocess.run(["cp", "--reflink=always", server.path(), disk / "copy"], check=True)
            self.fill(disk)
        said = self.refused_on(server, update, share)
        (disk / "ballast").unlink()
        self.repaired(server, update, said)
        self.assertEqual((disk / "copy").read_bytes(), KEPT)

    def test_G77_login_on_a_full_disk(self):
        """Login, RETR, deletion and the next login, all while it is full."""
        disk = self.memory("both", 16 << 20)
        server = self.server(mail=disk, state=disk)
        server.put(KEPT)
        server.logged_in().quit()
        self.fill(disk)
        with server.logged_in() as client:
            self.assert_served(client, oracle.parse(KEPT))
            client.ok("DELE 5")
            client.quit()
        self.assertEqual(server.read(), oracle.without(KEPT, {5}))
        with server.logged_in() as client:
            for number in client.list():
                client.ok(f"DELE {number}")
            client.quit()
        self.assertEqual(server.read(), b"")

    def test_G78_image_on_a_full_disk(self):
        """Writes go well, only syncs find that there is no room."""
        for kind in ("ext4", "xfs"):
            with self.subTest(kind):
                self.check_image(kind)

    def check_image(self, kind):
        below = self.memory(f"below-{kind}", 400 << 20)
        disk = self.image(kind, file=below / "image")
        server = self.server(mail=disk.folder, state=disk.folder)
        update = Update(NARROW, [1])
        server.put(update.mail)
        os.sync()
        client = update.begin(server, fresh=False)
        self.fill(below)
        said = strike.quit_reply(client)
        self.assertTrue(said.startswith("-ERR [SYS/TEMP] "), said)
        server.kill_all()
        (below / "ballast").unlink()
        disk.remount()
        server.start()
        strike.wait_settled(server)
        update.outcome(self, server.read(), said)
        self.repaired(server, update, said)
        server.stop()
        server.start()

    def test_G88_quota(self):
        """The user's quota is used up: delete-all and delete-last work, and so
        does the rest, for the journal is root's."""
        disk = self.image("ext4", make=["-O", "quota"], options=",usrquota")
        server = self.server(mail=disk.folder, state=disk.folder)
        for numbers in ([1, 2, 3, 4, 5], [5], [1], [2, 3]):
            update = Update(KEPT, numbers)
            server.put(update.mail)
            used = (len(update.mail) + 4095) // 4096 * 4
            done = subprocess.run(["setquota", "-u", str(server.uid), "0", str(used), "0", "0",
                                   disk.folder], capture_output=True, text=True)
            if done.returncode != 0:
                self.skipTest(f"no quota here: {done.stderr.strip()}")
            client = update.begin(server, fresh=False)
            with self.assertRaises(OSError) as full:
                self.write_as(server, b"x" * 65536)
            self.assertEqual(full.exception.errno, errno.EDQUOT)
            said = strike.quit_reply(client)
            self.assertTrue(said.startswith("+OK"), f"{numbers}: {said}")
            self.assertEqual(self.repaired(server, update, said), "new")
            subprocess.run(["setquota", "-u", str(server.uid), "0", "0", "0", "0", disk.folder],
                           check=True)

    @staticmethod
    def write_as(server, data):
        """What the user cannot do any more."""
        path = server.mail / "more"
        path.touch()
        os.chown(path, server.uid, server.gid)
        fd = os.open(path, os.O_WRONLY)
        try:
            os.seteuid(server.uid)
            os.write(fd, data)
            os.fsync(fd)
        finally:
            os.seteuid(0)
            os.close(fd)
            path.unlink()

    def test_G90_read_only_file_system(self):
        disk = self.memory("mail", 4 << 20)
        server = self.server(mail=disk)
        server.put(KEPT)
        image.run("mount", "-o", "remount,ro", disk)
        with server.logged_in() as client:
            self.assert_served(client, oracle.parse(KEPT))
            client.err("DELE 1", "[SYS/PERM]")
            client.quit()
        self.assertEqual(server.read(), KEPT)

    def test_G90a_journal_leaves_room(self):
        """A journal that would fit, but leave less than 5%, is not written."""
        state = self.memory("state", 40 << 20)
        server = self.server(state=state)
        update = Update(NARROW, [1])
        (state / "ballast").write_bytes(b"\0" * (37 << 20))
        client = update.begin(server)
        blow = Strike(server.session(), strike.WATCH, calls=["pwrite64"])
        said = strike.quit_reply(client)
        self.assertTrue(said.startswith("-ERR [SYS/TEMP] "), said)
        self.assertLess(blow.finish().written, 16384)
        self.assertEqual(server.read(), update.old)
        (state / "ballast").unlink()
        self.repaired(server, update, said)


set_limit(300, FullDisk)


if __name__ == "__main__":
    harness.main()
