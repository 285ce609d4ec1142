"""poplarctl check and keys, and what it says of wrong usage.

Run as python3 tests/system/test_ctl.py; POPLAR_BUILD names the build folder.
"""
import os
import re
import subprocess
import unittest

import runner
from ctl import CONFIG, POPLARCTL, TestCase, USAGE


class Check(TestCase):
    def wrong(self, text, *args, mode=0o600, at="poplar.conf"):
        config = self.config(text, mode)
        said = self.ctl("check", "-c", config, *args, code=CONFIG)
        for line in said.splitlines():
            self.assertRegex(line, f"^{re.escape(self.place)}/poplar.conf:|^-o ")
        return said.replace(self.place + "/", "").splitlines()

    def test_every_fault_is_told(self):
        said = self.wrong("x = 1\n[listen]\npop3 = 110\n[session]\nidle_timeout = 5m\n"
                          "max = 7\nmax = 8\nfoo = 1\n[nowhere]\na = b\n[maildrop]\n"
                          "uidl = other\n", "-o", "session.max=0", "-o", "foo")
        self.assertEqual([re.match(r"(poplar\.conf:\d+|-o [\w.]+)", line)[0] for line in said],
                         ["poplar.conf:1", "poplar.conf:3", "poplar.conf:5", "poplar.conf:7",
                          "poplar.conf:8", "poplar.conf:9", "poplar.conf:12", "-o session.max",
                          "-o foo"])

    def test_good(self):
        for name in ("state", "run"):
            os.mkdir(os.path.join(self.place, name), 0o700)
        config = self.good()
        self.assertEqual(self.ctl("check", "-c", config), "configuration is good\n")
        self.put(b"a:{PLAIN}tanstaaf:1:1:::\n", 0o644)
        said = self.ctl("check", "-c", config, code=CONFIG)
        self.assertIn(self.users, said)
        self.assertNotIn("tanstaaf", said)

    def good(self):
        return self.config(f"[server]\nuser = daemon\nstate_dir = {self.place}/state\n"
                           f"run_dir = {self.place}/run\n[auth]\nbackends = users\n"
                           f"users_file = {self.users}\n[listen]\npop3 = 127.0.0.1:1110\n")

    def test_no_folder_for_maildrops(self):
        config = self.good()
        with open(os.path.join(self.place, "file"), "w", encoding="ascii"):
            pass
        for folder, says in ((self.place, None), ("/", None), ("%h", None),
                             (f"{self.place}/file", "is no folder"),
                             (f"{self.place}/none", ": No such file"),
                             (f"{self.place}/none/%d", ": No such file")):
            said = self.ctl("check", "-c", config, "-o", f"maildrop.path={folder}/%n")
            self.assertIn("configuration is good\n", said)
            if says is None:
                self.assertNotIn("warning", said)
            else:
                self.assertIn(f"warning: maildrop.path: {folder.removesuffix('/%d')}", said)
                self.assertIn(says, said)

    def test_lines_that_never_log_in(self):
        config = self.good()
        for line, says in ((b"a:!:5000:5000:::\r\n", "a CR at the end of the line"),
                           (b"a:!:5000:5000:::%x\n", "the maildrop cannot be expanded"),
                           (b"a:!:5000:5000:::/srv/%\n", "the maildrop cannot be expanded"),
                           (b"a:!:5000:5000:::/srv/mail/\n", "the maildrop is a folder")):
            self.put(line)
            self.assertIn(f"{self.users}:1: {says}", self.ctl("check", "-c", config, code=CONFIG))
        self.put(b"a@b:!:5000:5000:::/srv/%d/%n%%\nc:!:5000:5000::/srv/c:%h/%u\nd:!:5000:5000:::%h\n")
        self.assertEqual(self.ctl("check", "-c", config), "configuration is good\n")

    def test_users_file_that_nobody_asks(self):
        config = self.good()
        self.put(b"a:{PLAIN}:5000:5000:::\n")
        self.ctl("check", "-c", config, code=CONFIG)
        said = self.ctl("check", "-c", config, "-o", "auth.backends=pam")
        self.assertIn("configuration is good\n", said)
        self.assertNotIn(str(self.users), said)

    def test_one_maildrop_for_all(self):
        config = self.good()
        for path, warned in ((self.place, True), (f"{self.place}/%%u", True),
                             (f"{self.place}/%u", False), (f"{self.place}/%d", False),
                             ("%h/mbox", False)):
            said = self.ctl("check", "-c", config, "-o", f"maildrop.path={path}")
            self.assertIn("configuration is good\n", said)
            self.assertEqual(f"warning: maildrop.path: {path} is one file for all" in said, warned)

    def test_users_who_cannot_log_in(self):
        config = self.good()
        lines = [b"user%d:!:5000:5000:::\n" % n for n in range(12)]
        self.put(b"".join(lines))
        self.assertEqual(self.ctl("check", "-c", config), "configuration is good\n")
        self.put(b"".join([*lines, b"# twice\n", lines[1], lines[1], lines[10]]))
        said = self.ctl("check", "-c", config, code=CONFIG)
        for line, before in ((14, 2), (15, 14), (16, 11)):
            self.assertIn(f"{self.users}:{line}: the name of line {before} again", said)
        self.assertEqual(said.count(" again"), 3, said)
        if os.geteuid() != 0:
            return
        self.put(b"a:!:0:0:::\nb:*:999:5000:::\nc:{PLAIN}x:999:5000:::\nd:{PLAIN}x:0:0:::\n"
                 b"e:{PLAIN}x:1000:5000:::\n")
        said = self.ctl("check", "-c", config)
        self.assertIn(f"{self.users}: 2 users cannot log in: their uid is root's or below "
                      "auth.first_uid (1000); the first is in line 3", said)
        self.assertIn("configuration is good", said)

    def test_file_that_others_can_write(self):
        for mode in (0o620, 0o602, 0o666):
            self.assertEqual(self.wrong("", mode=mode), [
                "poplar.conf: can be written by its group or by others; chmod go-w it"])

    @unittest.skipIf(os.geteuid() != 0, "needs root to make a file of another user")
    def test_file_of_another_user(self):
        config = self.config("")
        os.chown(config, 1, 1)
        said = self.ctl("check", "-c", config, code=CONFIG)
        self.assertIn("belongs to another user", said)

    def test_absent_file(self):
        said = self.ctl("check", "-c", os.path.join(self.place, "absent"), code=CONFIG)
        self.assertIn("No such file", said)

    def test_usage(self):
        for args in (["check", "x"], ["check", "-x"], ["keys", "x"], ["foo"], [], ["-V", "x"]):
            self.assertIn("usage: poplarctl", self.ctl(*args, code=USAGE))

    def test_version(self):
        self.assertRegex(self.ctl("-V"), r"^poplarctl [0-9]+\.[0-9.]+\n$")

    def test_nowhere_to_say_it(self):
        config = self.good()
        for args in (["-V"], ["keys"], ["check", "-c", config]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([POPLARCTL, *args], stdout=full, stderr=subprocess.PIPE,
                                      timeout=60, check=False)
            self.assertEqual(done.returncode, 74)
            self.assertIn(b"standard output cannot be written", done.stderr)

    def test_keys(self):
        keys = dict(line.partition(" ")[::2] for line in self.ctl("keys").splitlines())
        self.assertEqual(keys["listen.pop3"], "*:110")
        self.assertEqual(keys["session.idle_timeout"], "10m")
        self.assertEqual(keys["tls.certificate"], "")

    def test_every_default_is_legal_in_a_file(self):
        for line in self.ctl("keys").splitlines():
            name, _, value = line.partition(" ")
            config = self.config("[{}]\n{} = {}\n".format(*name.split("."), value))
            said = subprocess.run([POPLARCTL, "check", "-c", config],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  timeout=60).stderr.decode()
            self.assertNotIn(f"{config}:", said)


if __name__ == "__main__":
    runner.main()
