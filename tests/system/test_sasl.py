"""AUTH (RFC 5034): every mechanism, what is offered where, and what is
refused. Over TLS too: test_tls.py.
"""
import base64

import harness
import oracle

MAIL = oracle.mbox_of(oracle.message_of(120), oracle.message_of(200, b"2"))
HASHED = "{CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8"


def b64(data):
    return base64.b64encode(harness.as_bytes(data)).decode()


def plain(name, password, authzid=""):
    return b64(b"\0".join(map(harness.as_bytes, (authzid, name, password))))


class SaslCase(harness.TestCase):
    def serve(self, users=None, **options):
        users = users or {"mrose": "{PLAIN}secret"}
        options.setdefault("auth__max_attempts", 100)
        server = self.daemon(users=users, options={
            key.replace("__", "."): value for key, value in options.items()})
        for name in users:
            server.put(MAIL, name)
        return server

    def offered(self, client):
        """What CAPA says, having checked that a bare AUTH says the same."""
        lines = client.multi("CAPA").decode().split("\r\n")
        found = [line.split()[1:] for line in lines if line.startswith("SASL")]
        bare = client.multi("AUTH").decode().split("\r\n")[:-1]
        self.assertEqual(found, [bare] if bare else [])
        return bare

    def prompted(self, client, text):
        """Sends a line; returns what the challenge holds."""
        client.send_line(text)
        line = client.line().decode()
        self.assertTrue(line.startswith("+ "), line)
        return base64.b64decode(line[2:], validate=True)


class Passwords(SaslCase):
    def test_plain_in_one_line_and_in_two(self):
        server = self.serve()
        for authzid in ("", "mrose"):
            with server.client() as client:
                reply = client.ok("AUTH PLAIN " + plain("mrose", "secret", authzid))
                self.assertRegex(reply, r"^\+OK 2 messages \(320 octets\), session [0-9a-f]+$")
                client.quit()
            with server.client() as client:
                self.assertEqual(self.prompted(client, "AUTH PLAIN"), b"")
                client.ok(plain("mrose", "secret", authzid))
                client.quit()
        server.wait_log(r"user=mrose ip=127\.0\.0\.1 proto=pop3 tls=- auth=PLAIN login=ok", count=4)

    def test_login_in_two_lines_and_in_three(self):
        server = self.serve()
        with server.client() as client:
            self.assertEqual(self.prompted(client, "AUTH LOGIN"), b"Username:")
            self.assertEqual(self.prompted(client, b64("mrose")), b"Password:")
            client.ok(b64("secret"))
        with server.client() as client:
            self.assertEqual(self.prompted(client, "auth login " + b64("mrose")), b"Password:")
            client.ok(b64("secret"))
        server.wait_log("auth=LOGIN login=ok", count=2)

    def test_pipelined(self):
        # K-9 and others send the response without waiting for the challenge
        server = self.serve()
        with server.client() as client:
            client.send_line("AUTH PLAIN\r\n" + plain("mrose", "secret") + "\r\nSTAT")
            self.assertEqual(client.line(), b"+ ")
            self.assertRegex(client.status(), r"^\+OK 2 messages")
            self.assertEqual(client.status(), "+OK 2 320")

    def test_passwords_byte_exact(self):
        passwords = (b" lead", b"trail ", b"in side", b"tab\tin", b"100%s%n", "größe".encode(),
                     b"x" * 255, b"=", b"*", b"a,b=c", b"\x01\x1f\x7f")
        server = self.serve({f"u{n}": b"{PLAIN}" + p for n, p in enumerate(passwords)})
        for n, password in enumerate(passwords):
            with self.subTest(password=password), server.client() as client:
                client.err("AUTH PLAIN " + plain(f"u{n}", password[:-1] + b"?"), "[AUTH]")
                client.ok("AUTH PLAIN " + plain(f"u{n}", password))
            with server.client() as client:
                self.prompted(client, "AUTH LOGIN " + b64(f"u{n}"))
                client.ok(b64(password))

    def test_utf8_name(self):
        server = self.serve({"größe": "{PLAIN}secret"})
        with server.client() as client:
            client.ok("AUTH PLAIN " + plain("größe", "secret"))

    def test_B32_refused(self):
        server = self.serve()
        good = plain("mrose", "secret")
        bad = {
            "no base64": "AUTH PLAIN mrose", "a blank": f"AUTH PLAIN {good[:4]} {good[4:]}",
            "cut": "AUTH PLAIN " + good[:-1], "padding": "AUTH PLAIN " + good + "=",
            "padding inside": "AUTH PLAIN " + good[:4] + "====" + good[4:],
            "bits that encode nothing": "AUTH PLAIN AG1yb3NlAHNlY3JldHN=",
            "url alphabet": "AUTH PLAIN AG1yb3NlAHNlY3Jld_--",
            "empty": "AUTH PLAIN =",
            "one NUL": "AUTH PLAIN " + b64("mrose\0secret"),
            "none": "AUTH PLAIN " + b64("mrose"),
            "three": "AUTH PLAIN " + b64("\0mrose\0secret\0"),
            "four": "AUTH PLAIN " + b64("\0mrose\0secret\0\0"),
            "no name": "AUTH PLAIN " + plain("", "secret"),
            "no password": "AUTH PLAIN " + plain("mrose", ""),
            "another's authzid": "AUTH PLAIN " + plain("mrose", "secret", "dewey"),
            "authzid that begins so": "AUTH PLAIN " + plain("mrose", "secret", "mros"),
            "long name": "AUTH PLAIN " + plain("m" * 256, "secret"),
            "long password": "AUTH PLAIN " + plain("mrose", "s" * 256),
            "long authzid": "AUTH PLAIN " + plain("mrose", "secret", "m" * 300),
            "wrong password": "AUTH PLAIN " + plain("mrose", "Secret"),
            "hostile name": "AUTH PLAIN " + plain("../mrose", "secret"),
            "line end in the name": "AUTH PLAIN " + plain("mrose\r\n", "secret"),
            "unknown": "AUTH CRAM-MD5", "unknown with a response": "AUTH GSSAPI " + good,
            "three words": "AUTH PLAIN = =",
        }
        with server.client() as client:
            for what, line in bad.items():
                with self.subTest(what):
                    client.err(line)
            for what, line in bad.items():
                if line.startswith("AUTH PLAIN ") and " " not in line[11:]:
                    with self.subTest(what, lines=2):
                        self.assertEqual(self.prompted(client, "AUTH PLAIN"), b"")
                        client.err(line[11:])
            for line in ("*", "", " ", "=", "QUIT", good[:-1]):
                with self.subTest(line):
                    self.prompted(client, "AUTH PLAIN")
                    client.err(line)
            for line in ("*", "", "=", "\0" * 4, b64("mrose\0x"), b64("m" * 256)):
                with self.subTest(line, mechanism="LOGIN"):
                    self.prompted(client, "AUTH LOGIN")
                    client.err(line)
                    self.prompted(client, "AUTH LOGIN " + b64("mrose"))
                    client.err(line)
            client.ok("AUTH PLAIN " + good)
            client.err("AUTH PLAIN " + good)  # wrong state

    def test_B32_line_limits(self):
        server = self.serve()

        def response(octets):
            return "A" * octets

        # RFC 5034 section 4: 12288 octets with the line end
        for prefix in ("AUTH PLAIN ", "auth\tplain "):
            with server.client() as client:
                self.assertIn("255", client.err(prefix + b64("\0m\0" + "x" * 9200)))
                room = 12288 - 2 - len(prefix)
                self.assertNotIn("too long", client.err(prefix + response(room)))
                self.assertIn("too long", client.err(prefix + response(room + 1)))
                client.ok("AUTH PLAIN " + plain("mrose", "secret"))
        with server.client() as client:
            self.prompted(client, "AUTH PLAIN")
            self.assertNotIn("too long", client.err(response(12286)))
            self.prompted(client, "AUTH PLAIN")
            self.assertIn("too long", client.err(response(12287)))
            # the attempt has ended: this is a command again, of 512 octets
            self.assertIn("too long", client.err("USER " + "x" * 600))
            client.ok("AUTH PLAIN " + plain("mrose", "secret"))
        with server.client() as client:
            for _ in range(2):
                self.prompted(client, "AUTH PLAIN")
                client.err(response(100000))
            self.prompted(client, "AUTH PLAIN")
            client.err(response(1000000))
            client.expect_closed()

    def test_user_is_forgotten(self):
        with self.serve().client() as client:
            client.ok("USER mrose")
            client.err("AUTH PLAIN " + plain("mrose", "wrong"), "[AUTH]")
            self.assertIn("USER", client.err("PASS secret"))

    def test_attempts_count(self):
        server = self.serve(auth__max_attempts=3)
        with server.client() as client:
            client.err("AUTH PLAIN " + plain("mrose", "wrong"), "[AUTH]")
            self.prompted(client, "AUTH LOGIN " + b64("mrose"))
            client.err(b64("wrong"), "[AUTH]")
            client.login_fails("mrose", "wrong")
            client.expect_closed()
        server.wait_log("auth=PLAIN login=fail reason=password user=mrose")
        server.wait_log("auth=LOGIN login=fail reason=password user=mrose")

    def test_B31_apop_user(self):
        with self.serve({"mrose": "{APOP}secret"}).client() as client:
            client.err("AUTH PLAIN " + plain("mrose", "secret"), "[AUTH]")

    def test_B34_cleartext_refused(self):
        server = self.serve(auth__cleartext="never")
        with server.client() as client:
            self.assertEqual(self.offered(client), [])
            self.assertNotIn(b"USER", client.multi("CAPA"))
            for line in ("AUTH PLAIN", "AUTH LOGIN", "AUTH PLAIN " + plain("mrose", "secret"),
                         "USER mrose"):
                client.err(line, "[AUTH]")
            client.err("PASS secret")
        server.wait_log("auth=PLAIN login=fail reason=cleartext")
        server.wait_log("auth=LOGIN login=fail reason=cleartext")
        server.wait_log("auth=PASS login=fail reason=cleartext user=mrose")
        self.assertNotIn("secret", server.log())


class Offered(SaslCase):
    def test_auto(self):
        with self.serve({"mrose": HASHED}).client() as client:
            self.assertEqual(self.offered(client), ["PLAIN", "LOGIN"])

    def test_listed(self):
        for listed in (["LOGIN"], ["PLAIN"], []):
            server = self.serve(auth__mechanisms=" ".join(listed))
            with server.client() as client:
                self.assertEqual(self.offered(client), listed)
                for mechanism in {"PLAIN", "LOGIN"} - set(listed):
                    client.err(f"AUTH {mechanism}")
                client.login("mrose", "secret")

    def test_same_in_transaction(self):
        with self.serve().client() as client:
            before = client.multi("CAPA")
            client.login()
            self.assertEqual(client.multi("CAPA"), before)


if __name__ == "__main__":
    harness.main()
