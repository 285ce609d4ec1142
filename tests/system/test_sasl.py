"""AUTH (RFC 5034): every mechanism, what is offered where, and what is
refused. Over TLS too: test_tls.py.
"""
import base64

import re

import harness
import oracle
import scram

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


class Scram(SaslCase):
    USERS = {"mrose": scram.credential("secret"), "plain": "{PLAIN}secret"}

    def begin(self, client, exchange, mechanism="SCRAM-SHA-256", lines=1):
        """Up to the server's first message."""
        if lines == 1:
            challenge = self.prompted(client, f"AUTH {mechanism} " + b64(exchange.first()))
        else:
            self.assertEqual(self.prompted(client, f"AUTH {mechanism}"), b"")
            challenge = self.prompted(client, b64(exchange.first()))
        exchange.take(challenge)

    def log_in(self, client, exchange, **kwargs):
        self.begin(client, exchange, **kwargs)
        final = exchange.final()
        self.assertEqual(self.prompted(client, b64(final)), exchange.verifier)
        self.assertRegex(client.ok(""), r"^\+OK 2 messages")
        self.assertEqual(client.stat(), (2, 320))

    def test_logs_in(self):
        server = self.serve(self.USERS)
        for name in self.USERS:
            for lines in (1, 2):
                for authzid in ("", name):
                    with self.subTest(name=name, lines=lines), server.client() as client:
                        self.log_in(client, scram.Exchange(name, authzid=authzid), lines=lines)
                        client.quit()
        server.wait_log("user=mrose .*tls=- auth=SCRAM-SHA-256 login=ok", count=4)

    def test_example_of_rfc7677(self):
        # its names, nonce and password; ours is the server's nonce
        salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
        server = self.serve({"user": scram.credential("pencil", salt, 4096)})
        exchange = scram.Exchange("user", "pencil", nonce="rOprNGfwEbeRWgbNEkqO")
        self.assertEqual(exchange.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
        with server.client() as client:
            self.begin(client, exchange)
            self.assertRegex(exchange.server_first.decode(), r"^r=rOprNGfwEbeRWgbNEkqO[^ ,]{18,},"
                                                    r"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096$")
            self.assertRegex(exchange.final(), b"^c=biws,r=rOprNGfwEbeRWgbNEkqO")
            self.prompted(client, b64(exchange.final()))
            client.ok("")

    def test_names_and_extensions(self):
        users = {name: "{PLAIN}secret" for name in ("a,b=c", "größe", "x=2C", "n" * 255)}
        server = self.serve(users, maildrop__path="/nonexistent/%u")
        for name in users:
            with self.subTest(name=name), server.client() as client:
                exchange = scram.Exchange(name, extensions=",x=1,y=2=3")
                self.begin(client, exchange)
                # there is no such folder, but the proof was right
                client.err(b64(exchange.final(extensions=",z=4")), "[SYS/TEMP]")

    def test_password_that_is_utf8(self):
        for credential in (scram.credential("größe"), "{PLAIN}größe"):
            with self.serve({"mrose": credential}).client() as client:
                self.log_in(client, scram.Exchange(password="größe"))

    def test_every_exchange_has_its_own_nonce(self):
        server = self.serve(self.USERS)
        with server.client() as client:
            seen = set()
            for _ in range(5):
                exchange = scram.Exchange(nonce="always the same".replace(" ", ""))
                self.begin(client, exchange)
                seen.add(exchange.both)
                client.err("*")
            self.assertEqual(len(seen), 5)

    def test_B33_first_message(self):
        server = self.serve(self.USERS)
        good = scram.Exchange().first().decode()
        bad = [good.replace("n,,", flag, 1) for flag in (
            "", ",", ",,", "n,", "x,,", "nn,,", "N,,", "n,,,", "n,a=,", "n,a=other,", "n,a=mrose=,",
            "n,b=mrose,", "n,mrose,", "p,,", "p=,,", "p=tls-unique,,", "p=tls-exporter,,")]
        bad += [good.replace("n=mrose", name) for name in (
            "", "n=", "mrose", "u=mrose", "n=a=b", "n=a=2", "n=a=2c", "n=a=3d", "m=x,n=mrose",
            "n=" + "m" * 256, "n=\0mrose", " n=mrose")]
        bad += [re.sub(",r=.*", nonce, good) for nonce in (
            "", ",r=", ",r", ",", ",x=1", ",r=a b", ",r=ä", ",r=\x7f", ",x=1,r=abc", ",r=a\0b")]
        bad += [good[:n] for n in range(len("n,,n=mrose,r=") + 1)] + ["n,,r=abc,n=mrose", good * 300]
        with server.client() as client:
            for text in bad:
                for lines in (1, 2):
                    with self.subTest(text=text[:80], lines=lines):
                        if lines == 1:
                            client.err("AUTH SCRAM-SHA-256 " + (b64(text) or "="))
                        else:
                            self.prompted(client, "AUTH SCRAM-SHA-256")
                            client.err(b64(text))
            client.err("AUTH SCRAM-SHA-256-PLUS " + b64(good))
            client.err("AUTH SCRAM-SHA-1 " + b64(good))
            self.log_in(client, scram.Exchange())

    def finals(self, exchange):
        """Final messages with a fault, by what it is; True: like a wrong password."""
        good = exchange.final()
        binding, nonce, proof = good.split(b",")
        yield "proof", exchange.final(spoil=1), True
        yield "password", scram.Exchange.final(self.wrong(exchange)), True
        yield "nonce", exchange.final(both=exchange.both + "x"), True
        yield "nonce, ours alone", exchange.final(both=exchange.nonce), True
        yield "nonce, theirs alone", exchange.final(both=exchange.both[len(exchange.nonce):]), True
        yield "nonce of another", exchange.final(both="x" * len(exchange.both)), True
        yield "header", exchange.final(binding=b"y,,"), True
        yield "header with data", exchange.final(binding=b"n,,data"), True
        yield "no header", exchange.final(binding=b"x"), True
        yield "c= that is no base64", good.replace(b"c=biws", b"c=biw"), True
        yield "order", b",".join((nonce, binding, proof)), False
        yield "proof first", b",".join((proof, binding, nonce)), False
        yield "no binding", b",".join((nonce, proof)), False
        yield "no nonce", b",".join((binding, proof)), False
        yield "extension in front", b",".join((b"x=1", binding, nonce, proof)), False
        yield "behind the proof", good + b",x=1", False
        yield "short proof", b",".join((binding, nonce, b"p=" + b64(b"x" * 31).encode())), False
        yield "long proof", b",".join((binding, nonce, b"p=" + b64(b"x" * 33).encode())), False
        yield "NUL", good[:20] + b"\0" + good[21:], False
        yield "long", good.replace(b",p=", b",x=" + b"y" * 4000 + b",p="), False
        for n in range(len(good)):
            yield f"first {n} octets", good[:n], None

    @staticmethod
    def wrong(exchange):
        other = scram.Exchange(password="Secret", nonce=exchange.nonce)
        other.take(exchange.server_first)
        return other

    def test_B33_final_message(self):
        server = self.serve(self.USERS)
        for name in self.USERS:
            count = sum(1 for _ in self.finals(self.sample(server)))
            for number in range(count):
                with server.client() as client:
                    exchange = scram.Exchange(name)
                    self.begin(client, exchange)
                    what, final, denied = list(self.finals(exchange))[number]
                    with self.subTest(what, name=name):
                        reply = client.err(b64(final))
                        if denied is not None:
                            self.assertEqual(reply.startswith("-ERR [AUTH] login failed"), denied, reply)
                    if number % 10 == 0:
                        self.log_in(client, scram.Exchange(name))
        server.wait_log("auth=SCRAM-SHA-256 login=fail reason=password user=mrose")
        server.wait_log("auth=SCRAM-SHA-256 login=fail reason=binding user=mrose")

    def sample(self, server):
        exchange = scram.Exchange(nonce="n" * 20)
        exchange.take(b"r=" + b"n" * 20 + b"m" * 24 + b",s=AAAA,i=1")
        return exchange

    def test_B33_replayed(self):
        # the messages of a login that was right, again
        server = self.serve(self.USERS)
        with server.client() as client:
            exchange = scram.Exchange()
            self.begin(client, exchange)
            final = exchange.final()
            self.prompted(client, b64(final))
            client.ok("")
            client.quit()
        with server.client() as client:
            self.prompted(client, "AUTH SCRAM-SHA-256 " + b64(exchange.first()))
            client.err(b64(final), "[AUTH]")
            self.prompted(client, "AUTH SCRAM-SHA-256 " + b64(exchange.first()))
            client.err("*")
            client.err(b64(final))

    def test_end_of_the_exchange(self):
        # RFC 5034: the server's last message is a challenge, to be answered by nothing
        server = self.serve(self.USERS)
        for line in ("*", b64("x"), "x", "STAT", "x" * 20000):
            with self.subTest(line), server.client() as client:
                exchange = scram.Exchange()
                self.begin(client, exchange)
                self.prompted(client, b64(exchange.final()))
                client.err(line)
                client.expect_closed()
            server.wait_idle()
        with server.client() as client:
            self.log_in(client, scram.Exchange())

    def test_B25_unknown_names_look_like_any(self):
        server = self.serve(self.USERS | {"hash": HASHED, "locked": "!", "apop": "{APOP}secret"},
                            auth__mechanisms="SCRAM-SHA-256", auth__failure_delay="300ms")
        names = ("plain", "hash", "locked", "apop", "unknown", "unknown2", "../x", "n" * 255)
        salts, replies = {}, set()
        for turn in range(2):
            for name in names:
                with server.client() as client:
                    exchange = scram.Exchange(name, password="wrong")
                    self.begin(client, exchange)
                    self.assertEqual(exchange.iterations, 10000)
                    self.assertEqual(len(exchange.salt), 16)
                    self.assertEqual(salts.setdefault(name, exchange.salt), exchange.salt)
                    if turn == 0:
                        replies.add(client.err(b64(exchange.final())))
        self.assertEqual(len(set(salts.values())), len(names))
        self.assertEqual(replies, {"-ERR [AUTH] login failed"})
        for reason, name in (("password", "plain"), ("mechanism", "hash"), ("locked", "locked"),
                             ("mechanism", "apop"), ("unknown", "unknown")):
            server.wait_log(f"auth=SCRAM-SHA-256 login=fail reason={reason} user={name}$")
        # for ever: the key outlives the daemon, and is nobody else's
        key = server.state_dir / "scram-key"
        self.assertEqual((key.stat().st_mode & 0o777, key.stat().st_size), (0o600, 32))
        self.assertEqual([p.name for p in server.state_dir.glob("scram-key*")], ["scram-key"])
        server.stop()
        server.start()
        with server.client() as client:
            exchange = scram.Exchange("unknown")
            self.begin(client, exchange)
            self.assertEqual(exchange.salt, salts["unknown"])

    def test_key_that_is_none(self):
        server = self.serve(self.USERS)
        key = server.state_dir / "scram-key"
        for spoil in (lambda: key.write_bytes(b"short"), lambda: key.write_bytes(b"x" * 33),
                      lambda: key.mkdir(), lambda: key.symlink_to("/etc/hostname")):
            spoil()
            with server.client() as client:
                client.err("AUTH SCRAM-SHA-256 " + b64(scram.Exchange().first()), "[SYS/TEMP]")
                client.ok("AUTH PLAIN " + plain("plain", "secret"))
                client.quit()
            key.rmdir() if key.is_dir() else key.unlink()
        server.wait_log("scram-key: not 32 octets")
        with server.client() as client:
            self.log_in(client, scram.Exchange())

    def test_B36_attempts(self):
        server = self.serve(self.USERS, auth__max_attempts=3)
        with server.client() as client:
            for _ in range(3):
                exchange = scram.Exchange(password="wrong")
                self.begin(client, exchange)
                client.err(b64(exchange.final()), "[AUTH]")
            client.expect_closed()

    def test_attempts_that_are_cancelled_end_too(self):
        server = self.serve(self.USERS)
        with server.client() as client:
            for _ in range(100):
                self.begin(client, scram.Exchange())
                client.err("*")
            client.err("AUTH SCRAM-SHA-256 " + b64(scram.Exchange().first()))

    def test_one_step_does_for_another_name(self):
        # the challenge of one name, the proof of another
        server = self.serve({"mrose": "{PLAIN}secret", "dewey": "{PLAIN}secret"})
        with server.client() as client:
            exchange, other = scram.Exchange("mrose"), scram.Exchange("dewey")
            self.begin(client, exchange)
            other.take(exchange.server_first.replace(exchange.nonce.encode(), other.nonce.encode()))
            client.err(b64(other.final()), "[AUTH]")

    def test_readers_of_the_old_password_still_log_in(self):
        with self.serve(self.USERS).client() as client:
            client.login_fails("mrose", "Secret")
            client.login("mrose", "secret")


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


if __name__ == "__main__":
    harness.main()
