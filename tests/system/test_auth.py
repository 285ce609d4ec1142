"""Group B: who gets in. Rows of PAM are in test_auth_pam.py."""
import base64
import hashlib
import os
import re
import secrets
import time

import harness
import oracle
from harness import crypted, memory_of, needs_root

MAIL = oracle.mbox_of(oracle.message_of(120), oracle.message_of(200, b"2"))


def hashed(password):
    return crypted(password, f"$6$rounds=1000${secrets.token_hex(8)}")


def scram(password, iterations=4096):
    """RFC 5803 with the fields in the order iterations,salt,StoredKey,ServerKey."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hashlib.new("sha256", hmac(salted, b"Client Key")).digest()
    fields = [salt, client, hmac(salted, b"Server Key")]
    return "{SCRAM-SHA-256}%d,%s" % (
        iterations, ",".join(base64.b64encode(f).decode() for f in fields))


def hmac(key, text):
    pads = [bytes(b ^ pad for b in key.ljust(64, b"\0")) for pad in (0x36, 0x5c)]
    return hashlib.sha256(pads[1] + hashlib.sha256(pads[0] + text).digest()).digest()


class AuthCase(harness.TestCase):
    def serve(self, users, **options):
        server = self.daemon(users=users, options={
            f"{key.replace('__', '.')}": value for key, value in options.items()})
        for name in users:
            if re.fullmatch(r"[\w@+-]+", name):
                server.put(MAIL, name)
        return server


class Credentials(AuthCase):
    def test_every_kind(self):
        users = {"hash": hashed("secret"), "named": "{CRYPT}" + hashed("secret"),
                 "plain": "{PLAIN}secret", "scram": scram("secret"), "locked": "!"}
        server = self.serve(users, auth__max_attempts=20)
        for name in users:
            with self.subTest(name=name), server.client() as client:
                if name == "locked":
                    client.login_fails(name)
                else:
                    client.login_fails(name, "Secret")
                    client.login_fails(name, "secret ")
                    client.login_fails(name, "secre")
                    client.login(name)
                    self.assertEqual(client.stat(), (2, 320))

    def test_B25_one_text_for_all_reasons(self):
        server = self.serve({
            "mrose": "{PLAIN}secret", "locked": "!", "root": {"credential": "{PLAIN}secret", "uid": 0},
            "low": {"credential": "{PLAIN}secret", "uid": 999}, "apop": "{APOP}secret",
        }, auth__failure_delay="300ms", auth__first_uid=1000)

        def attempt(name, password, reason):
            with server.client() as client:
                client.ok(f"USER {name}")
                begin = time.monotonic()
                reply = client.err(f"PASS {password}", "[AUTH]")
                took = time.monotonic() - begin
            server.wait_log(rf" ip=127\.0\.0\.1 .*login=fail reason={reason} user={name}$")
            return reply, took

        self.assert_refused_alike(attempt, (
            ("mrose", "wrong", "password"), ("nobody-here", "secret", "unknown"),
            ("locked", "secret", "locked"),
            ("root", "secret", 'locked detail="uid"'), ("low", "secret", 'locked detail="uid"'),
            ("apop", "secret", 'password detail="mechanism"')), 0.3)

    def test_B25_log_tells_address_before_name(self):
        server = self.serve({"mrose": "{PLAIN}secret"})
        with server.client() as client:
            client.ok("USER x=127.0.0.9")
            client.err("PASS login=ok")
        line = server.wait_log("login=fail")
        self.assertIn("ip=127.0.0.1", line)
        self.assertNotIn("login=ok", line)

    def test_B26_empty_name_or_password(self):
        server = self.serve({"mrose": "{PLAIN}secret", "void": "{PLAIN}"})
        with server.client() as client:
            for line in ("USER", "USER ", "USER   ", "PASS", "PASS "):
                client.err(line)
            client.ok("USER mrose")
            client.err("PASS ")
        with server.client() as client:
            client.ok("USER void")
            client.err("PASS")

    def test_B27_pass_needs_user(self):
        server = self.serve({"mrose": "{PLAIN}secret"})
        with server.client() as client:
            client.err("PASS secret")
            client.login_fails("mrose", "wrong")
            client.err("PASS secret")  # the old name is not used again
            for refused in ("PASS ", "PASS " + "x" * 256, "USER ", "USER " + "n" * 256, "NOOP"):
                client.ok("USER mrose")
                client.err(refused)
                client.err("PASS secret", "send USER first")
            client.login("mrose", "secret")

    def test_B27_second_user_replaces_the_first(self):
        server = self.serve({"mrose": "{PLAIN}secret", "dewey": "{PLAIN}other"})
        server.put(b"", "dewey")
        with server.client() as client:
            client.ok("USER mrose")
            client.ok("USER dewey")
            client.ok("PASS other")
            self.assertEqual(client.stat(), (0, 0))

    def test_B28_passwords_byte_exact(self):
        passwords = (b" lead", b"trail ", b"  both  ", b"in side", b"tab\tin", b"\ttab", b"100%s%n",
                     "größe".encode(), b"\xff\xfe", b"x" * 255, b"#hash", b'"quoted"', b"{PLAIN}x",
                     b"!", b"a,b=c")
        users = {f"u{n}": b"{PLAIN}" + p for n, p in enumerate(passwords)}
        users.update({f"h{n}": hashed(p.decode("utf-8")) for n, p in enumerate(passwords)
                      if p != b"\xff\xfe"})
        server = self.serve(users)
        for n, password in enumerate(passwords):
            for name in (f"u{n}", f"h{n}"):
                if name not in users:
                    continue
                with self.subTest(password=password, name=name), server.client() as client:
                    client.login_fails(name, password + b" ")
                    client.login_fails(name, password[:-1] or b"?")
                    client.ok(f"USER {name}")
                    client.ok(b"PASS " + password)

    def test_B28_only_the_first_blank_separates(self):
        server = self.serve({"mrose": "{PLAIN} secret"})
        with server.client() as client:
            client.login_fails("mrose", "secret")
            client.ok("USER mrose")
            client.ok("PASS  secret")

    def test_B28_256_octets(self):
        server = self.serve({"mrose": "{PLAIN}" + "x" * 255})
        with server.client() as client:
            client.ok("USER mrose")
            client.err("PASS " + "x" * 256)
            client.login("mrose", "x" * 255)

    def test_B29_hostile_names(self):
        names = ("../x", "a/b", ".", "..", "-x", "x.lock", "%u", "/etc/passwd", "~root", "a:b",
                 "x\\", "$(id)", "*")
        server = self.serve({"mrose": "{PLAIN}secret"}, auth__max_attempts=100)
        before = self.tree(server)
        with server.client() as client:
            for name in names:
                with self.subTest(name=name):
                    self.refused(client, name)
            self.refused(client, "n" * 256)
        self.assertEqual(self.tree(server), before)

    def test_B29_hostile_names_in_the_users_file(self):
        # even where the administrator wrote them down, no path is made
        names = ("../x", "a/b", "x.lock", "-x", "%u")
        server = self.daemon(users={"mrose": "{PLAIN}secret"}, options={"auth.max_attempts": 100})
        server.write_users({name: "{PLAIN}secret" for name in names})
        for path in ("a", "x.lock", "-x", "%u"):
            (server.mail / path).mkdir()
        server.give(server.dir / "x") if (server.dir / "x").exists() else None
        (server.dir / "x").write_bytes(MAIL)
        server.give(server.dir / "x")
        (server.mail / "a" / "b").write_bytes(MAIL)
        server.give(server.mail / "a" / "b")
        before = self.tree(server)
        with server.client() as client:
            for name in names:
                with self.subTest(name=name):
                    self.refused(client, name)
        self.assertEqual(self.tree(server), before)

    def refused(self, client, name):
        """-ERR at USER or at PASS, the session goes on."""
        if client.command(f"USER {name}").startswith("+OK"):
            client.err("PASS secret")

    def tree(self, server):
        return sorted(str(p) for p in server.dir.rglob("*") if p != server.log_path)

    def test_names_that_are_fine(self):
        names = ("a", "user@example.org", "user%example.org", "a%u", "first.last", "plus+tag",
                 "größe", "n" * 200, "x-y_z")
        server = self.serve({name: "{PLAIN}secret" for name in names})
        for name in names:
            with self.subTest(name=name), server.client() as client:
                client.login(name)

    def test_B36_attempts(self):
        server = self.serve({"mrose": "{PLAIN}secret"}, auth__max_attempts=3)
        client = server.client()
        for _ in range(3):
            client.login_fails("mrose", "wrong")
        client.expect_closed()
        client = server.client()
        client.send(b"USER mrose\r\nPASS a\r\n" * 3 + b"USER mrose\r\nPASS secret\r\n")
        for _ in range(3):
            self.assertRegex(client.status(), r"^\+OK")
            self.assertRegex(client.status(), "^-ERR")
        client.expect_closed()

    def test_users_file_is_read_anew(self):
        server = self.serve({"mrose": "{PLAIN}secret"})
        server.write_users({"mrose": "{PLAIN}changed"})
        with server.client() as client:
            client.login_fails("mrose", "secret")
            client.login("mrose", "changed")

    def test_B37_account_removed_meanwhile(self):
        server = self.serve({"mrose": "{PLAIN}secret"})
        with server.client() as client:
            client.ok("USER mrose")
            server.write_users({})
            client.err("PASS secret", "[AUTH]")


class Apop(AuthCase):
    def test_B30_bad_digests(self):
        server = self.serve({"mrose": "{APOP}tanstaaf"}, auth__max_attempts=100)
        other = server.client()
        client = server.client()
        self.assertNotEqual(other.greeting, client.greeting)
        good = client.apop_digest("tanstaaf")
        for digest in (good[:-1], good + "0", good.upper(), other.apop_digest("tanstaaf"),
                       "0" * 32, client.apop_digest("tanstaa"), "g" * 32, good + " x", ""):
            with self.subTest(digest=digest):
                client.err(f"APOP mrose {digest}")
        client.err(f"APOP {good}")
        client.err("APOP")
        client.err(f"APOP nobody-here {good}")
        client.ok(f"APOP mrose {good}")
        self.assertEqual(client.stat(), (2, 320))

    def test_B31_one_or_the_other(self):
        server = self.serve({"apop": "{APOP}tanstaaf", "plain": "{PLAIN}secret",
                             "hash": hashed("secret")}, auth__max_attempts=100)
        client = server.client()
        client.login_fails("apop", "tanstaaf")
        client.login_fails("apop", "{APOP}tanstaaf")
        for name in ("plain", "hash"):
            client.err(f"APOP {name} {client.apop_digest('secret')}", "[AUTH]")
        client.ok(f"APOP apop {client.apop_digest('tanstaaf')}")

    def test_timestamp_only_with_apop_users(self):
        with self.serve({"mrose": "{PLAIN}secret"}).client() as client:
            self.assertNotIn("<", client.greeting)
            client.err("APOP mrose c4c9334bac560ecc979e58001b3e22fb")
        with self.serve({"mrose": "{APOP}x"}).client() as client:
            # numbers: Mail::Box for Perl takes no other for a timestamp
            self.assertRegex(client.greeting, r"^\+OK POP3 server ready <\d+\.\d+@[^<>@]+>$")

    def test_no_timestamp_for_a_file_that_nobody_asks(self):
        for mode in ("standalone", "inetd"):
            server = self.daemon(users={"mrose": "{APOP}x"}, mode=mode,
                                 options={"auth.backends": "pam"})
            with self.subTest(mode=mode), server.client() as client:
                self.assertNotIn("<", client.greeting)


class Exclusion(AuthCase):
    def holder(self, server, second):
        with server.logged_in() as first:
            with server.client() as client:
                reply = client.login_fails(second, "secret", "[IN-USE]")
                self.assertRegex(reply, r"^-ERR \[IN-USE\] maildrop is locked by another session "
                                        r"from 127\.0\.0\.1 since \d\d:\d\d:\d\d$")
                client.ok("QUIT")
            self.assertEqual(first.stat(), (2, 320))
            first.quit()
        with server.client() as client:
            client.login(second, "secret")

    def test_B38_same_name(self):
        self.holder(self.serve({"mrose": "{PLAIN}secret"}), "mrose")

    def test_B38_another_name_for_one_maildrop(self):
        server = self.serve({"mrose": "{PLAIN}secret"})
        users = dict(server.users, alias={
            "credential": "{PLAIN}secret", "maildrop": f"{server.mail}/../mail/mrose"})
        server.write_users(users)
        self.holder(server, "alias")

    def test_B38_wrong_password_learns_nothing_of_it(self):
        server = self.serve({"mrose": "{PLAIN}secret"})
        with server.logged_in(), server.client() as client:
            client.login_fails("mrose", "wrong", "[AUTH]")


class Memory(harness.TestCase):
    @needs_root
    @harness.measures
    def test_B39_no_process_keeps_the_password(self):
        for privileged in (True, False):
            with self.subTest(privileged=privileged):
                self.search(privileged)

    def search(self, privileged):
        # never whole in one place here either, but for the moment of sending
        halves = [secrets.token_hex(12), secrets.token_hex(12)]
        users = {"mrose": hashed("".join(halves))}
        server = self.daemon(MAIL, users=users, privileged=privileged)
        client = server.client()
        client.ok("USER mrose")
        client.ok("PASS " + "".join(halves))
        self.assertEqual(client.stat(), (2, 320))
        pids = server.members()
        self.assertGreaterEqual(len(pids), 3, "listener, monitor, session")
        needle = "".join(halves).encode()
        for pid in pids:
            regions = sum(needle in region for region in memory_of(pid))
            self.assertEqual(regions, 0, f"process {pid} holds the password")
        # the search itself must be able to find something
        self.assertTrue(any(b"mrose" in region for pid in pids for region in memory_of(pid)))


if __name__ == "__main__":
    harness.main()
