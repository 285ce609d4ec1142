"""Group G: disks that fail.

Each system call of the update path fails, once and for good, with each error
that a disk has. Whatever comes of it, the client is answered, the maildrop is
the old one or the new one after the next login, and the new one if the client
saw +OK.
"""
import errno
import itertools
import os
import shutil

import harness
import oracle
import strike
from client import ProtocolError
from disks import KEPT, NARROW, SMALL, DiskCase, set_limit
from harness import needs_root
from strike import DISK_CALLS, Strike, Update

WRITERS = ("pwrite64", "fdatasync", "fsync", "ftruncate", "fallocate")


class Sweep(DiskCase):
    """Each call in turn."""

    def struck(self, server, update, action, first, calls, every=0):
        """An UPDATE with a strike. Returns the reply and the Strike."""
        client = update.begin(server)
        blow = Strike(server.session(), action, first, calls, every=every)
        said = strike.quit_reply(client)
        blow.finish()
        if blow.process.returncode == strike.UNKNOWN_MACHINE:
            self.skipTest("strike does not know this machine's registers")
        server.wait_idle()
        return said, blow

    def sweep(self, update, errors, calls=DISK_CALLS):
        """Every call fails with every error, once and for good."""
        server = self.server()
        runs, told, gone = 0, 0, 0
        for call, error, every in itertools.product(calls, errors, (0, 1)):
            for first in itertools.count(1):
                said, blow = self.struck(server, update, strike.failing(error), first, [call],
                                         every)
                if blow.hit is None:
                    break
                what = f"{errno.errorcode[error]} of {call} {first}{' and on' if every else ''}"
                with self.subTest(what):
                    self.assertRegex(said, r"^(\+OK|-ERR) ", "the client was not answered")
                    strike.wait_settled(server)
                    update.outcome(self, server.read(), said)
                    outcome = self.repaired(server, update, said)
                    gone += said.startswith("-ERR") and outcome == "new"
                runs += 1
                told += said.startswith("+OK")
        print(f"# {runs} calls failed, {told} UPDATEs went well all the same, {runs - told} "
              f"clients told -ERR, {gone} of them finished later, 0 maildrops damaged", flush=True)

    def no_ok(self, error, calls):
        """Syncs fail from the first on: the client never sees +OK."""
        server, update = self.server(), Update(KEPT, [1, 3])
        said, blow = self.struck(server, update, strike.failing(error), 1, calls, 1)
        self.assertIsNotNone(blow.hit)
        self.assertTrue(said.startswith("-ERR [SYS/TEMP] "), said)
        self.repaired(server, update, said)


@needs_root
class Faults(Sweep):
    """Errors of single calls, by strikes."""

    def test_G77_no_space_for_the_journal(self):
        """No room, and the gap is wide: moved in steps. And narrow: -ERR."""
        server = self.server()
        for error in (errno.ENOSPC, errno.EDQUOT):
            for update, word in ((Update(KEPT, [2]), "+OK"), (Update(NARROW, [1]), "-ERR")):
                said, blow = self.struck(server, update, strike.failing(error), 1,
                                         ["fallocate"])
                self.assertEqual(blow.hit, "fallocate")
                self.assertTrue(said.startswith(word), said)
                data = server.read()
                outcome = update.outcome(self, data, said)
                self.assertEqual(outcome, "new" if word == "+OK" else "old")
                self.repaired(server, update, said)

    def test_G77_every_call_without_space(self):
        self.sweep(Update(SMALL, [1, 3]), (errno.ENOSPC, errno.EDQUOT))

    def test_G78_no_space_at_a_sync(self):
        for error in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            self.no_ok(error, ["fsync", "fdatasync"])

    def test_G80_every_call_fails(self):
        self.sweep(Update(KEPT, [1, 3], arrival=strike.mbox([500], first=70)), (errno.EIO,))

    def test_G80_every_call_fails_last_deleted(self):
        self.sweep(Update(SMALL, [4]), (errno.EIO,))

    def test_G80_every_call_fails_all_deleted(self):
        self.sweep(Update(SMALL, [1, 2, 3, 4]), (errno.EIO, errno.ENOSPC))

    def test_G81_short_counts(self):
        """Single octets, and odd pieces of a larger maildrop."""
        server = self.server()
        for update, octets in ((Update(SMALL, [1, 3]), 1), (Update(KEPT, [1, 3]), 1777)):
            said, blow = self.struck(server, update, strike.shortening(octets), 1,
                                     ["pread64", "pwrite64"], 1)
            self.assertIsNotNone(blow.hit)
            self.assertTrue(said.startswith("+OK"), said)
            self.assertEqual(self.repaired(server, update, said), "new")

    def test_G81_interrupted_calls(self):
        """Every second call is interrupted before it does anything."""
        server = self.server()
        calls = [call for call in DISK_CALLS if call != "statx"]  # never returns EINTR
        for update in (Update(KEPT, [1, 3]), Update(SMALL, [4]), Update(SMALL, [1, 2, 3, 4])):
            said, blow = self.struck(server, update, strike.failing(errno.EINTR), 1, calls, 2)
            self.assertIsNotNone(blow.hit)
            self.assertTrue(said.startswith("+OK"), said)
            self.assertEqual(self.repaired(server, update, said), "new")

    def test_G81_login_and_retr(self):
        """Short counts and interruptions while scanning and sending."""
        server = self.server()
        server.put(KEPT)
        messages = oracle.parse(KEPT)
        for action, every in ((strike.shortening(999), 1), (strike.failing(errno.EINTR), 2)):
            with server.client() as client:
                client.ok("USER mrose")
                blow = Strike(server.session(), action, 1, ["pread64", "pwrite64"],
                              every=every)
                client.ok("PASS secret")
                self.assert_served(client, messages)
                client.quit()
            self.assertIsNotNone(blow.finish().hit)
            for folder in server.state_dir.glob("*/index"):
                folder.unlink()

    def test_G79_eio_while_scanning(self):
        """-ERR or a close, and all is well at the next login."""
        server = self.server()
        for first, every in ((n // 2 + 1, n % 2) for n in itertools.count()):
            server.put(KEPT)
            with server.client() as client:
                client.ok("USER mrose")
                blow = Strike(server.session(), strike.failing(errno.EIO), first,
                              ["pread64"], every=every)
                client.send_line("PASS secret")
                try:
                    said = client.status()
                except (ProtocolError, OSError):
                    said = ""
            blow.finish()
            if blow.hit is None:
                break
            # once all is read, only the index is left to fail
            self.assertRegex(said, r"^$|^-ERR|^\+OK 5 messages \(571170 octets\)")
            self.assertEqual(server.read(), KEPT)
            with server.logged_in() as client:
                self.assert_served(client, oracle.parse(KEPT))
                client.quit()
        self.assertGreater(first, 2)

    def test_G79_eio_in_retr(self):
        """Never a final dot behind missing octets."""
        server = self.server()
        server.put(KEPT)
        whole = oracle.parse(KEPT)[1].wire
        refused = 0
        for first in itertools.count(1):
            with server.logged_in() as client:
                blow = Strike(server.session(), strike.failing(errno.EIO), first, ["pread64"],
                              every=1)
                client.send_line("RETR 2")
                try:
                    status = client.status()
                    if not status.startswith("+OK"):
                        self.assertEqual(status, "-ERR [SYS/TEMP] the server's disk failed, "
                                         "log in again")
                        refused += 1
                    data = client.multiline() if status.startswith("+OK") else None
                except (ProtocolError, OSError):
                    data = None
                client.close()
            blow.finish()
            if blow.hit is None:
                break
            if data is not None:
                self.assert_octets(data, whole, f"call {first}")
        self.assertGreater(first, 1)
        self.assertGreater(refused, 0)
        self.assertEqual(server.read(), KEPT)

    def test_octets_written(self):
        """What UPDATE writes: twice what stays behind the first deleted
        message and a little; nothing where nothing is deleted."""
        server = self.server()
        mail = strike.mbox([5000] * 400)
        for numbers in ([1], [200], [1, 100, 399], [399], [400], range(1, 401), range(2, 401, 2)):
            update = Update(mail, numbers)
            client = update.begin(server)
            blow = Strike(server.session(), strike.WATCH)
            said = strike.quit_reply(client)
            blow.finish()
            update.outcome(self, server.read(), said)
            kept = len(update.new) - oracle.parse(mail)[min(numbers) - 1].start
            index = max(path.stat().st_size for path in server.state_dir.glob("*/index"))
            self.assertLessEqual(blow.written, 2.1 * kept + 16384 + index)
            print(f"# {len(update.numbers)} of 400 deleted, {kept} octets kept behind the first: "
                  f"{blow.written} written, index {index}", flush=True)
        client = server.logged_in()
        client.stat()
        blow = Strike(server.session(), strike.WATCH, verbose=True)
        strike.quit_reply(client)
        self.assertEqual(set(blow.finish().calls) & set(WRITERS), set())


class Limits(DiskCase):
    """89: RLIMIT_FSIZE, as a service manager may set it."""

    UPDATES = [Update(KEPT, numbers)
               for numbers in ([1], [4], [2, 4], [5], [1, 2, 3, 4, 5])]

    def limited(self, kind, **kwargs):
        """A daemon that was started with a limit of 102400, soft or hard too."""
        server = self.laid_out(**kwargs)
        wrapper = server.dir / "limited"
        wrapper.write_text(f'#!/bin/sh\nulimit {kind} -f 200\nexec {server.binary} "$@"\n')
        wrapper.chmod(0o755)
        server.binary = wrapper
        server.start()
        self.addCleanup(server.stop)
        self.addCleanup(self._show_log, server)
        return server

    def test_G89_soft_limit(self):
        """The daemon lifts it."""
        server = self.limited("-S")
        for update in self.UPDATES:
            said = strike.quit_reply(update.begin(server))
            server.wait_idle()
            self.assertEqual(update.outcome(self, server.read(), said), "new")

    def test_G89_hard_limit(self):
        """It cannot be lifted: what is larger is served, not changed."""
        server = self.limited("")
        server.put(KEPT)
        with server.logged_in() as client:
            self.assert_served(client, oracle.parse(KEPT))
            client.err("DELE 1", "[SYS/PERM]")
            client.quit()
        self.assertEqual(server.read(), KEPT)
        update = Update(SMALL, [1, 3])
        said = strike.quit_reply(update.begin(server))
        server.wait_idle()
        self.assertEqual(update.outcome(self, server.read(), said), "new")


@needs_root
class Journals(DiskCase):
    """87: a journal that is not the one of this maildrop, in this state."""

    def setUp(self):
        """A journal that was committed, its maildrop still the old one."""
        self.update = Update(SMALL, [1, 3])
        self.box = self.server()
        for first in itertools.count(1):
            client = self.update.begin(self.box)
            session, [monitor] = self.box.session(), self.box.monitors()
            blow = Strike(session, strike.KILL, first, ["pwrite64"],
                          victims=[monitor, self.box.process.pid])
            strike.quit_reply(client)
            blow.finish()
            self.box.process.wait(harness.PATIENCE)
            self.box.process = None
            [self.journal] = self.box.state_dir.glob("*/journal")
            self.octets = self.journal.read_bytes()
            if any(self.octets[:1024]) and len(self.octets) > 1024:
                break
            self.box.start()
        self.assertEqual(self.box.read(), SMALL)
        self.box.start()
        strike.wait_settled(self.box)
        self.assertEqual(self.box.read(), self.update.new)

    def try_journal(self, octets, mail=SMALL):
        """What a login makes of it. Returns the maildrop and the conflicts."""
        conflict = self.journal.parent / "conflict"
        shutil.rmtree(conflict, ignore_errors=True)
        self.box.put(mail)
        self.journal.write_bytes(octets)
        self.box.logged_in().quit()
        self.box.wait_idle()
        self.assertEqual(self.journal.stat().st_size, 0)
        aside = [path.read_bytes() for path in conflict.iterdir()] if conflict.exists() else []
        return self.box.read(), aside

    def test_G87_sound(self):
        """The counter-test: as it was, it is applied."""
        self.assertEqual(self.try_journal(self.octets), (self.update.new, []))

    def test_G87_any_octet_flipped(self):
        free = range(512, 1024) if any(self.octets[:512]) else range(0, 512)
        places = set(range(0, 1024, 7)) | set(range(1024, len(self.octets), 41))
        for place in sorted(places):
            octets = bytearray(self.octets)
            octets[place] ^= 1 << place % 8
            mail, aside = self.try_journal(octets)
            if place in free:  # the other slot counts, and is as it was
                self.assertEqual((mail, aside), (self.update.new, []), f"octet {place}")
            else:
                self.assertEqual((mail, aside), (SMALL, [bytes(octets)]), f"octet {place}")

    def test_G87_truncated(self):
        for size in {1, 100, 511, 512, 1023, 1024, 1025, len(self.octets) - 1}:
            mail, aside = self.try_journal(self.octets[:size])
            self.assertEqual(mail, SMALL, f"{size} octets")
            if any(self.octets[:size]):
                self.assertEqual(aside, [self.octets[:size]], f"{size} octets")

    def test_G87_another_file(self):
        """The maildrop was replaced: same octets, another inode."""
        conflict = self.journal.parent / "conflict"
        path = self.box.path()
        other = path.with_name("other")
        other.write_bytes(SMALL)
        self.box.give(other)
        os.rename(other, path)
        mail, aside = self.try_journal(self.octets)
        self.assertEqual((mail, aside), (SMALL, [self.octets]))
        self.box.wait_log("journal is damaged, or another program changed the file")
        self.assertTrue(conflict.exists())

    def test_G87_symlink(self):
        target = self.box.dir / "target"
        target.write_bytes(self.octets)
        self.box.put(SMALL)
        self.journal.unlink()
        self.journal.symlink_to(target)
        with self.box.client() as client:
            client.login_fails(code="[SYS/TEMP]")
        self.assertEqual((self.box.read(), target.read_bytes()), (SMALL, self.octets))


set_limit(300, Faults, Limits, Journals)


if __name__ == "__main__":
    harness.main()
