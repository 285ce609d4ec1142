"""poplarctl passwd: what it does to the users file and says to people.

Run as python3 tests/system/test_passwd.py; POPLAR_BUILD names the build folder.
"""
import base64
import os
import pty
import select
import shutil
import signal
import stat
import subprocess
import time
import unittest

import runner
import scram
from ctl import BUILD, CANTCREAT, CONFIG, DATAERR, NOINPUT, NOUSER, POPLARCTL, TestCase, USAGE
from harness import crypted

UID = 54321  # no account has it, so its group is taken to be the same


class NewLines(TestCase):
    def test_first_user_makes_a_private_file(self):
        os.umask(0)
        self.addCleanup(os.umask, 0o022)
        said = self.passwd("-s", "-u", str(UID), "mrose")
        self.assertEqual(said, "mrose: added, password changed\n")
        self.assertEqual(stat.S_IMODE(os.stat(self.users).st_mode), 0o600)
        name, hashed, uid, gid, gecos, home, maildrop = self.lines()[0].split(":")
        self.assertEqual((name, uid, gid, gecos, home, maildrop),
                         ("mrose", str(UID), str(UID), "", "", ""))
        self.assertRegex(hashed, r"^\$y\$")
        self.assertEqual(os.listdir(self.place), ["users"])

    def test_hash_is_of_the_password(self):
        for secret in ("secret", " blanks at both ends ", "a:colon", "tab\there", "\u00fc\u20ac",
                       "x" * 255):
            with self.subTest(secret):
                self.passwd("-s", "-u", "1", "a", given=secret.encode() + b"\n")
                credential = self.lines()[0].split(":")[1]
                self.assertEqual(crypted(secret, credential), credential)

    def test_salts_differ(self):
        self.passwd("-s", "-u", "1", "a")
        self.passwd("-s", "-u", "1", "b")
        one, two = (line.split(":")[1] for line in self.lines())
        self.assertNotEqual(one, two)

    def test_every_field(self):
        self.passwd("-s", "-t", "plain", "-u", "54017", "-g", "54018", "-n", "M. Rose, Esq.",
                    "-d", "/home/mrose", "-m", "/srv/mail/mrose", "mrose@example.org")
        self.assertEqual(self.lines(), [
            "mrose@example.org:{PLAIN}secret:54017:54018:M. Rose, Esq.:/home/mrose:/srv/mail/mrose"])

    def test_maildrop_may_be_a_template(self):
        self.passwd("-s", "-u", "54017", "-m", "%h/mbox", "a")
        self.assertRegex(self.lines()[0], ":54017:54017:::%h/mbox$")

    def test_apop_and_plain_are_kept_as_they_are(self):
        self.passwd("-s", "-t", "apop", "-u", "54017", "mrose", given=b"tanstaaf\n")
        self.passwd("-s", "-t", "plain", "-u", "54017", "p", given=b" a b\t#%{}! \n")
        self.assertEqual(self.lines()[0], "mrose:{APOP}tanstaaf:54017:54017:::")
        self.assertEqual(self.lines()[1], "p:{PLAIN} a b\t#%{}! :54017:54017:::")

    def test_scram_keys_are_of_the_password(self):
        for secret in ("secret", " a:b\t", "\u00fc\u20ac", "x" * 255):
            self.passwd("-s", "-t", "scram", "-u", "54017", "a", given=secret.encode() + b"\n")
            credential = self.lines()[0].split(":")[1]
            iterations, salt, _, _ = credential.removeprefix("{SCRAM-SHA-256}").split(",")
            self.assertEqual(iterations, "10000")
            self.assertEqual(len(base64.b64decode(salt, validate=True)), 16)
            self.assertEqual(credential, scram.credential(secret, base64.b64decode(salt), 10000))

    def test_last_line_of_input_needs_no_line_end(self):
        self.passwd("-s", "-t", "plain", "-u", "54017", "a", given=b"secret")
        self.assertEqual(self.lines(), ["a:{PLAIN}secret:54017:54017:::"])

    def test_only_the_first_line_is_taken(self):
        self.passwd("-s", "-t", "plain", "-u", "54017", "a", given=b"one\ntwo\n")
        self.assertEqual(self.lines(), ["a:{PLAIN}one:54017:54017:::"])

    def test_ids_by_name_and_of_the_account(self):
        self.passwd("-s", "-t", "plain", "-u", "daemon", "a")
        self.passwd("-s", "-t", "plain", "daemon")
        self.passwd("-s", "-t", "plain", "-g", "mail", "-u", "54017", "c")
        self.assertEqual(self.lines(), ["a:{PLAIN}secret:1:1:::", "daemon:{PLAIN}secret:1:1:::",
                                        "c:{PLAIN}secret:54017:8:::"])

    def test_a_name_of_digits_is_no_uid(self):
        self.assertIn("-u", self.passwd("-s", "2000", code=NOUSER))

    def test_new_name_needs_a_uid(self):
        said = self.passwd("-s", "no-such-account", code=NOUSER)
        self.assertIn("give its uid with -u", said)
        self.assertEqual(os.listdir(self.place), [], "something was left behind")

    def test_locked_from_the_start(self):
        self.assertEqual(self.passwd("-L", "-u", "54017", "a"), "a: added, locked\n")
        self.assertEqual(self.lines(), ["a:!:54017:54017:::"])


class Refusals(TestCase):
    """Nothing of the file changes, whatever is wrong."""

    def setUp(self):
        super().setUp()
        self.before = b"# head\nmrose:{APOP}tanstaaf:54017:54017:::\n"
        self.put(self.before)

    def refused(self, *args, given=b"secret\n", code=DATAERR):
        said = self.passwd(*args, given=given, code=code)
        self.assertEqual(self.octets(), self.before)
        self.assertEqual(os.listdir(self.place), ["users"])
        self.assertNotIn("secret", said)
        return said

    def test_secrets(self):
        for scheme in ("crypt", "plain", "scram", "apop"):
            for given in (b"", b"\n", b"a\0b\n", b"a\rb\n", b"secret\r\n", b"x" * 256 + b"\n",
                          b"x" * 100000):
                with self.subTest(scheme=scheme, given=given[:9]):
                    self.refused("-s", "-t", scheme, "mrose", given=given)

    def test_colon_in_a_kept_secret(self):
        for scheme in ("plain", "apop"):
            self.assertIn("colon", self.refused("-s", "-t", scheme, "mrose", given=b"a:b\n"))

    def test_names(self):
        for name in ("", "a:b", "a b", "../x", ".x", "-", "a/b", "x.lock", "%u", "a\nb", "#a",
                     "a\tb", "a" * 256):
            with self.subTest(name):
                self.refused("-s", "-u", "54017", "--", name)

    def test_fields(self):
        for args in (["-d", "home"], ["-d", "/a:b"], ["-m", "mail"], ["-m", "/a\nb"],
                     ["-n", "a:b"], ["-n", "a\nroot:!:0:0:::"], ["-m", "/" + "x" * 5000],
                     ["-u", "0"], ["-u", "root"]):
            with self.subTest(args):
                self.refused("-s", *args, "mrose")

    def test_ids(self):
        for args in (["-u", "-1"], ["-u", "0x10"], ["-u", "4294967295"], ["-u", ""],
                     ["-g", "no-such-group"], ["-u", "no-such-account"]):
            with self.subTest(args):
                self.refused("-s", *args, "mrose", code=NOUSER)

    def test_usage(self):
        for args in ([], ["a", "b"], ["-x", "a"], ["-t", "md5", "a"], ["-L", "-U", "a"],
                     ["-L", "-s", "a"], ["-U", "-t", "plain", "a"], ["-u"]):
            with self.subTest(args):
                self.assertIn("usage: poplarctl passwd", self.refused(*args, code=USAGE))

    def test_two_lines_of_one_name(self):
        self.before += b"\nmrose:!:54017:54017:::\n"
        self.put(self.before)
        said = self.refused("-s", "mrose")
        self.assertIn(f"{self.users}:4: ", said)
        self.assertIn("line, 2;", said)

    def test_line_of_too_many_fields(self):
        self.before = b"mrose:!:54017:54017::::x\n"
        self.put(self.before)
        self.assertIn(f"{self.users}:1: ", self.refused("-s", "mrose"))

    def test_line_whose_ids_are_no_numbers(self):
        for ids in (b"x:5000", b"5000:x", b"5000:-1", b"0x1:5000"):
            self.before = b"alice:!:" + ids + b":::\n"
            self.put(self.before)
            said = self.refused("-s", "alice")
            self.assertIn("uid or gid in alice's line is no number; give both", said)
        self.passwd("-s", "-u", "5000", "-g", "5001", "alice", given=b"tanstaaf")
        self.assertIn(b":5000:5001:", self.octets())

    def test_no_terminal(self):
        said = subprocess.run([POPLARCTL, "passwd", "-f", self.users, "mrose"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60,
                              start_new_session=True)
        self.assertEqual(said.returncode, NOINPUT)
        self.assertIn(b"-s takes it", said.stderr)

    def test_not_a_plain_file(self):
        for path in ("/dev/null", self.place, "/nonexistent/users"):
            with self.subTest(path):
                self.ctl("passwd", "-f", path, "-s", "-u", "54017", "a", given=b"x\n", code=CANTCREAT)


class Changes(TestCase):
    def test_all_else_stays(self):
        before = (b"# users\n\n  odd line: kept\nfirst:!:1:1:::\r\n\xff\xfe\0binary\n"
                  b"mrose:{APOP}old:54017:54018:Full Name:/home/m:/var/mail/m\n"
                  b"mrose2:!:1:1:::\nxmrose:!:1:1:::\n#mrose:!:1:1:::\nlast without end")
        self.put(before)
        self.passwd("-s", "-t", "apop", "mrose", given=b"new\n")
        self.assertEqual(self.octets(), before.replace(b"{APOP}old", b"{APOP}new"))
        self.passwd("-s", "-t", "plain", "-u", "54005", "new", given=b"x\n")
        self.assertEqual(self.octets(), before.replace(b"{APOP}old", b"{APOP}new") +
                         b"\nnew:{PLAIN}x:54005:54005:::\n")

    def test_last_line_without_end_is_changed_in_place(self):
        self.put(b"a:!:1:1:::\nb:!:1:1:::")
        self.passwd("-s", "-t", "plain", "b")
        self.assertEqual(self.octets(), b"a:!:1:1:::\nb:{PLAIN}secret:1:1:::")

    def test_fields_given_change_and_others_stay(self):
        self.put(b"a:!:54017:54018:Name:/home/a:/m\n")
        self.passwd("-s", "-t", "plain", "-u", "54020", "-m", "", "a")
        self.assertEqual(self.lines(), ["a:{PLAIN}secret:54020:54018:Name:/home/a:"])

    def test_ids_left_to_the_system_stay_so(self):
        self.put(b"a:!:::::\n")
        self.passwd("-s", "-t", "plain", "a")
        self.assertEqual(self.lines(), ["a:{PLAIN}secret:::::"])

    def test_short_line_is_completed(self):
        self.put(b"a:!:54017:54018\n")
        self.passwd("-s", "-t", "plain", "a")
        self.assertEqual(self.lines(), ["a:{PLAIN}secret:54017:54018:::"])

    def test_lock_and_unlock(self):
        self.put(b"a:{APOP}s:54017:54017:::\n")
        self.assertEqual(self.passwd("-L", "a"), "a: locked\n")
        self.assertEqual(self.lines(), ["a:!{APOP}s:54017:54017:::"])
        self.passwd("-L", "a")
        self.assertEqual(self.lines(), ["a:!{APOP}s:54017:54017:::"])
        self.assertEqual(self.passwd("-U", "a"), "a: unlocked\n")
        self.assertEqual(self.lines(), ["a:{APOP}s:54017:54017:::"])
        self.passwd("-U", "a")
        self.assertEqual(self.lines(), ["a:{APOP}s:54017:54017:::"])

    def test_new_password_unlocks(self):
        self.put(b"a:!{APOP}s:54017:54017:::\n")
        self.passwd("-s", "-t", "plain", "a")
        self.assertEqual(self.lines(), ["a:{PLAIN}secret:54017:54017:::"])

    def test_nothing_to_unlock(self):
        for credential in ("!", "*", ""):
            self.put(f"a:{credential}:54017:54017:::\n".encode())
            self.assertIn("set one", self.passwd("-U", "a", code=DATAERR))
        self.passwd("-U", "b", code=NOUSER)


class Files(TestCase):
    def test_mode_stays(self):
        for mode in (0o600, 0o640, 0o400):
            self.put(b"a:!:54017:54017:::\n", mode)
            self.assertEqual(self.passwd("-L", "a"), "a: locked\n")
            self.assertEqual(stat.S_IMODE(os.stat(self.users).st_mode), mode)

    def test_warns_of_a_mode_that_poplard_refuses(self):
        for mode in (0o644, 0o660, 0o602):
            self.put(b"a:!:54017:54017:::\n", mode)
            self.assertIn("chmod", self.passwd("-L", "a"))
            self.assertEqual(stat.S_IMODE(os.stat(self.users).st_mode), mode)

    @unittest.skipIf(os.geteuid() != 0, "needs root to make a file of another user")
    def test_owner_stays(self):
        self.put(b"a:!:54017:54017:::\n", 0o640)
        os.chown(self.users, 1, 8)
        self.passwd("-L", "a")
        now = os.stat(self.users)
        self.assertEqual((now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)), (1, 8, 0o640))

    def test_symbolic_link_stays_one(self):
        self.put(b"a:!:54017:54017:::\n")
        link = os.path.join(self.place, "link")
        os.symlink("users", link)
        self.ctl("passwd", "-f", link, "-s", "-t", "plain", "a", given=b"x\n")
        self.assertTrue(os.path.islink(link))
        self.assertEqual(self.lines(), ["a:{PLAIN}x:54017:54017:::"])

    def test_old_file_is_replaced_and_not_written(self):
        self.put(b"a:!:54017:54017:::\n")
        with open(self.users, "rb") as old:
            self.passwd("-s", "-t", "plain", "a")
            self.assertEqual(old.read(), b"a:!:54017:54017:::\n")

    def test_full_disk_leaves_the_old_file(self):
        before = b"".join(b"user%d:!:54017:54017:::\n" % n for n in range(2000))
        self.put(before)
        ends = {"": CANTCREAT}
        if os.path.basename(BUILD) != "coverage":  # whose counters are in a file, too
            ends["-"] = -signal.SIGXFSZ
        for trap, code in ends.items():
            done = subprocess.run(["sh", "-c", f'ulimit -f 8; trap "{trap}" XFSZ; exec "$@"', "sh",
                                   POPLARCTL, "passwd", "-f", self.users, "-L", "user7"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
            self.assertEqual(done.returncode, code, done.stdout)
            self.assertIn(b"File too large", done.stdout)
            self.assertEqual(self.octets(), before)
            self.assertEqual(os.listdir(self.place), ["users"])

    def test_folder_that_cannot_be_synced(self):
        """As where its owner may write to it and not read it: changed all the same."""
        self.put(b"a:!:54017:54017:::\n")
        binary = shutil.copy(POPLARCTL, self.place)
        who = {"user": UID, "group": UID, "extra_groups": []} if os.geteuid() == 0 else {}
        for path in (self.place, self.users) if who else ():
            os.chown(path, UID, UID)
        os.chmod(self.place, 0o300)
        done = subprocess.run([binary, "passwd", "-f", self.users, "-s", "-t", "plain", "a"],
                              input=b"secret\n", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, **who)
        os.chmod(self.place, 0o700)
        self.assertEqual(done.returncode, CANTCREAT)
        self.assertIn(b"users is changed, but not yet on the disk: ", done.stdout)
        self.assertNotIn(b"password changed", done.stdout)
        self.assertEqual(self.octets(), b"a:{PLAIN}secret:54017:54017:::\n")

    def test_a_large_file(self):
        before = b"".join(b"user%d:!:54017:54017:::\n" % n for n in range(100000))
        self.put(before)
        self.passwd("-s", "-t", "plain", "user99999")
        self.assertEqual(self.octets(), before.replace(b"user99999:!", b"user99999:{PLAIN}secret"))

    def test_concurrent_runs_lose_nothing(self):
        runs = [subprocess.Popen([POPLARCTL, "passwd", "-f", self.users, "-s", "-t", "plain",
                                  "-u", str(54100 + n), f"user{n}"], stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL) for n in range(30)]
        for n, run in enumerate(runs):
            run.communicate(b"secret%d\n" % n, timeout=60)
            self.assertEqual(run.returncode, 0)
        self.assertEqual(sorted(self.lines()), sorted(
            f"user{n}:{{PLAIN}}secret{n}:{54100 + n}:{54100 + n}:::" for n in range(30)))
        self.assertEqual(os.listdir(self.place), ["users"])


class Terminal(TestCase):
    """The dialogue on a terminal, which shows no password."""

    def dialogue(self, *answers, again=None):
        """again: what is typed once more as long as nothing comes of it."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(POPLARCTL, [POPLARCTL, "passwd", "-f", self.users, "-t", "plain",
                                 "-u", "54017", "mrose"])
        shown = b""
        for answer in answers:
            shown += self.until(terminal, b": ")
            os.write(terminal, answer)
        shown += self.until(terminal, None, again)
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown

    def until(self, terminal, mark, again=None):
        shown, end = b"", time.monotonic() + 20
        while mark is None or not shown.endswith(mark):
            ready, _, _ = select.select([terminal], [], [], 0.2)
            self.assertLess(time.monotonic(), end, f"nothing came after {shown}")
            if not ready:
                if again is not None:
                    os.write(terminal, again)
                continue
            try:
                data = os.read(terminal, 1000)
            except OSError:  # the other side is gone
                break
            if not data:
                break
            shown += data
        return shown

    def test_asked_twice(self):
        code, shown = self.dialogue(b"geheim\n", b"geheim\n")
        self.assertEqual(code, 0, shown)
        self.assertIn(b"New password for mrose: ", shown)
        self.assertNotIn(b"geheim", shown)
        self.assertEqual(self.lines(), ["mrose:{PLAIN}geheim:54017:54017:::"])

    def test_answers_differ(self):
        code, shown = self.dialogue(b"geheim\n", b"gehiem\n")
        self.assertEqual(code, DATAERR, shown)
        self.assertIn(b"differ", shown)
        self.assertEqual(os.listdir(self.place), [])

    def test_interrupted(self):
        code, shown = self.dialogue(b"gehe\x03", again=b"\x03")
        self.assertNotEqual(code, 0, shown)
        self.assertNotIn(b"gehe", shown)
        self.assertEqual(os.listdir(self.place), [])


class Configured(TestCase):
    def test_users_file_of_the_configuration(self):
        config = self.config(f"[auth]\nusers_file = {self.users}\n")
        self.ctl("passwd", "-c", config, "-s", "-t", "plain", "-u", "54000", "a", given=b"x\n")
        self.assertEqual(self.lines(), ["a:{PLAIN}x:54000:54000:::"])

    def test_warns_of_a_uid_below_first_uid(self):
        config = self.config(f"[auth]\nusers_file = {self.users}\nfirst_uid = 500\n")
        said = self.ctl("passwd", "-c", config, "-L", "-u", "499", "a")
        self.assertIn("below auth.first_uid", said)
        said = self.ctl("passwd", "-c", config, "-L", "-u", "500", "a")
        self.assertNotIn("below", said)

    def test_bad_configuration(self):
        config = self.config("[auth]\nusers_file = users\n")
        said = self.ctl("passwd", "-c", config, "-L", "-u", "54017", "a", code=CONFIG)
        self.assertIn(f"{config}:2: auth.users_file: ", said)

    def test_option_f_needs_no_configuration(self):
        self.ctl("passwd", "-c", "/nonexistent", "-f", self.users, "-L", "-u", "54017", "a")


if __name__ == "__main__":
    runner.main()
