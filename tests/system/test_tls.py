"""Group C: TLS from the first octet and by STLS, what goes wrong in it, and
certificates.
"""
import hmac
import os
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import warnings

import harness
import oracle
import secure
from client import Client
from secure import NAME, TlsCase, pair, server_pair, start_tls, trusting

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


def hello(context=None):
    """What a client would say first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = (context or trusting()).wrap_bio(incoming, outgoing, server_hostname=NAME)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return tls, incoming, outgoing, outgoing.read()


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
                with self.subTest(stls=stls, octets=len(part)), self.raw(server, stls) as client:
                    client.send(part)
                    begin = time.monotonic()
                    client.rest()
                    self.assertTrue(0.9 < time.monotonic() - begin < 3)
            server.wait_log("TLS handshake failed reason=timeout")
        # one octet now and then does not help
        with self.raw(server, False) as client:
            begin = time.monotonic()
            with self.assertRaises(OSError):
                for octet in octets:
                    client.send(bytes([octet]))
                    time.sleep(0.05)
            self.assertLess(time.monotonic() - begin, 3)
        server.wait_idle()

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


def expand(secret, label, context, length, digest="sha384"):
    """HKDF-Expand-Label of RFC 8446 section 7.1."""
    label = b"tls13 " + label
    info = (struct.pack("!HB", length, len(label)) + label
            + struct.pack("!B", len(context)) + context + b"\1")
    return hmac.new(secret, info, digest).digest()[:length]


class Records(TlsCase):
    """A client that writes its own records, with the keys of a TLS 1.3
    connection that was set up in the usual way.
    """

    def connect(self, server):
        """A client whose TLS is given up after the greeting; its socket is raw."""
        with tempfile.NamedTemporaryFile() as log:
            client = server.tls_client(trusting(keylog_filename=log.name,
                                                minimum_version=ssl.TLSVersion.TLSv1_3))
            secrets = dict(line.split(" ", 2)[::2] for line in open(log.name) if line[0] != "#")
        self.assertEqual(client.sock.cipher()[0], "TLS_AES_256_GCM_SHA384")
        secret = bytes.fromhex(secrets["CLIENT_TRAFFIC_SECRET_0"])
        client.sock = socket.socket(fileno=client.sock.detach())
        client.sock.settimeout(20)
        self.rekey(secret)
        return client

    def rekey(self, secret):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        self.secret, self.number = secret, 0
        self.cipher = AESGCM(expand(secret, b"key", b"", 32))
        self.iv = int.from_bytes(expand(secret, b"iv", b"", 12), "big")

    def record(self, kind, data=b"", padding=0):
        inner = data + bytes([kind]) + bytes(padding)
        header = struct.pack("!BHH", 23, 0x0303, len(inner) + 16)
        nonce = (self.iv ^ self.number).to_bytes(12, "big")
        self.number += 1
        return header + self.cipher.encrypt(nonce, inner, header)

    def key_update(self, answer):
        record = self.record(22, b"\x18\0\0\1" + bytes([answer]))
        self.rekey(expand(self.secret, b"traffic upd", b"", 48))
        return record

    def cut_off(self, server, client, make, limit):
        """Sends such records until the server has had enough; it must be soon."""
        sent = 0
        with self.assertRaises((ConnectionResetError, BrokenPipeError)):
            while sent < limit:
                client.send(make())
                sent += 1
            while client.sock.recv(65536):
                pass
            raise ConnectionResetError("closed in order")
        client.close()
        server.wait_idle()
        self.assertNotIn("session died", server.log())

    def test_C46_key_updates(self):
        server = self.daemon(MAIL)
        # some are legal
        client = self.connect(server)
        client.send(b"".join(self.key_update(0) for _ in range(10)) + self.record(23, b"CAPA\r\n"))
        self.assertGreater(len(client.sock.recv(65536)), 100)
        client.close()
        for answer in (0, 1):
            client = self.connect(server)
            self.cut_off(server, client, lambda: self.key_update(answer), 2000)

    def test_C46_empty_records(self):
        server = self.daemon(MAIL)
        client = self.connect(server)
        self.cut_off(server, client, lambda: self.record(23), 2000)
        client = self.connect(server)
        self.cut_off(server, client, lambda: self.record(23, padding=1000), 2000)

    def test_C46_wrong_records(self):
        server = self.daemon(MAIL)
        for kind, data in ((0, b""), (20, b"\1"), (21, b"\1"), (22, b""), (22, b"\x18\0\0\1\7"),
                           (22, b"\x18\0\0\0"), (24, b"\1\xff\xff"), (22, b"\1\0\0\0"), (23, b"x" * 16400)):
            client = self.connect(server)
            self.cut_off(server, client, lambda: self.record(kind, data), 1)
        client = self.connect(server)
        self.cut_off(server, client, lambda: self.record(23, b"CAPA\r\n")[:-1] + b"x", 1)

    def test_C46_small_records(self):
        # one octet in each is legal, and slow for nobody else
        server = self.daemon(MAIL)
        client = self.connect(server)
        client.send(b"".join(self.record(23, bytes([octet]), padding=n % 3)
                             for n, octet in enumerate(b"USER mrose\r\nPASS secret\r\nQUIT\r\n")))
        server.wait_log("end=quit")

    def test_C46_renegotiation(self):
        server = self.daemon(MAIL)
        for version in ("-tls1_2", "-tls1_3"):
            client = subprocess.Popen(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{server.tls_port}", version,
                 "-CAfile", secure.trusting_ca_file()], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            server.wait_log("ready")
            time.sleep(0.3)
            client.stdin.write(b"R\n")
            client.stdin.flush()
            time.sleep(0.3)
            output, _ = client.communicate(b"QUIT\n", timeout=20)
            self.assertIn(b"+OK POP3 server ready", output)
            if version == "-tls1_2":
                self.assertRegex(output, b"no renegotiation|handshake failure")
            self.assertRegex(output, b"Secure Renegotiation IS (NOT )?supported")
        server.wait_idle()
        self.assertNotIn("session died", server.log())


class Records12(TlsCase):
    """The same of TLS 1.2 (RFC 5246 section 6.3, RFC 5288)."""

    def connect(self, server):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        context = trusting(maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
        with tempfile.NamedTemporaryFile() as log:
            context.keylog_filename = log.name
            tls, incoming, outgoing, octets = hello(context)
            client = Client(server.tls_port, greet=False)
            answer, greeting = b"", b""
            while not greeting:
                client.send(octets)
                answer += (data := client.sock.recv(65536))
                incoming.write(data)
                try:
                    tls.do_handshake()
                    greeting = tls.read(1000)
                except ssl.SSLWantReadError:
                    pass
                octets = outgoing.read()
            label, random, master = open(log.name).read().split("\n")[-2].split()
        self.assertEqual(label, "CLIENT_RANDOM")
        seed = b"key expansion" + answer[11:43] + bytes.fromhex(random)
        block, a = b"", seed
        while len(block) < 72:
            a = hmac.new(bytes.fromhex(master), a, "sha384").digest()
            block += hmac.new(bytes.fromhex(master), a + seed, "sha384").digest()
        self.cipher, self.iv, self.number = AESGCM(block[:32]), block[64:68], 1
        return client

    def record(self, kind, data=b""):
        explicit = struct.pack("!Q", self.number)
        self.number += 1
        sealed = self.cipher.encrypt(
            self.iv + explicit, data, explicit + struct.pack("!BHH", kind, 0x0303, len(data)))
        return struct.pack("!BHH", kind, 0x0303, len(sealed) + 8) + explicit + sealed

    cut_off = Records.cut_off

    def test_C46_renegotiations(self):
        server = self.daemon(MAIL)
        again = hello(trusting(maximum_version=ssl.TLSVersion.TLSv1_2))[3][5:]
        # one is refused, with a warning, and the session goes on
        client = self.connect(server)
        client.send(self.record(22, again) + self.record(23, b"CAPA\r\n"))
        got = b""
        while len(got) < 200:
            got += (data := client.sock.recv(65536))
            self.assertTrue(data, got)
        client.close()
        client = self.connect(server)
        self.cut_off(server, client, lambda: self.record(22, again), 2000)

    def test_C46_empty_records(self):
        server = self.daemon(MAIL)
        client = self.connect(server)
        self.cut_off(server, client, lambda: self.record(23), 2000)

    def test_C46_warnings(self):
        server = self.daemon(MAIL)
        client = self.connect(server)
        self.cut_off(server, client, lambda: self.record(21, b"\1\x5a"), 2000)


class Certificates(TlsCase):
    def refused(self, reason, certificate=None, key=None, **options):
        """The daemon does not start, and says why with the file."""
        good = server_pair()
        server = self.laid_out(pairs=[(certificate or good[0], key or good[1])],
                               options={k.replace("__", "."): v for k, v in options.items()})
        return self.start_fails(server, reason)

    def laid_out(self, **kwargs):
        server = secure.TlsDaemon(start=False, **kwargs)
        self.addCleanup(server.remove)
        return server

    def start_fails(self, server, reason):
        process = server.spawn(["-F"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
        output = process.communicate(timeout=20)[0].decode()
        self.assertGreater(process.returncode, 0, output)
        self.assertRegex(output, reason)
        return output

    def test_C47_key_and_certificate_do_not_match(self):
        self.refused(r"tls\.private_key: \S+/other2\.key does not match its certificate",
                     key=pair("other2")[1])

    def test_C47_rights(self):
        server = self.laid_out()
        key = server.dir / "server.key"
        for mode in (0o604, 0o644, 0o602, 0o660):
            key.chmod(mode)
            self.start_fails(server, r"tls\.private_key: \S+/server\.key: others can read or write it")
        key.chmod(0o640)  # a group of its own may read it
        server.start()
        self.addCleanup(server.stop)

    def test_C47_client_ca(self):
        server = self.laid_out(options={"tls.client_ca": "/etc/passwd"})
        self.start_fails(server, "tls.client_ca: /etc/passwd: no certificates in PEM form: no start line")
        for path, reason in (("/nonexistent/ca.pem", "No such file"), ("/etc", "not a file"),
                             ("/dev/null", "not a file")):
            server.options["tls.client_ca"] = path
            server.write_conf()
            self.start_fails(server, f"tls.client_ca: {path}: {reason}")

    def test_C47_no_key(self):
        server = self.laid_out()
        key, certificate = server.dir / "server.key", server.dir / "server.crt"
        good = {key: key.read_bytes(), certificate: certificate.read_bytes()}
        spoilt = {
            key: (
                (lambda: key.write_bytes(b""), "server.key: the file is empty"),
                (lambda: key.write_bytes(b"x"), "server.key: no key in PEM form"),
                (lambda: key.write_bytes(good[key][:100]), "server.key: no key in PEM form"),
                (lambda: key.write_bytes(good[certificate]), "server.key: no key in PEM form"),
                (key.unlink, "server.key: No such file"),
                (lambda: (key.unlink(), key.mkdir()), "server.key: not a file"),
            ),
            certificate: (
                (lambda: certificate.write_bytes(b""), "server.crt: the file is empty"),
                (lambda: certificate.write_bytes(b"x"), "server.crt: no certificate in PEM .*: no start line"),
                (lambda: certificate.write_bytes(good[key]), "server.crt: no certificate in PEM form"),
                (certificate.unlink, "tls.certificate: .*server.crt: No such file"),
                (lambda: (certificate.unlink(), certificate.mkdir()), "server.crt: not a file"),
            )}
        for path, cases in spoilt.items():
            for spoil, reason in cases:
                with self.subTest(path=path.name, reason=reason):
                    spoil()
                    self.start_fails(server, reason)
                    if path.is_dir():
                        path.rmdir()
                    path.write_bytes(good[path])
                    path.chmod(0o600)
                    server.own(path)
        server.start()
        self.addCleanup(server.stop)

    def test_C47_encrypted_key(self):
        self.refused("sealed.key: the key is encrypted",
                     *pair("sealed", password=b"secret"))

    def test_C47_numbers_differ(self):
        server = self.laid_out()
        one, two = server.dir / "server.crt", server.dir / "server.key"
        for certificates, keys, reason in (
                (f"{one} {one}", f"{two}", "tls.private_key: no key for "),
                (f"{one}", f"{two} {two}", "tls.private_key: no certificate for "),
                ("", f"{two}", "tls.private_key: no certificate for "),
                (f"{one}", "", "tls.private_key: no key for ")):
            server.options.update({"tls.certificate": certificates, "tls.private_key": keys})
            server.write_conf()
            self.start_fails(server, reason)

    def test_C47_other_settings(self):
        self.refused(r"tls\.ciphers: \"NONSENSE\"", tls__ciphers="NONSENSE")
        self.refused(r"tls\.client_ca: /nonexistent: ", tls__client_ca="/nonexistent")
        self.refused(r"tls\.client_ca: \S+: ", tls__client_ca="/dev/null")

    def test_C47_dates(self):
        for label, days, begin, said in (
                ("expired", -2, -10, "expired.crt has expired"),
                ("soon", 5, -1, "soon.crt ends in [45] days"),
                ("early", 50, 2, "early.crt is not valid yet"),
                ("server", 365, -1, r"server.crt is good for 36[45] days")):
            server = self.daemon(MAIL, pairs=[pair(label, days=days, begin=begin)])
            server.wait_log(said)
            context = trusting()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with server.tls_client(context) as client:
                client.login()

    def test_C47_told_by_t(self):
        server = self.laid_out()
        (server.dir / "server.key").write_bytes(b"x")
        process = server.spawn(["-t"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = process.communicate(timeout=20)[0].decode()
        self.assertNotEqual(process.returncode, 0)
        self.assertRegex(output, r"server\.key")

    def serial(self, client):
        return client.sock.getpeercert()["serialNumber"]

    def test_C48_replaced(self):
        server = self.daemon(MAIL)
        old = server.tls_client()
        old.login()
        first = self.serial(old)
        fresh = pair("fresh")
        for source, name in zip(fresh, ("server.crt", "server.key")):
            (server.dir / name).write_bytes(source.read_bytes())
        with server.tls_client() as client:  # nothing before it is told to
            self.assertEqual(self.serial(client), first)
        server.reload()
        server.wait_log("configuration read again")
        with server.tls_client() as client:
            second = self.serial(client)
            self.assertNotEqual(second, first)
        self.assertEqual(old.stat(), (2, 320))
        old.quit()
        # a bad one: the old one stays
        bad = (("server.key", b"x"), ("server.crt", b""), ("server.key", pair("stray")[1].read_bytes()))
        for count, (name, data) in enumerate(bad, 1):
            (server.dir / name).write_bytes(data)
            server.reload()
            server.wait_log("reload refused; the old configuration stays", count=count)
            with server.tls_client() as client:
                self.assertEqual(self.serial(client), second)
            (server.dir / name).write_bytes(fresh[name == "server.key"].read_bytes())
        (server.dir / "server.key").unlink()
        server.reload()
        server.wait_log("server.key: No such file")
        with server.tls_client() as client:
            client.login()

    def test_C48_reload_adds_and_takes_away(self):
        server = self.daemon(MAIL, options={"tls.certificate": "", "tls.private_key": "",
                                            "listen.pop3s": ""})
        with server.client() as client:
            client.err("STLS")
        plain = dict(server.options)
        for name in ("tls.certificate", "tls.private_key", "listen.pop3s"):
            del server.options[name]
        server.write_conf()
        server.reload()
        server.wait_log("configuration read again")
        with server.tls_client() as client, server.stls_client() as second:
            self.assertIn("ready", client.greeting + second.greeting)
        server.options = plain
        server.write_conf()
        server.reload()
        server.wait_log("configuration read again", count=2)
        with self.assertRaises(ConnectionRefusedError):
            server.tls_client()


if __name__ == "__main__":
    harness.main()
