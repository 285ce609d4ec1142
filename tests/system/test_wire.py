"""Group A: what may come over the wire, and what must not come of it."""
import os
import threading
import time

import harness
import oracle
from harness import PATIENCE, children, peak_memory, wait_until

MAIL = oracle.mbox_of(*(oracle.message_of(100 + 20 * n, b"%d" % n) for n in range(1, 6)))
FLAT = 4 << 20  # octets that a session may grow by and still count as flat
IN_TRANSACTION = ("STAT", "LIST", "LIST 1", "RETR 1", "DELE 1", "NOOP", "RSET", "TOP 1 0",
                  "UIDL", "UIDL 1", "LAST")
IN_AUTHORIZATION = ("USER mrose", "PASS secret", "APOP mrose " + "0" * 32)


class Lines(harness.TestCase):
    """1 to 10: the form of a command line."""

    def setUp(self):
        self.server = self.daemon(MAIL)
        self.client = self.server.logged_in()
        self.addCleanup(self.client.close)
        self.stat = self.client.stat()

    def alive(self):
        self.assertEqual(self.client.stat(), self.stat)

    def raw_err(self, data):
        """Exactly one -ERR, nothing executed."""
        self.client.send(data)
        self.assertRegex(self.client.status(), "^-ERR")
        self.alive()

    def test_A01_bare_lf(self):
        self.client.send(b"NOOP\nSTAT\n")
        self.assertRegex(self.client.status(), r"^\+OK")
        self.assertEqual(self.client.status(), "+OK %d %d" % self.stat)

    def test_A02_lone_cr(self):
        for line in (b"NO\rOP\r\n", b"DELE\r1\r\n", b"DELE 1\rx\r\n", b"\rNOOP\r\n", b"NOOP\r\r\n"):
            with self.subTest(line=line):
                self.raw_err(line)

    def test_A03_nul(self):
        for line in (b"\0DELE 1\r\n", b"DE\0LE 1\r\n", b"DELE 1\0\r\n", b"DELE 1\0junk\r\n",
                     b"DELE\0 1\r\n", b"NOOP\0\n"):
            with self.subTest(line=line):
                self.raw_err(line)

    def test_A03_nul_in_password(self):
        with self.server.client() as client:
            client.ok("USER mrose")
            client.send(b"PASS secret\0\r\n")
            self.assertRegex(client.status(), "^-ERR")

    def test_A04_longest_line(self):
        # 512 octets with CRLF still are a line; blanks after are tolerated
        self.client.send(b"NOOP" + b" " * 506 + b"\r\n")
        self.assertRegex(self.client.status(), r"^\+OK")
        self.raw_err(b"NOOP" + b" " * 507 + b"\r\n")

    def test_A04_overlong(self):
        for size in (513, 1024, 65536):
            with self.subTest(size=size):
                client = self.server.client()
                client.send(b"x" * (size - 2) + b"\r\nQUIT\r\n")
                self.assertRegex(client.status(), "^-ERR")
                self.assertRegex(client.status(), r"^\+OK")
                client.expect_closed()

    def test_A04_overlong_tail_is_no_command(self):
        self.raw_err(b"x" * 511 + b"DELE 1" + b"\r\n")
        self.raw_err(b"NOOP" + b" " * 600 + b"DELE 1\n")

    def test_A04_huge_line_in_flat_memory(self):
        before = [peak_memory(pid) for pid in self.server.sessions()]
        block = b"y" * (1 << 20)
        for _ in range(95):
            self.client.send(block)
        self.client.send(b"DELE 1\r\n")
        self.assertRegex(self.client.status(), "^-ERR")
        self.alive()
        after = [peak_memory(pid) for pid in self.server.sessions()]
        self.assert_memory(max(after) - max(before), FLAT)

    def test_A04_third_overlong_closes(self):
        long = b"x" * 600 + b"\r\n"
        self.client.send(long + long + long + b"NOOP\r\n")
        for _ in range(3):
            self.assertRegex(self.client.status(), "^-ERR")
        self.client.expect_closed()

    def test_A05_empty_line(self):
        for line in (b"\r\n", b"\n", b"  \r\n", b"\t\r\n"):
            with self.subTest(line=line):
                self.raw_err(line)

    def test_A06_eight_bit_keyword(self):
        for line in (b"N\xc3\xb6OP\r\n", b"\xffSTAT\r\n", b"STAT\xa0\r\n", b"\xce\x9dOOP\r\n"):
            with self.subTest(line=line):
                self.raw_err(line)

    def test_A07_mixed_case(self):
        for line in ("stat", "StAt", "sTAT"):
            self.assertEqual(self.client.ok(line), "+OK %d %d" % self.stat)
        self.client.ok("noop")
        self.client.multi("Top 1 0")

    def test_A08_extra_argument(self):
        for line in ("STAT 1", "NOOP x", "RSET 1", "LIST 1 2", "RETR 1 2", "DELE 1 2", "UIDL 1 2",
                     "TOP 1 2 3", "LAST 1", "QUIT now", "RETR", "DELE", "TOP", "TOP 1"):
            with self.subTest(line=line):
                self.client.err(line)
                self.alive()

    def test_A08_blanks_around_arguments(self):
        for line in ("STAT ", "STAT   ", "LIST  1 ", "UIDL 1  ", "NOOP   "):
            with self.subTest(line=line):
                self.client.ok(line)
        self.client.multi("LIST ")
        self.client.multi("TOP  1   2 ")

    def test_A09_numbers(self):
        bad = ("0", "-1", "+1", "01x", "0x1", "1x", "1.0", "1,2", "1:2", str(2**32 + 1),
               str(2**64 + 1), "1" * 100, "0" * 100 + "1", "4294967297", "9" * 40, "\u0661", "1e0")
        for number in bad:
            for verb in ("LIST", "RETR", "DELE", "UIDL"):
                with self.subTest(verb=verb, number=number):
                    self.client.err(f"{verb} {number}")
            self.client.err(f"TOP {number} 1")
        self.alive()

    def test_A10_top_numbers(self):
        for line in ("TOP 1", "TOP 1 -1", f"TOP 1 {2**64}", "TOP 1 +1", "TOP 1 x", "TOP 0 1",
                     "TOP 6 1"):
            with self.subTest(line=line):
                self.client.err(line)
        message = oracle.parse(MAIL)[0]
        self.assert_octets(self.client.multi("TOP 1 0"), message.top(0), "TOP 1 0")
        self.assertTrue(message.top(0).endswith(b"\r\n\r\n"))
        self.assert_octets(self.client.multi(f"TOP 1 {2**63}"), message.wire, "TOP of all")
        self.assert_octets(self.client.multi("TOP 1 1"), message.top(1), "TOP 1 1")

    def test_A11_missing_and_deleted(self):
        self.client.ok("DELE 2")
        for number in (2, 6, 7, 4294967295):
            for line in (f"RETR {number}", f"DELE {number}", f"LIST {number}",
                         f"UIDL {number}", f"TOP {number} 0"):
                with self.subTest(line=line):
                    self.client.err(line)
        self.assertNotIn(2, self.client.list())
        self.assertNotIn(2, self.client.uidl())
        self.client.ok("RSET")
        self.alive()

    def test_A12_wrong_state(self):
        with self.server.client() as client:
            for line in IN_TRANSACTION:
                with self.subTest(line=line):
                    client.err(line)
            client.err("PASS secret")
        for line in IN_AUTHORIZATION:
            with self.subTest(line=line):
                self.client.err(line)
        self.alive()

    def test_A12_unknown_commands(self):
        for line in ("XYZZY", "HELO x", "RPOP mrose", "X", "STATS", "STA", "LISTEN 1",
                     "x" * 300):
            with self.subTest(line=line):
                self.client.err(line)
        self.alive()


class Flow(harness.TestCase):
    """13, 14, 23: many commands, in any portions."""

    def commands(self, count):
        """Commands and the replies that are due, in order."""
        messages = oracle.parse(MAIL)
        total = sum(m.size for m in messages)
        sent, due = [], []
        for n in range(count):
            number = n % 5 + 1
            sent.append((b"STAT", b"LIST %d" % number, b"TOP %d 0" % number)[n % 3])
            due.append((None if n % 3 == 2 else
                        f"+OK {len(messages)} {total}" if n % 3 == 0 else
                        f"+OK {number} {messages[number - 1].size}", number))
        return b"".join(line + b"\r\n" for line in sent), due, messages

    def check_replies(self, client, due, messages):
        for reply, number in due:
            status = client.status()
            if reply is None:
                self.assertRegex(status, r"^\+OK")
                self.assert_octets(client.multiline(), messages[number - 1].top(0))
            else:
                self.assertEqual(status, reply)

    def test_A13_ten_thousand_commands_unread(self):
        server = self.daemon(MAIL)
        client = server.logged_in(rcvbuf=4096, timeout=60)
        before = max(map(peak_memory, server.sessions()))
        data, due, messages = self.commands(10000)
        sender = threading.Thread(target=client.send, args=(data,), daemon=True)
        sender.start()
        time.sleep(1)  # the client does not read
        self.assert_memory(max(map(peak_memory, server.sessions())) - before, FLAT)
        self.check_replies(client, due, messages)
        sender.join(PATIENCE)
        self.assert_memory(max(map(peak_memory, server.sessions())) - before, FLAT)
        client.quit()

    def test_A14_one_octet_a_segment(self):
        server = self.daemon(MAIL)
        client = server.client()
        data, due, messages = self.commands(60)
        for octet in b"USER mrose\r\nPASS secret\r\n" + data + b"QUIT\r\n":
            client.send(bytes([octet]))
        for _ in range(2):
            self.assertRegex(client.status(), r"^\+OK")
        self.check_replies(client, due, messages)
        self.assertRegex(client.status(), r"^\+OK")
        client.expect_closed()

    def test_A13_one_segment_with_login(self):
        server = self.daemon(MAIL)
        client = server.client()
        client.send(b"USER mrose\r\nPASS secret\r\nSTAT\r\nDELE 1\r\nQUIT\r\n")
        for _ in range(5):
            self.assertRegex(client.status(), r"^\+OK")
        client.expect_closed()
        self.assertEqual(server.read(), oracle.without(MAIL, {1}))

    def test_A23_commands_after_quit(self):
        server = self.daemon(MAIL)
        client = server.logged_in()
        client.send(b"DELE 1\r\nQUIT\r\nDELE 2\r\nRSET\r\nQUIT\r\n")
        self.assertRegex(client.status(), r"^\+OK")
        self.assertRegex(client.status(), r"^\+OK")
        client.expect_closed()
        self.assertEqual(server.read(), oracle.without(MAIL, {1}))


class Foreign(harness.TestCase):
    """20: who has the wrong port."""

    def test_A20_foreign_protocols(self):
        server = self.daemon(MAIL)
        hello = bytes.fromhex("16030100c8010000c40303") + bytes(200)
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.0\r\n\r\n",
                     b"OPTIONS * HTTP/1.1\r\n\r\n", b"CONNECT x:25 HTTP/1.1\r\n\r\n",
                     hello, b"SSH-2.0-OpenSSH_9.2p1\r\n"):
            with self.subTest(data=data[:16]):
                client = server.client()
                client.send(data)
                self.assertRegex(client.status(), "^-ERR")
                client.expect_closed()

    def test_A20_only_as_the_first_line(self):
        server = self.daemon(MAIL)
        with server.logged_in() as client:
            client.err("GET / HTTP/1.1")
            client.ok("NOOP")


class Dialogue(harness.TestCase):
    """The plain course of a session."""

    def test_numbers_and_sizes_agree(self):
        server = self.daemon(MAIL)
        client = server.logged_in()
        self.assert_served(client, oracle.parse(MAIL))
        client.quit()
        self.assertEqual(server.read(), MAIL)

    def test_last(self):
        server = self.daemon(MAIL)
        client = server.logged_in()
        self.assertRegex(client.ok("LAST"), r"^\+OK 0\b")
        client.retr(3)
        client.retr(2)
        self.assertRegex(client.ok("LAST"), r"^\+OK 3\b")
        client.ok("RSET")
        self.assertRegex(client.ok("LAST"), r"^\+OK 0\b")

    def test_capa_in_both_states(self):
        server = self.daemon(MAIL)
        client = server.client()
        before = client.multi("CAPA")
        client.login()
        after = client.multi("CAPA")
        for name in (b"TOP", b"USER", b"UIDL", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING"):
            self.assertIn(name, before.split(b"\r\n"))
        self.assertEqual(before, after)

    def test_login_reply_and_log_share_a_sid(self):
        server = self.daemon(MAIL)
        client = server.client()
        reply = client.login()
        self.assertRegex(reply, r"^\+OK 5 messages \(\d+ octets\), session [0-9a-f]+$")
        sid = reply.split()[-1]
        client.quit()
        self.assertIn(f"sid={sid} ", server.wait_log(" login=ok"))
        self.assertIn(f"sid={sid} ", server.wait_log(" end=quit"))

    def test_sessions_end_with_their_connection(self):
        server = self.daemon(MAIL)
        for _ in range(20):
            server.client().close()
        server.wait_idle()
        wait_until(lambda: not children(server.process.pid), what="no zombies")

    def test_half_open_client_is_found_by_keepalive(self):
        server = self.daemon(MAIL)
        with server.client() as client:
            local = client.sock.getsockname()[1]
            if not os.path.exists("/usr/bin/ss"):
                self.skipTest("needs the program ss")
            line = os.popen(f"ss -tno 'dport = :{local}'").read()
            self.assertIn("timer:(keepalive", line)


if __name__ == "__main__":
    harness.main()
