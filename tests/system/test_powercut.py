"""Group G, 83: the power fails at random times during UPDATE, on ext4, xfs and btrfs.

All processes stop, and a disk with them: of what was in its cache any part is on
it. The file system is mounted again, and recovered. The maildrop is the old one
or the new one then, and the new one if the client saw +OK. A program writes back
random ranges meanwhile and commits the file system's journal, as a kernel may at
any time; that the test can see damage at all is shown with a program that shifts
octets down without a journal. POPLAR_SOAK=1 cuts more often.
"""
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

import harness
import image
import strike
from client import ProtocolError
from disks import set_limit
from harness import measures, needs_root
from strike import Update

SOAK = os.environ.get("POPLAR_SOAK") == "1"
CUTS = 150 if SOAK else 5 if harness.INSTRUMENTED else 20
SHIFTS = 60 if SOAK else 20
SEED = int.from_bytes(os.urandom(4), "big")

ARRIVAL = strike.mbox([70_000, 300], first=100)
# as much as takes some ten milliseconds to move
MAIL = strike.mbox([3000] + [200_000 + 777 * n for n in range(25)])

setUpModule = image.enter_namespace


class Disturbance:
    """A program that writes back, at work on files of one folder."""

    def __init__(self, seed, folder, files):
        self.process = subprocess.Popen(
            [harness.BUILD / "tools" / "writeback", str(seed), folder / "other", *files])

    def end(self):
        self.process.kill()
        self.process.wait()


class PowerCutCase(harness.TestCase):
    """Images, and cuts at random times."""

    def setUp(self):
        self.seed = SEED
        self.rng = random.Random(self.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="poplar-cut-", dir=image.backing()))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.images = []

    def image(self, kind, name):
        made = image.Disk(kind, self.folder / name)
        self.addCleanup(made.umount)
        self.images.append(made)
        return made.folder

    def cut(self, pids):
        """The power fails, and no process acts on what it is told then."""
        for pid in pids:
            harness.kill(pid, signal.SIGSTOP)
        for disk in self.images:
            disk.cut(self.rng.getrandbits(31))

    def sync(self):
        for disk in self.images:
            disk.sync()

    def remount(self):
        for disk in self.images:
            disk.remount()


class DaemonCase(PowerCutCase):
    """Cuts during the daemon's UPDATE."""

    variant = ""

    def start(self, kind, apart):
        """A daemon with state folder and mail on one disk, or on two."""
        mail_disk = self.image(kind, "one")
        state_disk = self.image(kind, "two") if apart else mail_disk
        self.server = self.laid_out(privileged=True, variant=self.variant, options={
            "server.state_dir": state_disk / "state",
            "maildrop.path": f"{mail_disk}/mail/%u", "maildrop.lock_wait": "10s"})
        self.server.state_dir, self.server.mail = state_disk / "state", mail_disk / "mail"
        self.server.state_dir.mkdir(mode=0o700)
        self.server.mail.mkdir()
        shutil.chown(self.server.mail, 0, "mail")
        self.server.mail.chmod(0o2775)
        self.server.start()
        self.addCleanup(self._show_log, self.server)

    def begin(self, update):
        """Up to QUIT, all that was before on the disk; the disturbance at work."""
        self.server.put(update.mail)
        self.sync()
        client = update.begin(self.server, fresh=False)
        if update.arrival:
            self.sync()
        files = [self.server.path(), *self.server.state_dir.glob("*/journal")]
        disturbance = Disturbance(self.rng.getrandbits(31), self.images[0].folder, files)
        self.addCleanup(disturbance.end)
        return client, disturbance

    def dialogue(self, update):
        """What the client says while the power may fail."""
        return ["QUIT"]

    def say(self, client, update):
        for line in self.dialogue(update):
            client.send_line(line)

    def last_reply(self, client, update):
        """That to the last command, "" where none came."""
        try:
            for _ in self.dialogue(update)[1:]:
                client.status()
        except (ProtocolError, OSError):
            pass
        return strike.last_reply(client)

    def measure(self, update):
        """How long that takes, in seconds."""
        times = []
        for _ in range(5):
            client, disturbance = self.begin(update)
            begin = time.monotonic()
            self.say(client, update)
            said = self.last_reply(client, update)
            times.append(time.monotonic() - begin)
            disturbance.end()
            self.assertEqual(update.outcome(self, self.server.read(), said), "new")
        return statistics.median(times)

    def cut_recovery(self, seconds):
        """The power fails again, before all is put right."""
        self.server.process = self.server.spawn(["--recover"], stdin=subprocess.DEVNULL,
                                                stdout=subprocess.DEVNULL,
                                                stderr=subprocess.DEVNULL)
        time.sleep(self.rng.uniform(0, seconds))
        self.cut(self.server.members())
        self.server.kill_all()
        self.remount()

    def cut_once(self, update, seconds):
        client, disturbance = self.begin(update)
        self.say(client, update)
        time.sleep(seconds)
        self.cut(self.server.members())
        self.server.kill_all()
        said = self.last_reply(client, update)
        disturbance.end()
        self.remount()
        while self.rng.random() < 0.3:
            self.cut_recovery(seconds)
        if self.rng.random() < 0.5:
            self.assertEqual(strike.recover(self.server), 0)
            update.outcome(self, self.server.read(), said)
        self.server.start()
        strike.wait_settled(self.server)
        outcome = update.outcome(self, self.server.read(), said)
        update.check_session(self, self.server, outcome)
        return outcome, said.startswith("+OK")


class Cuts(DaemonCase):
    """Many of them."""

    def cuts(self, kind, apart, update):
        self.start(kind, apart)
        usual = self.measure(update)
        begin = time.monotonic()
        seen = {"old": 0, "new": 0}
        told = 0
        for _ in range(CUTS):
            try:
                outcome, ok = self.cut_once(update, self.rng.uniform(0, usual * 1.1))
            except AssertionError as error:
                raise AssertionError(f"seed {self.seed}: {error}") from error
            seen[outcome] += 1
            told += ok
        self.server.stop()
        print(f"# {kind}, state and mail on {'two disks' if apart else 'one disk'}: {CUTS} cuts "
              f"during {self.what} of {usual * 1000:.0f} ms, {seen['old']} old, {seen['new']} new, "
              f"{told} told +OK, 0 damaged ({time.monotonic() - begin:.1f} s)", flush=True)


@needs_root
class PowerCut(Cuts):
    """The daemon as it is."""

    what = "an UPDATE"

    def test_G83_ext4(self):
        self.cuts("ext4", False, Update(MAIL, [1]))

    def test_G83_ext4_two_disks(self):
        self.cuts("ext4", True, Update(MAIL, [1, 20]))

    def test_G83_xfs(self):
        self.cuts("xfs", False, Update(MAIL, [1]))

    def test_G83_xfs_two_disks(self):
        self.cuts("xfs", True, Update(MAIL, [1, 20]))

    def test_G83_btrfs(self):
        self.cuts("btrfs", False, Update(MAIL, [1]))

    def test_G83_btrfs_two_disks(self):
        self.cuts("btrfs", True, Update(MAIL, [1, 20]))

    def test_G83_mail_arrived(self):
        """Which was synced, as by those who deliver it."""
        self.cuts("ext4", False, Update(MAIL, [1], ARRIVAL))

    def test_G83_mail_arrived_behind_the_last(self):
        self.cuts("xfs", True, Update(MAIL, [25, 26], ARRIVAL))

    def test_G83_last(self):
        self.cuts("ext4", False, Update(MAIL, [25, 26]))

    def test_G83_last_xfs(self):
        self.cuts("xfs", False, Update(MAIL, [25, 26]))

    def test_G83_last_btrfs(self):
        self.cuts("btrfs", False, Update(MAIL, [25, 26]))


@needs_root
class FirstSession(Cuts):
    """From the login to a maildrop on of which nothing is known yet."""

    what = "a first session"

    def begin(self, update):
        self.server.wait_idle()
        for state in self.server.state_dir.iterdir():
            shutil.rmtree(state)
        self.server.put(update.mail)
        self.sync()
        disturbance = Disturbance(self.rng.getrandbits(31), self.images[0].folder,
                                  [self.server.path()])
        self.addCleanup(disturbance.end)
        return self.server.client(), disturbance

    def dialogue(self, update):
        return ["USER mrose", "PASS secret", *(f"DELE {n}" for n in sorted(update.numbers)), "QUIT"]

    def test_G83_first_ext4(self):
        self.cuts("ext4", False, Update(MAIL, [1]))

    def test_G83_first_xfs(self):
        self.cuts("xfs", True, Update(MAIL, [1, 20]))

    def test_G83_first_btrfs(self):
        self.cuts("btrfs", False, Update(MAIL, [25, 26]))


@measures
@needs_root
class Unsafe(PowerCutCase):
    """A program that is not safe is seen to damage the file."""

    def shift(self, path, update, seconds=None):
        """One run of it, cut after some time; how long it took."""
        path.write_bytes(update.old)
        self.sync()
        gone = len(update.old) - len(update.new)
        disturbance = Disturbance(self.rng.getrandbits(31), self.images[0].folder, [path])
        begin = time.monotonic()
        with subprocess.Popen([harness.BUILD / "tools" / "shift", path, "0", str(gone)],
                              stdout=subprocess.PIPE) as process:
            if seconds is not None:
                time.sleep(seconds)
                self.cut([process.pid])
                process.kill()
        disturbance.end()
        return time.monotonic() - begin

    def damaged(self, kind):
        update = Update(MAIL * 3, [1])
        path = self.image(kind, "one") / "mrose"
        usual = statistics.median(self.shift(path, update) for _ in range(5))
        cuts = damaged = 0
        while cuts < SHIFTS or (damaged == 0 and cuts < 10 * SHIFTS):
            self.shift(path, update, self.rng.uniform(0, usual * 1.1))
            self.remount()
            damaged += path.read_bytes() not in (update.old, update.new)
            cuts += 1
        print(f"# {kind}, octets shifted down without a journal: {cuts} cuts, "
              f"{damaged} damaged", flush=True)
        self.assertGreater(damaged, 0, "this test cannot see damage")

    def test_G83_sees_damage_on_ext4(self):
        self.damaged("ext4")

    def test_G83_sees_damage_on_xfs(self):
        self.damaged("xfs")

    def test_G83_sees_damage_on_btrfs(self):
        self.damaged("btrfs")


@measures
@needs_root
class Unsynced(DaemonCase):
    """The same daemon without a sync in UPDATE: each of the others is needed."""

    variant = "unsynced"

    def damaged(self, kind):
        if not (harness.BUILD / self.variant / "poplard").exists():
            self.skipTest("needs the build that syncs nothing (make VARIANT=unsynced)")
        update = Update(MAIL, [1])
        self.start(kind, False)
        usual = self.measure(update)
        cuts = damaged = 0
        while cuts < SHIFTS or (damaged == 0 and cuts < 10 * SHIFTS):
            cuts += 1
            try:
                self.cut_once(update, self.rng.uniform(0, usual * 1.5))
            except AssertionError:
                damaged += 1
                self.start_anew()
        self.server.stop(check=False)
        print(f"# {kind}, UPDATE without its syncs: {cuts} cuts, {damaged} damaged", flush=True)
        self.assertGreater(damaged, 0, "this test cannot see damage")

    def start_anew(self):
        if self.server.process is not None:
            self.server.kill_all()
        for path in (self.server.state_dir, self.server.mail):
            for name in path.iterdir():
                shutil.rmtree(name) if name.is_dir() else name.unlink()
        self.server.start()

    def test_G83_sees_missing_syncs_on_ext4(self):
        self.damaged("ext4")

    def test_G83_sees_missing_syncs_on_xfs(self):
        self.damaged("xfs")

    def test_G83_sees_missing_syncs_on_btrfs(self):
        self.damaged("btrfs")


set_limit(3600 if SOAK else 240, PowerCut, FirstSession, Unsafe, Unsynced)


if __name__ == "__main__":
    harness.main()
