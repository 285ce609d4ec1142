"""AUTH SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): right, and
spoilt in every place.
"""
import base64
import hashlib
import re
import secrets
import time

import harness
import scram
import secure
from harness import memory_of
from sasl import HASHED, V12, V13, SaslCase, SecureCase, b64, plain


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
        server.wait_log("auth=SCRAM-SHA-256 login=fail reason=password detail=\"binding\" user=mrose")

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
            exchange = scram.Exchange()
            self.begin(client, exchange)
            self.prompted(client, b64(exchange.final()))
        # a guess that was right does not go unseen
        server.wait_log("auth=SCRAM-SHA-256 login=fail reason=cancelled user=mrose$", count=6)
        self.assertNotIn("login=ok", server.log())
        with server.client() as client:
            self.log_in(client, scram.Exchange())
        server.wait_idle()
        self.assertEqual(server.log().count("login=fail"), 6)

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
                    self.assertEqual(exchange.iterations, 4096)  # as mrose has
                    self.assertEqual(len(exchange.salt), 16)
                    self.assertEqual(salts.setdefault(name, exchange.salt), exchange.salt)
                    if turn == 0:
                        replies.add(client.err(b64(exchange.final())))
        self.assertEqual(len(set(salts.values())), len(names))
        self.assertEqual(replies, {"-ERR [AUTH] login failed"})
        for reason, name in (("password", "plain"), ('password detail="mechanism"', "hash"), ("locked", "locked"),
                             ('password detail="mechanism"', "apop"), ("unknown", "unknown")):
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

    def test_B25_unknown_names_have_what_others_have(self):
        """Iterations and salts of the users file, each kind as often as there."""
        kinds = {(4096, 16): 3, (15000, 12): 2, (20000, 40): 1}
        users = {f"user{iterations}-{number}":
                 scram.credential("secret", b"s" * salt, iterations)
                 for (iterations, salt), count in kinds.items() for number in range(count)}
        server = self.serve(users | {"plain": "{PLAIN}secret", "hash": HASHED},
                            auth__mechanisms="SCRAM-SHA-256")
        seen = {kind: 0 for kind in kinds}
        with server.client() as client:
            for number in range(90):
                exchange = scram.Exchange(f"nobody{number}")
                self.begin(client, exchange)
                seen[exchange.iterations, len(exchange.salt)] += 1
                client.err("*")
        # five standard deviations of the rarest
        for kind, count in kinds.items():
            self.assertLess(abs(seen[kind] - 90 * count / 6), 24, seen)
        with server.client() as client:  # a password, with whatever it got
            self.log_in(client, scram.Exchange("plain"))

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

    def test_challenges_without_answer_are_failures(self):
        """They count, and the delay of each comes before the next attempt."""
        server = self.serve(self.USERS, auth__max_attempts=4, auth__failure_delay="400ms")
        with server.client() as client:
            start = time.monotonic()
            for number, answer in enumerate(("*", "no base64", b64("c=biws"))):
                self.begin(client, scram.Exchange())
                self.assertGreaterEqual(time.monotonic() - start, 0.4 * number)
                client.err(answer)
            # a password waits too, and is right
            client.login("mrose", "secret")
            self.assertGreaterEqual(time.monotonic() - start, 1.2)
        server.wait_log('auth=SCRAM-SHA-256 login=fail reason=password detail="unanswered" user=mrose$',
                        count=3)
        with server.client() as client:
            for _ in range(4):
                self.begin(client, scram.Exchange())
                client.err("*")
            client.expect_closed()
        server.wait_log('detail="unanswered"', count=7)

    def test_who_is_slow_to_give_up_does_not_wait_again(self):
        server = self.serve(self.USERS, auth__failure_delay="3s")
        with server.client() as client:
            self.begin(client, scram.Exchange())
            time.sleep(3.1)
            client.err("*")
            start = time.monotonic()
            client.login("mrose", "secret")
            self.assertLess(time.monotonic() - start, 2.5)

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


class ScramPlus(SecureCase):
    begin, log_in = Scram.begin, Scram.log_in

    def test_offered_under_tls_only(self):
        server = self.serve(Scram.USERS)
        with server.client() as client:
            self.assertEqual(self.offered(client), ["SCRAM-SHA-256", "PLAIN", "LOGIN"])
            client.err("AUTH SCRAM-SHA-256-PLUS")
        for stls in (False, True):
            for version in (V12, V13):
                client = self.connect(server, version, stls)
                self.assertEqual(self.offered(client),
                                 ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"])

    def test_logs_in(self):
        server = self.serve(Scram.USERS)
        for version in (V12, V13):
            for stls in (False, True):
                for kind in self.connect(server, version).bindings:
                    with self.subTest(version=version, stls=stls, kind=kind):
                        client = self.connect(server, version, stls)
                        exchange = scram.Exchange(binding=(kind, client.bindings[kind]))
                        self.log_in(client, exchange, mechanism="SCRAM-SHA-256-PLUS",
                                    lines=1 + stls)
                        client.quit()
        server.wait_log("tls=TLSv1.3 auth=SCRAM-SHA-256-PLUS login=ok", count=4)
        server.wait_log("tls=TLSv1.2 auth=SCRAM-SHA-256-PLUS login=ok", count=4)

    def test_without_binding(self):
        server = self.serve(Scram.USERS)
        self.log_in(self.connect(server), scram.Exchange())

    def test_end_point_by_the_hash_of_the_signature(self):
        for digest in ("SHA384", "SHA512"):
            server = self.serve(Scram.USERS, pairs=[secure.pair(digest, digest=digest)])
            client = self.connect(server)
            data = hashlib.new(digest, client.sock.getpeercert(True)).digest()
            self.log_in(client, scram.Exchange(binding=("tls-server-end-point", data)),
                        mechanism="SCRAM-SHA-256-PLUS")

    def test_end_point_is_that_of_the_name_asked_for(self):
        other = secure.pair("sni", names=("mail.example.org",))
        server = self.serve(Scram.USERS, pairs=[secure.server_pair(), other])
        client = server.tls_client(name="mail.example.org")
        data = hashlib.sha256(client.sock.getpeercert(True)).digest()
        self.log_in(client, scram.Exchange(binding=("tls-server-end-point", data)),
                    mechanism="SCRAM-SHA-256-PLUS")

    def test_B33_channel_binding(self):
        server = self.serve(Scram.USERS)
        for version in (V12, V13):
            good = self.connect(server, version).bindings
            other = self.connect(server, version)
            for kind in good:
                client = self.connect(server, version)
                wrong = [b"", b"x", client.bindings[kind][:-1], client.bindings[kind] + b"x",
                         bytes(len(client.bindings[kind]))]
                wrong += [other.bindings[kind]] if kind != "tls-server-end-point" else []
                for data in wrong:
                    exchange = scram.Exchange(binding=(kind, data))
                    self.begin(client, exchange, "SCRAM-SHA-256-PLUS")
                    self.assertEqual(client.err(b64(exchange.final())), "-ERR [AUTH] login failed")
                # said in the first message, not in the last
                exchange = scram.Exchange(binding=(kind, client.bindings[kind]))
                self.begin(client, exchange, "SCRAM-SHA-256-PLUS")
                client.err(b64(exchange.final(binding=b"n,,")), "[AUTH]")
        server.wait_log("auth=SCRAM-SHA-256-PLUS login=fail reason=password detail=\"binding\" user=mrose")

    def test_B33_flags(self):
        server = self.serve(Scram.USERS)
        for version in (V12, V13):
            client = self.connect(server, version)
            absent = "tls-unique" if version == V13 else "tls-none"
            for flag, mechanism in (
                    ("y", "SCRAM-SHA-256"), ("p=tls-exporter", "SCRAM-SHA-256"),
                    ("n", "SCRAM-SHA-256-PLUS"), ("y", "SCRAM-SHA-256-PLUS"),
                    ("p=", "SCRAM-SHA-256-PLUS"), ("p", "SCRAM-SHA-256-PLUS"),
                    ("p=" + absent, "SCRAM-SHA-256-PLUS"), ("p=" + "x" * 2000, "SCRAM-SHA-256-PLUS"),
                    ("p=TLS-EXPORTER", "SCRAM-SHA-256-PLUS")):
                with self.subTest(flag=flag[:20], mechanism=mechanism):
                    client.err(f"AUTH {mechanism} " + b64(scram.Exchange(flag=flag).first()))
        server.wait_log('auth=SCRAM-SHA-256 login=fail reason=password detail="binding" user=mrose$',
                        count=2)
        # where no -PLUS is offered, "y" is what a client says that could bind
        with server.client() as client:
            self.log_in(client, scram.Exchange(flag="y"))
        server = self.serve(Scram.USERS, auth__mechanisms="SCRAM-SHA-256")
        self.log_in(self.connect(server), scram.Exchange(flag="y"))


class Memory(SecureCase):
    """Row 39 for AUTH: nothing that was sent, and no key, is left in memory."""

    def logged_in(self, server, mechanism, password):
        """Logs in; returns what must be nowhere now."""
        client = self.connect(server) if mechanism.endswith("TLS") else server.client()
        self.addCleanup(client.close)
        mechanism = mechanism.removesuffix("-TLS")
        if mechanism == "PLAIN":
            blob = plain("mrose", password())
            client.ok(f"AUTH PLAIN {blob}")
        elif mechanism == "LOGIN":
            blob = b64(password())
            self.prompted(client, "AUTH LOGIN " + b64("mrose"))
            client.ok(blob)
        else:
            exchange = scram.Exchange("mrose", password())
            exchange.take(self.prompted(client, "AUTH SCRAM-SHA-256 " + b64(exchange.first())))
            final = exchange.final()
            blob = final.rpartition(b",p=")[2].decode()
            self.prompted(client, b64(final))
            client.ok("")
        self.assertEqual(client.stat(), (2, 320))
        return [password().encode(), blob[:28].encode(), base64.b64decode(blob)[-20:]]

    @harness.needs_root
    @harness.measures
    def test_B39_no_process_keeps_the_secret(self):
        for mechanism in ("PLAIN", "LOGIN", "SCRAM", "PLAIN-TLS", "LOGIN-TLS", "SCRAM-TLS"):
            for scheme in ("keys", "plain"):
                with self.subTest(mechanism=mechanism, scheme=scheme):
                    self.search(mechanism, scheme)

    def search(self, mechanism, scheme):
        halves = [secrets.token_hex(12), secrets.token_hex(12)]
        needles, users = [], {"mrose": "{PLAIN}" + "".join(halves)}
        if scheme == "keys":
            users["mrose"] = scram.credential("".join(halves))
            for field in users["mrose"].split(",")[2:]:
                needles += [field.encode(), base64.b64decode(field)]
        server = self.serve(users)
        server.wait_idle()  # the connection that waited for the greeting has ended
        needles += self.logged_in(server, mechanism, lambda: "".join(halves))
        pids = server.members()
        self.assertGreaterEqual(len(pids), 3, "listener, monitor, session")
        for pid in pids:
            for region in memory_of(pid):
                for number, needle in enumerate(needles):
                    self.assertFalse(needle in region, f"process {pid} holds secret {number}")
        # the search itself must be able to find something
        self.assertTrue(any(b"mrose" in region for pid in pids for region in memory_of(pid)))


if __name__ == "__main__":
    harness.main()
