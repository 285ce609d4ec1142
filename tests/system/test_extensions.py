"""Extensions: CAPA, LANG, UTF8, LOGIN-DELAY, EXPIRE and the PROXY protocol."""
import pathlib
import socket
import struct
import subprocess
import tempfile
import time

import harness
import secure
from client import Client
from harness import free_port, needs_program, wait_until
from oracle import FROM

PLAIN = FROM + b"Subject: plain\n\nbody \xc3\xa9\n\n"
EIGHT_BIT = FROM + "Subject: Grüße\n\nbody\n".encode()
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


class Case(harness.TestCase):
    def daemon(self, head=b"", **options):
        return super().daemon(PLAIN + EIGHT_BIT, head=head, options={
            key.replace("__", "."): value for key, value in options.items()})

    def capa(self, client):
        return client.multi("CAPA").decode().split("\r\n")[:-1]


class Capa(Case):
    BOTH = ["TOP", "USER", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "LANG",
            "EXPIRE NEVER"]

    def test_capa_in_both_states(self):
        server = self.daemon()
        with server.client() as client:
            before = self.capa(client)
            client.login()
            after = self.capa(client)
        for word in self.BOTH:
            self.assertIn(word, before)
            self.assertIn(word, after)
        self.assertEqual(before, after)
        self.assertTrue(any(line.startswith("IMPLEMENTATION Poplar") for line in after))
        self.assertFalse([line for line in after if line.startswith(".")])

    def test_capa_lists_what_is_configured_only(self):
        server = self.daemon()
        with server.client() as client:
            lines = self.capa(client)
        for word in ("STLS", "UTF8", "LOGIN-DELAY"):
            self.assertFalse([line for line in lines if line.startswith(word)], word)
        server = self.daemon(session__utf8="on", session__login_delay="2m", session__expire="30",
                             auth__cleartext="never")
        with server.client() as client:
            lines = self.capa(client)
        for word in ("UTF8", "LOGIN-DELAY 120", "EXPIRE 30"):
            self.assertIn(word, lines)
        self.assertNotIn("USER", lines)

    def test_capa_tells_no_shorter_delay_than_holds(self):
        with self.daemon(session__login_delay="1001ms").client() as client:
            self.assertIn("LOGIN-DELAY 2", self.capa(client))


class Lang(Case):
    def test_lang_lists_and_selects(self):
        with self.daemon().client() as client:
            self.assertEqual(client.multi("LANG").decode(), "en English\r\nde Deutsch\r\n")
            self.assertTrue(client.ok("LANG de").startswith("+OK de "))
            self.assertEqual(client.err("FOO"), "-ERR unbekannter Befehl")
            self.assertTrue(client.ok("LANG de-AT").startswith("+OK de "))
            self.assertTrue(client.ok("LANG *").startswith("+OK en "))
            self.assertEqual(client.err("FOO"), "-ERR unknown command")
            client.err("LANG xx")
            client.err("LANG de en")

    def test_lang_keeps_numbers_and_codes(self):
        with self.daemon().client() as client:
            client.ok("LANG de")
            client.login_fails("mrose", "wrong", "[AUTH]")
            self.assertRegex(client.login(), r"^\+OK 2 messages \(\d+ octets\), session ")
            self.assertEqual(client.err("RETR 9"),
                             "-ERR keine solche Nachricht, nur 2 Nachrichten im Postfach")
            client.stat()
            client.list()
            client.uidl()
            client.quit()


class Utf8(Case):
    def test_utf8_off_sends_what_is_stored(self):
        with self.daemon().logged_in() as client:
            self.assertIn("Grüße".encode(), client.retr(2))
        with self.daemon().client() as client:
            client.err("UTF8")

    def test_utf8_header_needs_the_mode(self):
        server = self.daemon(session__utf8="on")
        with server.logged_in() as client:
            self.assertIn(b"\xc3\xa9", client.retr(1))
            client.err("RETR 2", "[UTF8]")
            client.err("TOP 2 0", "[UTF8]")
            client.ok("DELE 2")
            client.err("UTF8")
            client.ok("RSET")
            client.quit()
        with server.client() as client:
            client.ok("UTF8")
            client.login()
            self.assertIn("Grüße".encode(), client.retr(2))
            self.assertIn("Grüße".encode(), client.multi("TOP 2 0"))

    def test_utf8_user_is_not_offered(self):
        with self.daemon(session__utf8="on").client() as client:
            client.err("UTF8 USER")


class LoginDelay(Case):
    def test_a_burst_passes_and_no_more(self):
        server = self.daemon(session__login_delay="2s")
        for _ in range(3):
            server.logged_in().quit()
        with server.client() as client:
            client.login_fails("mrose", "secret", "[LOGIN-DELAY]")
        server.wait_log("login=fail reason=delay")
        server.stop()
        server.start()
        with server.client() as client:
            client.login_fails("mrose", "secret", "[LOGIN-DELAY]")
        time.sleep(2.1)
        server.logged_in().quit()

    def test_wrong_passwords_cost_nothing(self):
        server = self.daemon(session__login_delay="1h")
        with server.client() as client:
            client.login_fails("mrose", "wrong", "[AUTH]")
        for _ in range(3):
            server.logged_in().quit()


def v2(command, family, block, extensions=b""):
    body = block + extensions
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(body)) + body


def v4_block(address):
    return socket.inet_aton(address) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 4096, 110)


class Proxy(Case):
    def proxied(self, **options):
        return self.daemon(b"PROXY UNKNOWN\r\n", listen__proxy_networks="127.0.0.0/8", **options)

    def after(self, server, header):
        client = Client(server.port, greet=False)
        self.addCleanup(client.close)
        client.send(header)
        client.greeting = client.status()
        return client

    def test_the_address_is_used(self):
        server = self.proxied()
        for header, address in (
                (b"PROXY TCP4 192.0.2.7 127.0.0.1 4096 110\r\n", "192.0.2.7"),
                (b"PROXY TCP6 2001:db8::7 ::1 4096 110\r\n", "2001:db8::7"),
                (v2(1, 0x11, v4_block("198.51.100.9")), "198.51.100.9"),
                (v2(1, 0x11, v4_block("198.51.100.10"), b"\4\0\2hi"), "198.51.100.10"),
                (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
                (v2(0, 0, b""), "127.0.0.1")):
            with self.subTest(header=header):
                client = self.after(server, header)
                client.login()
                server.wait_log(f"user=mrose ip={address} .*login=ok")
                client.quit()

    def test_header_and_commands_in_any_split(self):
        server = self.proxied()
        for header in (b"PROXY TCP4 192.0.2.7 127.0.0.1 4096 110\r\n",
                       v2(1, 0x11, v4_block("198.51.100.9"))):
            octets = header + b"NOOP\r\nQUIT\r\n"
            for cut in range(1, len(octets)):
                with Client(server.port, greet=False) as client:
                    client.send(octets[:cut])
                    client.send(octets[cut:])
                    self.assertEqual([client.status()[:3] for _ in range(3)],
                                     ["+OK", "-ER", "+OK"])

    def test_mandatory_where_configured(self):
        server = self.proxied()
        wrong = (b"USER mrose\r\n", b"PROXY TCP4 192.0.2.300 1.2.3.4 1 2\r\n",
                 v2(1, 0x11, b"short"), b"\x16\x03\x01")
        for count, octets in enumerate(wrong, 1):
            with self.subTest(octets=octets), Client(server.port, greet=False) as client:
                client.send(octets)
                client.expect_closed()
                server.wait_log("ip=127.0.0.1 proto=pop3 no PROXY header.* reason=bad$", count=count)

    def test_health_checks_are_no_news(self):
        server = self.proxied()
        for octets in (b"", b"PROXY TCP4"):
            with Client(server.port, greet=False) as client:
                client.send(octets)
        self.after(server, b"PROXY TCP4 192.0.2.7 127.0.0.1 4096 110\r\n").quit()
        self.assertNotIn("PROXY", server.log())

    def test_three_seconds(self):
        server = self.proxied()
        began = time.monotonic()
        with Client(server.port, greet=False) as client:
            client.send(b"PROXY TCP4")
            client.expect_closed()
        self.assertTrue(2.9 < time.monotonic() - began < 15)
        server.wait_log("no PROXY header.* reason=timeout$")

    def test_refused_elsewhere(self):
        server = self.daemon(listen__proxy_networks="192.0.2.0/24")
        for octets in (b"PROXY TCP4 192.0.2.7 127.0.0.1 4096 110\r\n",
                       v2(1, 0x11, v4_block("198.51.100.9"))):
            for cut in range(1, len(octets) + 1):
                with self.subTest(cut=cut), Client(server.port) as client:
                    client.send(octets[:cut])
                    time.sleep(0.01 if cut < len(octets) else 0)
                    client.send(octets[cut:])
                    self.assertTrue(client.status().startswith("-ERR"))
                    client.expect_closed()
        self.assertNotIn("end=quit", server.log())

    def test_an_empty_line_is_no_header(self):
        server = self.daemon(listen__proxy_networks="192.0.2.0/24")
        for octets in (b"\r\n", b"\r\n\r\n", b"\n", b"\r\n\r\n\0\r\n"):
            with self.subTest(octets=octets), Client(server.port) as client:
                client.send(octets)
                for _ in range(octets.count(b"\n")):
                    self.assertTrue(client.status().startswith("-ERR"))
                client.quit()

    def test_limit_by_the_claimed_address(self):
        server = self.proxied(session__max_per_address="2")
        header = b"PROXY TCP4 192.0.2.7 127.0.0.1 4096 110\r\n"
        held = [self.after(server, header) for _ in range(2)]
        self.assertIn("too many", self.after(server, header).greeting)
        self.after(server, b"PROXY TCP4 192.0.2.8 127.0.0.1 4096 110\r\n").quit()
        held[0].quit()
        wait_until(lambda: self.after(server, header).greeting.startswith("+OK"))

    def test_cleartext_local_is_about_the_client(self):
        server = self.proxied(auth__cleartext="local")
        far = self.after(server, b"PROXY TCP4 192.0.2.7 127.0.0.1 4096 110\r\n")
        far.err("USER mrose", "[AUTH]")
        near = self.after(server, b"PROXY TCP4 127.0.0.1 127.0.0.1 4096 110\r\n")
        near.ok("USER mrose")

    def test_a_second_header_is_no_command(self):
        server = self.proxied()
        client = self.after(server, b"PROXY UNKNOWN\r\n")
        client.ok("CAPA")
        client.multiline()
        client.err("PROXY TCP4 192.0.2.7 127.0.0.1 4096 110")

    VERSIONS = ("send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn",
                "send-proxy-v2 proxy-v2-options crc32c,unique-id")

    def through(self, version, wrap, pem=None):
        """A session through HAProxy, which speaks this version."""
        with self.subTest(version=version):
            server = self.proxied()
            address = ("127.0.0.1", self.haproxy(server, version, pem))
            with socket.create_connection(address, 20, ("127.0.0.9", 0)) as sock:
                client = Client.over(wrap(sock))
                client.login()
                self.assertEqual(client.stat()[0], 2)
                client.quit()
            server.wait_log(r"ip=127\.0\.0\.9 .*login=ok")

    @needs_program("haproxy")
    def test_haproxy(self):
        for version in self.VERSIONS:
            self.through(version, lambda sock: sock)

    @needs_program("haproxy")
    def test_haproxy_that_terminates_tls(self):
        if secure.x509 is None:
            self.skipTest("needs the package python3-cryptography")
        pem = b"".join(path.read_bytes() for path in secure.server_pair())
        for version in self.VERSIONS:
            self.through(version, lambda sock: secure.trusting().wrap_socket(
                sock, server_hostname=secure.NAME), pem)

    def haproxy(self, server, version, pem=None):
        """HAProxy in front, with health checks that speak PROXY too. pem: its
        certificate and key, for TLS from the first octet."""
        port = free_port()
        folder = tempfile.TemporaryDirectory(prefix="poplar-haproxy-")
        self.addCleanup(folder.cleanup)
        config = pathlib.Path(folder.name) / "haproxy.cfg"
        if pem:
            (config.parent / "pem").write_bytes(pem)
        config.write_text(f"""
defaults
    mode tcp
    timeout connect 30s
    timeout client 30s
    timeout server 30s
    timeout check 30s
listen pop3
    bind 127.0.0.1:{port} {f"ssl crt {config.parent}/pem" if pem else ""}
    option tcp-check
    tcp-check expect string +OK
    server poplar 127.0.0.1:{server.port} {version} check check-send-proxy inter 200ms fall 1
""")
        process = subprocess.Popen(["haproxy", "-q", "-db", "-f", config],
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

        def answers():
            try:
                socket.create_connection(("127.0.0.1", port), 2).close()
                return True
            except OSError:
                return False
        wait_until(answers, what="HAProxy")
        time.sleep(0.5)  # some health checks
        self.assertNotIn("login=fail", server.log())
        return port


if __name__ == "__main__":
    harness.main()
