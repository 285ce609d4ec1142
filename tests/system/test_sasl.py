"""AUTH (RFC 5034): what is offered where, PLAIN, LOGIN and EXTERNAL, and what is
refused.
"""
import ssl
import subprocess

import harness
import scram
import secure
from client import Closed
from sasl import HASHED, V12, V13, SaslCase, SecureCase, b64, plain


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
            self.assertEqual(self.offered(client), ["SCRAM-SHA-256"])
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

    def test_auto_offers_scram_only_where_all_can(self):
        keys, password, both = scram.credential("x"), ["PLAIN", "LOGIN"], ["SCRAM-SHA-256"]
        for users, options, expected in (
                ({"a": keys}, {}, both + password),
                ({"a": "{PLAIN}x", "b": keys}, {}, both + password),
                ({"a": keys, "b": "!", "c": "!" + HASHED, "d": "{APOP}x"}, {}, both + password),
                ({"a": keys, "b": HASHED}, {}, password),
                ({"d": "{APOP}x"}, {}, password), ({"a": "!" + keys}, {}, password),
                ({"a": keys}, {"auth__backends": "users pam"}, password),
                ({"a": keys}, {"auth__backends": "pam"}, password)):
            with self.subTest(users=users, options=options), \
                    self.serve(users, **options).client() as client:
                self.assertEqual(self.offered(client), expected)
                if "SCRAM-SHA-256" not in expected:
                    client.err("AUTH SCRAM-SHA-256 " + b64(scram.Exchange("a").first()))

    def test_users_file_is_looked_at_anew(self):
        server = self.serve({"mrose": HASHED})
        server.write_users({"mrose": scram.credential("secret")})
        with server.client() as client:
            self.assertIn("SCRAM-SHA-256", self.offered(client))

    def test_listed(self):
        for listed in (["LOGIN"], ["PLAIN"], [], ["SCRAM-SHA-256", "PLAIN"]):
            server = self.serve(auth__mechanisms=" ".join(reversed(listed)))
            with server.client() as client:
                self.assertEqual(self.offered(client), listed)
                for mechanism in {"PLAIN", "LOGIN", "EXTERNAL"} - set(listed):
                    client.err(f"AUTH {mechanism}")
                client.login("mrose", "secret")

    def test_same_in_transaction(self):
        with self.serve().client() as client:
            before = client.multi("CAPA")
            client.login()
            self.assertEqual(client.multi("CAPA"), before)


class External(SecureCase):
    """The name is an e-mail address of the certificate, or without one its CN."""

    USERS = {"mrose": "{PLAIN}secret", "mrose@example.org": HASHED, "dewey@example.org": "!",
             "apop": "{APOP}secret"}

    def trusted(self, **options):
        return self.serve(self.USERS, tls__client_ca=secure.trusting_ca_file(), **options)

    def pair(self, label, **kwargs):
        return secure.pair(label, names=(), **kwargs)

    def test_by_address(self):
        server = self.trusted()
        certificate = self.pair("address", emails=("mrose@example.org", "mrose"), common="dewey")
        for stls in (False, True):
            for authzid in ("", "mrose@example.org"):
                client = self.connect(server, V13, stls, certificate)
                self.assertIn("EXTERNAL", self.offered(client))
                client.ok("AUTH EXTERNAL " + (b64(authzid) or "="))
                self.assertEqual(client.stat(), (2, 320))
                client.quit()
        client = self.connect(server, client=certificate)
        self.assertEqual(self.prompted(client, "AUTH EXTERNAL"), b"")
        client.ok("")
        server.wait_log("user=mrose@example.org .*auth=EXTERNAL login=ok", count=5)
        # another of its names, if it is asked for
        client = self.connect(server, client=certificate)
        client.ok("AUTH EXTERNAL " + b64("mrose"))
        server.wait_log("user=mrose .*auth=EXTERNAL login=ok")

    @harness.needs_root
    def test_as_root(self):
        server = self.trusted(privileged=True)
        client = self.connect(server, client=self.pair("mrose"))
        client.ok("AUTH EXTERNAL =")
        self.assertEqual(client.stat(), (2, 320))

    def test_in_inetd_mode(self):
        server = self.trusted(mode="inetd")
        self.connect(server, stls=True, client=self.pair("mrose")).ok("AUTH EXTERNAL =")

    def test_kinds_of_keys(self):
        server = self.trusted()
        for kind in ("rsa", "ec", "ed25519"):
            client = self.connect(server, client=self.pair(kind, kind=kind, common="mrose"))
            client.ok("AUTH EXTERNAL =")
            client.quit()

    def test_second_certificate(self):
        server = self.trusted(pairs=[secure.server_pair(),
                                     secure.pair("other", names=("mail.example.org",))])
        context = secure.trusting(client=self.pair("mrose"))
        with server.tls_client(context, name="mail.example.org") as client:
            client.ok("AUTH EXTERNAL =")

    def test_openssl(self):
        server = self.trusted()
        commands = "AUTH EXTERNAL =\r\nSTAT\r\nQUIT\r\n"
        for port, more in ((server.tls_port, ()), (server.port, ("-starttls", "pop3"))):
            certificate, key = self.pair("mrose")
            done = subprocess.run(
                ["openssl", "s_client", "-quiet", "-tls1_3", "-connect", f"127.0.0.1:{port}", *more,
                 "-cert", certificate, "-key", key, "-CAfile", secure.trusting_ca_file()],
                input=commands, text=True, capture_output=True, timeout=20, check=False)
            self.assertIn("+OK 2 320", done.stdout, done.stderr)

    def test_several_attempts(self):
        """The handshake is shown once, and stays for every attempt."""
        server = self.trusted(maildrop__lock_wait="0s")
        first = self.connect(server, client=self.pair("mrose"))
        first.ok("AUTH EXTERNAL =")
        second = self.connect(server, client=self.pair("mrose"))
        second.err("AUTH EXTERNAL =", "[IN-USE]")
        first.quit()
        second.ok("AUTH EXTERNAL =")

    def test_by_common_name(self):
        server = self.trusted()
        client = self.connect(server, client=self.pair("mrose"))
        for authzid in ("dewey", "mros", "mrose\0", "\0", "m" * 256, "MROSE"):
            client.err("AUTH EXTERNAL " + b64(authzid))
        client.ok("AUTH EXTERNAL =")

    def test_no_other_name(self):
        server = self.trusted()
        certificate = self.pair("address", emails=("mrose@example.org", "mrose"), common="dewey")
        client = self.connect(server, client=certificate)
        client.err("AUTH EXTERNAL " + b64("dewey"), "[AUTH]")  # the CN does not count then
        for names in (("mrose", "apop"), ("mrose", "mrose")):
            client = self.connect(server, client=self.pair("-".join(names), common=tuple(names)))
            self.assertNotIn("EXTERNAL", self.offered(client))
            client.err("AUTH EXTERNAL =")

    def test_refused_by_the_users_file(self):
        server = self.trusted()
        for name, reason in (("dewey@example.org", "locked"), ("apop", 'password detail="mechanism"'),
                             ("nobody-here", "unknown"), ("../mrose", "unknown")):
            client = self.connect(server, client=self.pair("c" + name.replace("/", ""), common=name))
            self.assertEqual(client.err("AUTH EXTERNAL ="), "-ERR [AUTH] login failed")
            server.wait_log(f"auth=EXTERNAL login=fail reason={reason} user={name}$")

    def test_not_offered(self):
        mrose = self.pair("mrose")
        cases = (
            (self.trusted(), None),  # no certificate
            (self.serve(self.USERS), mrose),  # nobody to vouch for it
            (self.trusted(auth__mechanisms="PLAIN"), mrose),
        )
        for server, certificate in cases:
            client = self.connect(server, client=certificate)
            self.assertNotIn("EXTERNAL", self.offered(client))
            client.err("AUTH EXTERNAL =")
            client.login("mrose")
        server = self.trusted()
        with server.client() as client:
            client.err("AUTH EXTERNAL " + b64("mrose"))
        client = self.connect(server, V12, client=mrose)  # nothing fresh to sign there
        self.assertNotIn("EXTERNAL", self.offered(client))
        client.err("AUTH EXTERNAL =")
        client.login("mrose")

    def test_certificates_that_are_not_believed(self):
        server = self.trusted()
        for label, kwargs in (("stranger", {"ca": "other-ca"}), ("old", {"days": -1, "begin": -9}),
                              ("unborn", {"begin": 2})):
            with self.subTest(label), self.assertRaises((ssl.SSLError, ConnectionResetError,
                                                         Closed)):
                client = self.connect(server, client=self.pair(label, common="mrose", **kwargs))
                client.ok("AUTH EXTERNAL =")
        server.wait_log("TLS handshake failed reason=certificate-verify-failed")
        self.assertNotIn("login=ok", server.log())


if __name__ == "__main__":
    harness.main()
