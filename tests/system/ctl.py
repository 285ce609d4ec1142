"""poplarctl for tests: runs it, with a users file and a configuration of their own."""
import os
import shutil
import subprocess
import tempfile
import unittest

BUILD = os.path.abspath(os.environ.get("POPLAR_BUILD", "build"))
POPLARCTL = os.path.join(BUILD, "poplarctl")
USAGE, DATAERR, NOINPUT, NOUSER, CANTCREAT, CONFIG = 64, 65, 66, 67, 73, 78


class TestCase(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.mkdtemp(prefix="poplarctl.")
        self.addCleanup(shutil.rmtree, self.place)
        self.users = os.path.join(self.place, "users")

    def ctl(self, *args, given=b"", code=0):
        """Runs poplarctl; returns what it said on both, as text."""
        done = subprocess.run([POPLARCTL, *args], input=given, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = done.stdout.decode(errors="replace")
        self.assertEqual(done.returncode, code, said)
        return said

    def passwd(self, *args, given=b"secret\n", code=0):
        return self.ctl("passwd", "-f", self.users, *args, given=given, code=code)

    def put(self, data, mode=0o600):
        with open(self.users, "wb") as file:
            file.write(data)
        os.chmod(self.users, mode)

    def lines(self):
        return self.octets().decode().splitlines()

    def octets(self):
        with open(self.users, "rb") as file:
            return file.read()

    def config(self, text, mode=0o600):
        path = os.path.join(self.place, "poplar.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path
