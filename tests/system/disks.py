"""For the tests of group G: maildrops to change, and daemons whose files are on
some disk."""
import shutil

import harness
import strike

KEPT = strike.mbox([900, 300_000, 1200, 260_000, 700])
SMALL = strike.mbox([300, 900, 400, 600])
# far more octets to move than a gap of one small message lets go in steps
NARROW = strike.mbox([100] + [500_000] * 4)


class DiskCase(harness.TestCase):
    """A daemon whose mail and state are on disks of the test's."""

    def server(self, mail=None, state=None, **options):
        """mail, state: folders of other file systems to use."""
        options["maildrop.lock_wait"] = "5s"
        server = self.laid_out(privileged=True)
        if mail is not None:
            server.mail = mail / "mail"
            server.mail.mkdir()
            shutil.chown(server.mail, 0, "mail")
            server.mail.chmod(0o2775)
            options["maildrop.path"] = f"{server.mail}/%u"
        if state is not None:
            server.state_dir = state / "state"
            server.state_dir.mkdir(mode=0o700)
            options["server.state_dir"] = server.state_dir
        server.options.update(options)
        server.write_conf()
        server.start()
        self.addCleanup(server.stop)
        self.addCleanup(self._show_log, server)
        return server

    def repaired(self, server, update, said):
        """After the next login. Returns "old" or "new"."""
        server.logged_in().quit()
        outcome = update.outcome(self, server.read(), said)
        update.check_session(self, server, outcome)
        self.assertEqual(strike.leftovers(server), [])
        return outcome


def set_limit(seconds, *cases):
    """So long may each test of these cases take."""
    for tests in cases:
        for name in dir(tests):
            if name.startswith("test_"):
                getattr(tests, name).seconds = seconds
