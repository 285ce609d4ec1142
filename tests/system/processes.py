"""For the tests of the daemon's processes, starts and reloads (91 to 113)."""
import pathlib
import subprocess

import harness
import oracle
from harness import PATIENCE, children, kill

MAIL = oracle.mbox_of(*(oracle.message_of(100 + 20 * n, b"%d" % n) for n in range(1, 4)))


class ProcessCase(harness.TestCase):
    def assert_service(self, server):
        server.wait_idle()
        with server.logged_in() as client:
            self.assert_served(client, oracle.parse(MAIL))
            client.quit()
        server.wait_idle()
        self.assertEqual(children(server.process.pid), [])

    def run_to_end(self, server, *arguments):
        """A start that is to fail: exit status, standard error."""
        process = server.spawn([*arguments], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _, text = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            self.fail(f"poplard {arguments} did not end")
        return process.returncode, text.decode()

    def background(self):
        """A daemon that went to the background, and its pid."""
        server = self.laid_out(MAIL)
        folder, server.conf = server.conf.parent, pathlib.Path(server.conf.name)
        with open(server.log_path, "ab") as log:
            process = server.spawn([], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   cwd=folder)
        self.assertEqual(process.wait(PATIENCE), 0)
        pid = int((server.run_dir / "poplard.pid").read_text())
        self.addCleanup(kill, pid)
        return server, pid
