"""Group C: a client that writes its own records of TLS.
"""
import hmac
import socket
import ssl
import struct
import subprocess
import tempfile

import harness
import oracle
import secure
from client import Client
from harness import children, needs_root
from secure import TlsCase, hello, trusting

MAIL = oracle.mbox_of(oracle.message_of(120), oracle.message_of(200, b"2"))


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
        client.sock.settimeout(harness.PATIENCE)
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
        output = self.renegotiate(server, "-tls1_2")
        self.assertRegex(output, b"RENEGOTIATING\n.*(no renegotiation|handshake failure)")
        self.assertIn(b"Secure Renegotiation IS supported", output)
        self.assertRegex(self.renegotiate(server, "-tls1_3"), b"RENEGOTIATING\n.*wrong ssl version")
        server.wait_idle()
        self.assertNotIn("session died", server.log())

    def renegotiate(self, server, version):
        """What openssl says to the end; its letter for this is R."""
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.tls_port}", version,
             "-CAfile", secure.trusting_ca_file()], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        output = b""
        for line in client.stdout:
            output += line
            if line.startswith(b"+OK POP3 server ready"):
                client.stdin.write(b"R\n")
                client.stdin.flush()
        return output


@needs_root
class PidAgain(TlsCase):
    """A session with the pid of the process that the daemon was started by.

    The daemon has a space of pids of its own, in which nobody else makes any.
    """

    BEGINNING = 100

    def choose(self, pid):
        return f"echo {pid - 1} >/proc/sys/kernel/ns_last_pid"

    def start(self):
        """The first process of the space, and the daemon, by their pids outside."""
        self.server = self.laid_out(privileged=True)
        script = self.choose(self.BEGINNING) + ' && "$@" && exec sleep 600'
        with open(self.server.log_path, "ab") as log:
            space = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh",
                 self.server.binary, "-c", self.server.conf], stdout=log, stderr=log, cwd="/")
        self.addCleanup(space.wait)
        self.addCleanup(space.kill)
        harness.wait_until(lambda: space.poll() is not None or "ready" in self.server.log(),
                           what="the start")
        if space.poll() is not None:
            self.skipTest("needs a space of pids")
        first = children(space.pid)[0]
        return first, harness.wait_until(lambda: children(first), what="the daemon")[0]

    def connect(self, first, daemon):
        """A connection whose session has the pid that began."""
        subprocess.run(["nsenter", f"--pid=/proc/{first}/ns/pid", "sh", "-c",
                        self.choose(self.BEGINNING - 1)], check=True)
        sock = socket.create_connection(("127.0.0.1", self.server.tls_port), harness.PATIENCE)
        session = harness.wait_until(
            lambda: [pid for monitor in children(daemon) for pid in children(monitor)],
            what="a session")[0]
        self.assertEqual(harness.proc_status(session, "NSpid").split()[-1], str(self.BEGINNING))
        return sock

    def server_hello(self, sock):
        """Its random octets, and what it takes for the exchange of keys."""
        sock.sendall(hello(trusting(minimum_version=ssl.TLSVersion.TLSv1_3))[3])
        with sock, sock.makefile("rb") as stream:
            head = stream.read(5)
            message = stream.read(int.from_bytes(head[3:]))
        self.assertEqual((head[0], message[0]), (22, 2))
        return message[6:38], message[-32:]

    def test_every_handshake_has_its_own_numbers(self):
        first, daemon = self.start()
        found = []
        for _ in range(2):
            found.append(self.server_hello(self.connect(first, daemon)))
            harness.wait_until(lambda: not children(daemon), what="its end")
        for one, other in zip(*found):
            self.assertNotEqual(one, other)


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


if __name__ == "__main__":
    harness.main()
