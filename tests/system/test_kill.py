"""Group G, kills: kill -9 at every system call of UPDATE, and at random
instants of it. After each one the maildrop is byte for byte the old one or the
new one, and the new one if the client was told so.

One run for each call, in three flavours: the session alone dies, session and
monitor die, everything dies. POPLAR_SOAK=1 runs all of it; without, as much as
fits the test command.
"""
import itertools
import os
import random
import shutil
import struct
import time
import unittest

import harness
import image
import oracle
import strike
from harness import measures, needs_root
from strike import Strike, Update

SOAK = os.environ.get("POPLAR_SOAK") == "1"

soak = unittest.skipUnless(SOAK, "long: runs in make soak")

KEPT = strike.mbox([900, 300_000, 1200, 260_000, 700])
ARRIVAL = strike.mbox([1500], first=90)
COPY = strike.message(50, 700)
SCENARIOS = {
    "first": Update(KEPT, [1]),
    "some, mail arriving": Update(KEPT, [1, 3], ARRIVAL),
    "last": Update(KEPT, [5]),
    # its journal is emptied behind the reply
    "large": Update(strike.mbox([900, 1_500_000, 700, 1_200_000]), [1]),
    "all": Update(KEPT, [1, 2, 3, 4, 5]),
    "copies": Update(oracle.mbox_of(COPY, strike.message(51, 900), COPY, COPY), [1, 3]),
}


def tell(text):
    print(f"# {text}", flush=True)


class KillCase(harness.TestCase):
    """Each kill ends with the same questions."""

    def setUp(self):
        self.kills = self.old = self.new = 0
        self.begin = time.monotonic()

    def tell(self, what):
        tell(f"{what}: {self.kills} kills, {self.old} old, {self.new} new, 0 damaged "
             f"({time.monotonic() - self.begin:.1f} s)")

    def server(self, **options):
        options["maildrop.lock_wait"] = "60s"
        return self.daemon(privileged=True, options=options)

    def judge(self, server, update, said, more=b""):
        """Nothing waits for a login any more: no dotlock, no journal."""
        outcome = update.outcome(self, server.read(), said, more)
        self.assertEqual(strike.leftovers(server), [])
        begin = time.monotonic()
        update.check_session(self, server, outcome)
        self.assertLess(time.monotonic() - begin, 20, "the next login had to wait")
        self.kills += 1
        setattr(self, outcome, getattr(self, outcome) + 1)
        return outcome

    def kill_at(self, server, update, number, target, flavour):
        """One run. Returns the Strike and what the client was told."""
        client = update.begin(server)
        session, [monitor] = server.session(), server.monitors()
        victims = {"session": [session], "monitor": [monitor], "session and monitor":
                   [session, monitor], "everything": [session, monitor, server.process.pid]}
        blow = Strike({"session": session, "monitor": monitor}[target], strike.KILL, number,
                      victims=victims[flavour], verbose=True)
        said = strike.quit_reply(client)
        return blow.finish(), said


@needs_root
class EveryCall(KillCase):
    """82: a kill at each system call from QUIT to the end, one run for each."""

    def sweep(self, name, target, flavour, after):
        server, update = self.server(), SCENARIOS[name]
        names = []
        for number in itertools.count(1):
            blow, said = self.kill_at(server, update, number, target, flavour)
            if blow.hit is None:
                break
            names.append(blow.hit)
            try:
                self.judge(server, update, said, after(server, number) or b"")
            except BaseException:
                tell(f"killed at call {number} ({blow.hit}) of the {target}: {names}")
                raise
        strike.wait_settled(server)
        self.assertEqual(strike.half_made(server), [])
        self.assertGreater(len(names), 10, "the session was not watched")
        self.assertIn("fsync" if target == "session" else "sendmsg", blow.calls)
        if target == "session":
            last = blow.calls[::-1]
            self.assertEqual(last.index("ftruncate") < last.index("write"), name == "large",
                             "a large journal is emptied behind the reply, a small one before")
        self.tell(f"{name} deleted, {flavour} killed at each call of the {target}")

    @needs_root
    def test_G84_delivery_before_recovery(self):
        """Mail comes between the crash and the recovery, and is kept."""
        more = strike.mbox([400], first=80)
        def after(server, number):
            server.process.wait(harness.PATIENCE)
            server.append(more)
            self.by_start(server, number)
            return more
        self.sweep("some, mail arriving", "session", "everything", after)

    @staticmethod
    def by_monitor(server, number):
        """The monitor, or another that the listener starts, has repaired it."""
        strike.wait_settled(server)

    @staticmethod
    def by_start(server, number):
        """A start of the daemon repairs it; every second time --recover does."""
        server.process.wait(harness.PATIENCE)
        if number % 2 == 0 and strike.recover(server) != 0:
            raise AssertionError("--recover failed")
        server.start()
        strike.wait_settled(server)


def add_sweeps():
    """A test for each scenario, flavour and traced process."""
    quick = {("first", "session"), ("some, mail arriving", "session and monitor"),
             ("last", "everything"), ("large", "session"), ("copies", "session"),
             ("all", "session and monitor")}
    flavours = (("session", "session", EveryCall.by_monitor),
                ("session", "session and monitor", EveryCall.by_monitor),
                ("session", "everything", EveryCall.by_start),
                ("monitor", "monitor", EveryCall.by_monitor),
                ("monitor", "everything", EveryCall.by_start))
    for name, (target, flavour, after) in itertools.product(SCENARIOS, flavours):
        def test(self, name=name, target=target, flavour=flavour, after=after):
            self.sweep(name, target, flavour, after)
        test.seconds = 900
        if (name, flavour) not in quick and (name, target) != ("first", "monitor"):
            test = soak(test)
        words = f"{target}_{name}_{flavour}".replace(",", "").replace(" ", "_")
        setattr(EveryCall, f"test_G82_{words}", test)


add_sweeps()


@needs_root
class Interrupted(KillCase):
    """What else may happen between a crash in UPDATE and its recovery."""

    UPDATE = Update(KEPT, [1, 3])
    WRITERS = ("pwrite64", "fsync", "fdatasync", "ftruncate")
    CHANGERS = (*WRITERS, "fallocate", "linkat", "unlinkat", "renameat", "symlinkat")

    def crash(self, server, number):
        """Everything is killed at a call of UPDATE. False: there is none."""
        client = self.UPDATE.begin(server)
        session, [monitor] = server.session(), server.monitors()
        blow = Strike(session, strike.KILL, number, self.WRITERS,
                      victims=[monitor, server.process.pid])
        strike.quit_reply(client)
        if blow.finish().hit is None:
            return False
        server.process.wait(harness.PATIENCE)
        server.process = None
        return True

    @staticmethod
    def journal(server):
        [path] = server.state_dir.glob("*/journal")
        return path.read_bytes()

    @staticmethod
    def is_pending(journal):
        """Whether the header that counts (journal.h) leaves something to be done."""
        heads = [struct.unpack_from("=12xIQ", journal[:1024].ljust(1024, b"\0"), slot)
                 for slot in (0, 512)]
        phase, sequence = max(heads, key=lambda head: head[1])
        return sequence > 0 and phase != 5

    def rewritten(self, rewrite):
        """A mail reader's version stays, a journal with work left in it is set aside."""
        theirs = strike.mbox([700, 1300, 250_000], first=30)
        server = self.server()
        aside = 0
        for number in itertools.count(1):
            if not self.crash(server, number):
                break
            journal = self.journal(server)
            rewrite(server, theirs)
            if number % 2 == 0:
                self.assertEqual(strike.recover(server), 0)
            server.start()
            with server.logged_in() as client:
                self.assert_served(client, oracle.parse(theirs))
                client.quit()
            self.assertEqual(server.read(), theirs)
            folders = list(server.state_dir.glob("*/conflict"))
            found = [path.read_bytes() for folder in folders for path in folder.iterdir()]
            self.assertEqual(found, [journal] if self.is_pending(journal) else [])
            aside += len(found)
            for folder in folders:
                shutil.rmtree(folder)
        self.assertGreater(aside, 3)
        tell(f"a mail reader rewrote the file after {number - 1} crashes: its version stayed, "
             f"{aside} journals set aside")

    def test_G85_reader_rewrites_in_place(self):
        self.rewritten(lambda server, mail: server.put(mail))

    def test_G85_reader_replaces(self):
        def replace(server, mail):
            server.path().unlink()
            server.put(mail)
        self.rewritten(replace)

    def test_G86_crashes_in_recovery(self):
        """--recover is killed at each of its calls, five times in a row; the
        sixth finishes what is left."""
        server, crashes = self.server(), 0
        for number in itertools.count(1):
            if not self.crash(server, number):
                break
            command = [server.binary, "--recover", "-c", server.conf]
            for first in itertools.count(1):
                blow = Strike.of_command(first, self.CHANGERS, command).finish()
                if blow.hit is None:
                    break
                crashes += 1
            self.assertEqual(strike.recover(server), 0)
            server.start()
            self.judge(server, self.UPDATE, "")
        self.assertGreater(crashes, 5 * number)
        self.tell(f"{crashes} more in recovery")


@measures
@needs_root
class RandomInstants(KillCase):
    """82: a maildrop of 100 MB, its first message deleted."""

    KILLS = 200 if SOAK else 15

    def test_G82_random_instants(self):
        update = Update(strike.mbox([3000] + [500_000] * 200), [1])
        folder = harness.pathlib.Path(
            harness.tempfile.mkdtemp(prefix="poplar-kill-", dir=image.backing()))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        server = self.elsewhere(folder)
        span = usual = self.measure(server, update)
        rng = random.Random()
        for number in range(self.KILLS):
            client = update.begin(server, fresh=server.read() != update.mail)
            victims = server.sessions()
            if number % 3 > 0:
                victims += server.monitors()
            if number % 3 > 1:
                victims.append(server.process.pid)
            client.send_line("QUIT")
            time.sleep(rng.uniform(0, span))
            for blow in harness.signal.SIGSTOP, harness.signal.SIGKILL:
                for pid in victims:
                    harness.kill(pid, blow)
            said = strike.last_reply(client)
            if number % 3 > 1:
                EveryCall.by_start(server, number)
            else:
                EveryCall.by_monitor(server, number)
            # the span follows the machine's pace: half of them find the old one
            span *= 1.1 if self.judge(server, update, said) == "old" else 1 / 1.1
        server.stop()
        self.tell(f"100 MB, at random instants of a QUIT of {usual * 1000:.0f} ms")

    test_G82_random_instants.seconds = 3600

    def elsewhere(self, folder):
        """A daemon with state and mail in a folder."""
        server = self.laid_out(privileged=True, options={
            "server.state_dir": folder / "state", "maildrop.path": f"{folder}/mail/%u",
            "maildrop.lock_wait": "30s"})
        server.state_dir, server.mail = folder / "state", folder / "mail"
        server.state_dir.mkdir(mode=0o700)
        server.mail.mkdir()
        shutil.chown(server.mail, 0, "mail")
        server.mail.chmod(0o2775)
        server.start()
        self.addCleanup(self._show_log, server)
        return server

    @staticmethod
    def measure(server, update):
        client = update.begin(server)
        begin = time.monotonic()
        strike.quit_reply(client)
        return time.monotonic() - begin


if __name__ == "__main__":
    harness.main()
