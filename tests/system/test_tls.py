"""Group C: TLS from the first octet and by STLS, and what goes wrong in it.
"""
import itertools
import os
import socket
import ssl
import time
import warnings

import harness
import oracle
from client import Client
from secure import NAME, TlsCase, hello, pair, server_pair, start_tls, trusting

MAIL = oracle.mbox_of(oracle.message_of(120), oracle.message_of(200, b"2"))


class Sessions(TlsCase):
    def whole_session(self, client):
        client.login()
        self.assert_served(client, oracle.parse(MAIL))
        client.quit()

    def test_whole_sessions(self):
        for mode in ({}, {"mode": "inetd"}):
            with self.subTest(mode=mode):
                server = self.daemon(MAIL, **mode)
                if not mode:
                    self.whole_session(server.tls_client())
                    server.wait_log("proto=pop3s tls=TLSv1.3 auth=PASS login=ok")
                with server.stls_client() as client:
                    self.whole_session(client)
                server.wait_log("proto=pop3 tls=TLSv1.3 auth=PASS login=ok")
        server = self.daemon(MAIL, mode="inetd", always=True)
        self.whole_session(server.client())
        server.wait_log("proto=pop3s tls=TLSv1.3")

    def test_versions(self):
        server = self.daemon(MAIL, options={"tls.min_protocol": "TLSv1.2"})
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            context = trusting(minimum_version=version, maximum_version=version)
            with server.tls_client(context) as client:
                self.assertEqual(client.sock.version(), name)
                self.assertIsNone(client.sock.compression())
                self.whole_session(client)

    def test_slow_reader(self):
        """Records that the socket takes in part, of several replies."""
        mail = oracle.mbox_of(b"Subject: big\n\n" + b"z" * 75 * 40000, oracle.message_of(200))
        messages = oracle.parse(mail)
        server = self.daemon(mail)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(minimum_version=version, maximum_version=version)
            with self.subTest(version), server.stls_client(context, rcvbuf=4096) as client:
                client.login()
                client.send(b"RETR 1\r\nRETR 2\r\nNOOP\r\n")
                time.sleep(0.3)
                for message in messages:
                    self.assertRegex(client.status(), r"^\+OK")
                    self.assert_octets(client.multiline(), message.wire)
                self.assertRegex(client.status(), r"^\+OK")
                client.quit()

    def test_nothing_to_resume(self):
        server = self.daemon(MAIL)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(maximum_version=version)
            with server.tls_client(context) as client:
                client.login()
                client.stat()
                session = client.sock.session
                self.assertFalse(session is not None and session.has_ticket)
                client.quit()
            with socket.create_connection(("127.0.0.1", server.tls_port)) as sock, \
                    context.wrap_socket(sock, server_hostname=NAME, session=session) as again:
                self.assertFalse(again.session_reused)

    def test_alpn(self):
        server = self.daemon(MAIL)
        context = trusting()
        context.set_alpn_protocols(["http/1.1", "pop3"])
        with server.tls_client(context) as client:
            self.assertEqual(client.sock.selected_alpn_protocol(), "pop3")
        context.set_alpn_protocols(["http/1.1", "imap"])
        with self.assertRaises(ssl.SSLError):
            server.tls_client(context)
        with server.tls_client() as client:
            self.assertIsNone(client.sock.selected_alpn_protocol())

    def test_sni(self):
        other = pair("other", names=("mail.example.org", "*.example.net"))
        server = self.daemon(MAIL, pairs=[server_pair(), other])
        for name, certificate in ((NAME, "server"), ("mail.example.org", "other"),
                                  ("pop.example.net", "other"), (None, "server"),
                                  ("unknown.example.com", "server")):
            context = trusting()
            context.check_hostname = False
            with server.tls_client(context, name=name) as client:
                subject = dict(pair[0] for pair in client.sock.getpeercert()["subject"])
                self.assertEqual(subject["commonName"], certificate)

    def test_kinds_of_keys(self):
        for kind in ("ec", "rsa", "ed25519"):
            server = self.daemon(MAIL, pairs=[pair(kind, kind=kind)])
            self.whole_session(server.tls_client())

    def test_log_names_the_addresses(self):
        server = self.daemon(MAIL)
        server.wait_log(rf"ready on 127\.0\.0\.1:{server.port} 127\.0\.0\.1:{server.tls_port} \(TLS\)$")

    def test_capabilities(self):
        server = self.daemon(MAIL, options={"auth.cleartext": "never"})
        with server.client() as client:
            before = client.multi("CAPA").split(b"\r\n")
            self.assertIn(b"STLS", before)
            self.assertNotIn(b"USER", before)
            client.ok("STLS")
            start_tls(client)
            inside = client.multi("CAPA").split(b"\r\n")
            self.assertNotIn(b"STLS", inside)
            self.assertIn(b"USER", inside)
            client.login()
        with server.client() as client:
            client.err("USER mrose", "[AUTH]")

    def test_no_certificate(self):
        server = self.daemon(MAIL, options={"tls.certificate": "", "tls.private_key": "",
                                            "listen.pop3s": ""})
        with server.client() as client:
            self.assertNotIn(b"STLS", client.multi("CAPA"))
            client.err("STLS")
            client.login()


class Injection(TlsCase):
    def test_C41_commands_with_stls(self):
        """STLS and more in one segment, split at every byte: never executed."""
        server = self.daemon(MAIL)
        before = server.digest()
        text = b"STLS\r\nUSER mrose\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n"
        for cut in range(1, len(text) + 1):
            with self.subTest(cut=cut), server.client() as client:
                client.send(text[:cut])
                time.sleep(0.01)
                try:
                    client.send(text[cut:])
                    got = client.rest()
                except (ConnectionResetError, BrokenPipeError):
                    got = client.buffer
                # +OK begin TLS, then nothing that is POP3; or one -ERR
                self.assertRegex(got, rb"\A(\+OK begin TLS\r\n(\x15\x03.*)?|-ERR [^\r\n]*\r\n)?\Z")
        server.wait_idle()
        self.assertEqual(server.digest(), before)
        self.assertNotIn("login=", server.log())
        self.assertNotIn("session died", server.log())

    def test_C41_commands_between_stls_and_the_handshake(self):
        server = self.daemon(MAIL)
        for more in (b"CAPA\r\n", b"\n", b"QUIT\r\n", b"\x16", b" "):
            with self.subTest(more=more), server.client() as client:
                client.ok("STLS")
                client.send(more)
                with self.assertRaises((ssl.SSLError, OSError)):
                    start_tls(client)
        with server.stls_client() as client:
            client.login()

    def test_C41_more_than_one_line_buffered(self):
        server = self.daemon(MAIL)
        for line in (b"STLS\r\nN", b"CAPA\r\nSTLS\r\nNOOP\r\n", b"STLS\nSTLS\n", b"STLS\r\n\r\n"):
            with server.client() as client:
                client.send(line)
                self.assertRegex(client.rest(), rb"-ERR nothing may follow STLS[^\r\n]*\r\n\Z")

    def test_C42_what_was_learnt_is_forgotten(self):
        server = self.daemon(MAIL)
        with server.client() as client:
            client.ok("USER mrose")
            client.ok("STLS")
            start_tls(client)
            client.err("PASS secret")
            self.assertNotIn(b"STLS", client.multi("CAPA"))
            client.err("STLS")
            client.login()
            client.err("STLS")
            client.quit()
        with server.tls_client() as client:
            client.err("STLS")
        with server.client() as client:
            client.login()
            self.assertNotIn(b"STLS", client.multi("CAPA"))
            client.err("STLS")


class Faults(TlsCase):
    def unharmed(self, server):
        server.wait_idle()
        self.assertNotIn("session died", server.log())
        with server.tls_client() as client:
            client.login()
            self.assertEqual(client.stat(), (2, 320))
            client.quit()

    def raw(self, server, stls):
        client = Client(server.port if stls else server.tls_port, greet=stls)
        if stls:
            client.ok("STLS")
        return client

    def test_C43_hello_cut_at_every_byte(self):
        server = self.daemon(MAIL, options={"session.max_per_address": 10000})
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            _, _, _, octets = hello(trusting(maximum_version=version))
            for cut in range(len(octets)):
                with self.raw(server, cut % 8 == 7) as client:
                    client.send(octets[:cut])
                    client.half_close() if cut % 2 else None
        self.unharmed(server)

    def test_C43_answer_cut_at_every_byte(self):
        server = self.daemon(MAIL)
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            cut, total = 0, 1
            while cut < total:
                tls, incoming, outgoing, octets = hello(trusting(maximum_version=version))
                with self.raw(server, False) as client:
                    client.send(octets)
                    answer = b""
                    while not answer:
                        incoming.write(client.sock.recv(65536))
                        try:
                            tls.do_handshake()
                        except ssl.SSLWantReadError:
                            pass
                        answer = outgoing.read()
                    total = len(answer)
                    client.send(answer[:cut])
                cut += 1
        self.unharmed(server)

    def test_C43_garbage(self):
        server = self.daemon(MAIL, options={"session.max_per_address": 10000})
        _, _, _, octets = hello()
        garbage = [b"\0" * 100, b"\xff" * 20000, b"CAPA\r\n", b"GET / HTTP/1.0\r\n\r\n", b"\n",
                   b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x15\x03\x01\x00\x02\x02\x28",
                   b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"]
        garbage += [octets[:n] + bytes([octets[n] ^ 0x55]) + octets[n + 1:]
                    for n in range(0, len(octets), 3)]
        garbage += [os.urandom(300) for _ in range(50)]
        for n, data in enumerate(garbage):
            with self.raw(server, n % 4 == 3) as client:
                try:
                    client.send(data)
                    client.half_close()
                    self.assertNotIn(b"+OK POP3", client.rest())
                except OSError:  # closed already
                    pass
        self.unharmed(server)

    def test_C43_no_common_version_or_cipher(self):
        server = self.daemon(MAIL, options={
            "tls.min_protocol": "TLSv1.3", "session.max_per_address": 10000})
        with self.assertRaises(ssl.SSLError):
            server.tls_client(trusting(maximum_version=ssl.TLSVersion.TLSv1_2))
        self.unharmed(server)
        server = self.daemon(MAIL, options={"tls.ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384"})
        context = trusting(maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
        with self.assertRaises(ssl.SSLError):
            server.tls_client(context)
        context.set_ciphers("@SECLEVEL=0:ALL")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(ssl.SSLError):
            server.tls_client(context)
        for reason in ("no-shared-cipher", "unsupported-protocol"):
            server.wait_log(f"proto=pop3s TLS handshake failed reason={reason}$")
        self.unharmed(server)

    def test_C44_handshake_stall(self):
        server = self.daemon(MAIL, options={"session.tls_timeout": "1s"})
        _, _, _, octets = hello()
        for stls in (False, True):
            for part in (b"", octets[:1], octets[:100], octets):
                begin = time.monotonic()
                with self.subTest(stls=stls, octets=len(part)), self.raw(server, stls) as client:
                    client.send(part)
                    client.rest()
                    self.assertTrue(0.9 < time.monotonic() - begin < 10)
            server.wait_log("TLS handshake failed reason=timeout")
        # one octet now and then does not help
        with self.raw(server, False) as client:
            begin = time.monotonic()
            with self.assertRaises(OSError):
                for octet in octets:
                    client.send(bytes([octet]))
                    time.sleep(0.05)
            self.assertLess(time.monotonic() - begin, 10)
        server.wait_idle()

    def test_health_checks_leave_one_debug_line(self):
        server = self.daemon(MAIL, options={"log.level": "debug"})
        ways = (Client.close, Client.reset, lambda client: (client.half_close(), client.rest()))
        server.wait_idle()
        for stls, way in itertools.product((False, True), ways):
            before = len(server.log().splitlines())
            way(self.raw(server, stls))
            harness.wait_until(lambda: len(server.log().splitlines()) > before, 10, "a line")
            server.wait_idle()
            lines = server.log().splitlines()[before:]
            self.assertEqual(len(lines), 1, lines)
            self.assertRegex(lines[0], r"ip=127\.0\.0\.1 end=drop failures=0")

    def test_C45_close_without_close_notify(self):
        server = self.daemon(MAIL)
        before = server.digest()
        for connect in (server.tls_client, server.stls_client):
            client = connect()
            client.login()
            client.ok("DELE 1")
            client.close()
            server.wait_idle()
            self.assertEqual(server.digest(), before)
        server.wait_log("end=drop.*dele_pending=1", count=2)
        # and with one, but without QUIT
        client = server.tls_client()
        client.login()
        client.ok("DELE 1")
        client.sock.unwrap().close()
        server.wait_idle()
        self.assertEqual(server.digest(), before)

    def test_C45_quit_and_close(self):
        server = self.daemon(MAIL)
        client = server.tls_client()
        client.login()
        client.ok("DELE 1")
        client.send(b"QUIT\r\n")
        client.close()
        server.wait_log("end=quit")
        self.assertEqual(server.read(), oracle.without(MAIL, {1}))

    def test_C45_truncated_record(self):
        # QUIT inside a record of which the last octet never comes
        server = self.daemon(MAIL)
        before = server.digest()
        tls, incoming, outgoing, octets = hello()
        with self.raw(server, False) as client:
            def turn(call, data=b""):
                client.send(data or outgoing.read())
                while True:
                    try:
                        return call()
                    except ssl.SSLWantReadError:
                        client.send(outgoing.read())
                        incoming.write(client.sock.recv(65536))
            turn(tls.do_handshake, octets)
            turn(lambda: tls.read(1000))
            tls.write(b"USER mrose\r\nPASS secret\r\nDELE 1\r\n")
            client.send(outgoing.read())
            server.wait_log("login=ok")
            tls.write(b"QUIT\r\n")
            record = outgoing.read()
            client.send(record[:-1])
            client.half_close()
            server.wait_log("end=drop")
        self.assertEqual(server.digest(), before)


if __name__ == "__main__":
    harness.main()
