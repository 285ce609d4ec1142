"""The runner itself: a test that is ended from outside, or by its own limit,
is told as failed and leaves neither a process nor a file behind.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import harness
from harness import wait_until

HERE = pathlib.Path(__file__).resolve().parent

PIECE = """\
import time
import harness

class Ended(harness.TestCase):
    def test_1_waits(self):
        server = self.daemon(b"")
        print("pid", server.process.pid, flush=True)
        for number in range(2):
            with self.subTest(number):
                self.wait()

    def wait(self):
        try:
            time.sleep(30)
        except Exception:
            time.sleep(30)

    test_1_waits.seconds = {seconds}

    def test_2_comes_behind(self):
        pass

harness.main()
"""


class Ends(harness.TestCase):
    def piece(self, seconds):
        """That piece in a process group of its own, once its daemon runs."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="poplar-runner-"))
        self.folder.chmod(0o1777)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        environment = {"TMPDIR": str(self.folder), "PYTHONPATH": str(HERE)}
        process = subprocess.Popen(
            [sys.executable, "-c", PIECE.format(seconds=seconds)], stdout=subprocess.PIPE,
            text=True, start_new_session=True, env=os.environ | environment)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.daemon_pid = int(process.stdout.readline().split()[1])
        self.addCleanup(harness.kill, self.daemon_pid)
        return process

    def assert_ended(self, process, why, verdicts):
        said, _ = process.communicate(timeout=harness.PATIENCE)
        self.assertEqual(process.returncode, 1)
        self.assertIn(why, said)
        lines = [line.partition(" (")[0] for line in said.splitlines() if line[:1] != "#"]
        self.assertEqual([line for line in lines if line[0] in "no1"], verdicts)
        wait_until(lambda: harness.proc_stat(self.daemon_pid) is None, what="the daemon's end")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_interrupted(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                process = self.piece(50)
                os.killpg(process.pid, number)
                self.assert_ended(process, f"interrupted by {number.name}", [
                    "not ok 1 - -c Ended.test_1_waits", "1..1"])

    def test_out_of_time(self):
        self.assert_ended(self.piece(10), "the test ran out of time", [
            "not ok 1 - -c Ended.test_1_waits", "ok 2 - -c Ended.test_2_comes_behind", "1..2"])


if __name__ == "__main__":
    harness.main()
