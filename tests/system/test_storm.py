"""Delivery storms: 72 of the faults, and the promise that nothing is lost."""
import contextlib
import os

import harness
import programs
import storm
from harness import needs_program, needs_root

ORDERS = ("fcntl", "dotlock", "fcntl-dotlock", "dotlock-fcntl")


# more messages than any storm sees delivered
WITHOUT_END = 10 ** 9


class StormCase(harness.TestCase):
    """seconds: how long each blows; None: as long as the test command has time
    for, a tenth of that in a slow build."""

    seconds = None
    share = 0.1 if harness.INSTRUMENTED else 1


@needs_program("cc")
class OwnDeliverers(StormCase):
    """Every order of locks, two readers that rewrite, three that fetch."""

    def blow(self, count, title, privileged=False, **options):
        server = self.daemon(b"", privileged=privileged, options={
            f"maildrop.{key}": value for key, value in options.items()})
        tempest = storm.Storm(server)
        each = WITHOUT_END if self.seconds else int(count * self.share) // len(ORDERS)
        for order in ORDERS:
            tempest.deliver(order, each, 20)
        tempest.read("fcntl-dotlock", 1000)
        tempest.read("dotlock-fcntl", 2000, "replace")
        for seed in range(3):
            tempest.fetch(seed)
        tempest.judge(self, tempest.blow(self.seconds), title)

    def test_F72_unprivileged(self):
        self.blow(4000, "unprivileged")

    @needs_root
    def test_F72_spool_folder(self):
        self.blow(16000, "spool folder of group mail", privileged=True)
    test_F72_spool_folder.seconds = 400

    def test_F72_lock_hold_session(self):
        self.blow(2000, "lock_hold = session", lock_hold="session", privileged=os.geteuid() == 0)

    def test_the_storm_can_fail(self):
        """A server that heeds one kind of lock only is found out."""
        server = self.daemon(b"", options={"maildrop.dotlock": "off"})
        tempest = storm.Storm(server)
        for name in ("one", "two"):
            tempest.deliver("dotlock", 100000, 4, name=name)
        tempest.fetch(0)
        tempest.blow(8)
        with contextlib.suppress(storm.Torn):
            tempest.ledger.settle(tempest.remaining())
            self.assertNotEqual(tempest.ledger.faults, [])


@needs_root
class Debian(StormCase):
    """Debian's mail programs in the spool folder."""

    def setUp(self):
        missing = programs.lacking()
        if missing:
            self.skipTest(f"needs {' '.join(missing)}")
        server = self.daemon(b"", privileged=True)
        self.storm = storm.Storm(server)
        self.cast = programs.Programs(self.storm)

    def blow(self, title):
        for seed in range(2):
            self.storm.fetch(seed, 0.5)
        seconds = self.storm.blow(self.seconds or 40 * self.share)
        self.cast.finish()
        self.storm.judge(self, seconds, title)

    def test_F72_procmail_exim_dotlockfile_nail(self):
        for name in ("procmail", "exim", "dotlockfile"):
            self.cast.deliver(name, WITHOUT_END, 20)
        self.storm.deliver("dotlock-fcntl", WITHOUT_END, 100)
        self.cast.read("s-nail")
        self.blow("procmail, exim, dotlockfile, s-nail")

    def test_F72_mutt(self):
        self.storm.deliver("fcntl-dotlock", WITHOUT_END, 100)
        self.cast.deliver("dotlockfile", WITHOUT_END, 20)
        self.cast.read("mutt")
        self.blow("mutt, dotlockfile")


if __name__ == "__main__":
    harness.main()
