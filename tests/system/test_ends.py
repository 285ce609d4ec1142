"""Group A, 15 to 19, 21, 22, 24: how a connection ends, by the client or by a clock."""
import errno
import time

import harness
import oracle
import strike
from client import Client, Closed
from harness import FASTCLOCK_FACTOR, needs_fastclock, needs_root

MAIL = oracle.mbox_of(*(oracle.message_of(100 + 20 * n, b"%d" % n) for n in range(1, 6)))


def big_mail(octets=8 << 20):
    line = b"z" * 75 + b"\n"
    return oracle.mbox_of(b"Subject: big\n\n" + line * (octets // 76),
                          oracle.message_of(200))


class Ends(harness.TestCase):
    """15 to 19, 24, 24a: the ways a connection ends."""

    def ended(self, server, data, how, first=None):
        """Logs in, sends, ends the connection; the log's end= word."""
        client = server.logged_in(rcvbuf=4096)
        if first is not None:
            client.ok(first)
        client.send(data)
        how(client)
        line = server.wait_log(r" end=\w+", count=1)
        server.wait_idle()
        return line

    def test_A15_eof_before_login(self):
        server = self.daemon(MAIL)
        for data in (b"", b"USE", b"USER mrose\r\n", b"USER mrose\r\nPASS sec"):
            with self.subTest(data=data):
                client = server.client()
                client.send(data)
                client.half_close()
                client.rest()
        server.wait_idle()
        self.assertEqual(server.read(), MAIL)

    def test_A15_eof_in_command(self):
        for data in (b"RETR", b"DELE 2", b"QUI", b"QUIT\r"):
            with self.subTest(data=data):
                server = self.daemon(MAIL)
                line = self.ended(server, data, Client.half_close, first="DELE 1")
                self.assertIn("end=drop", line)
                self.assertEqual(server.read(), MAIL)

    def test_A15_eof_in_retr(self):
        server = self.daemon(big_mail())
        before = server.digest()
        line = self.ended(server, b"DELE 2\r\nRETR 1\r\n", lambda c: (c.raw_line(), c.close()))
        self.assertIn("end=drop", line)
        self.assertEqual(server.digest(), before)

    def test_A16_reset_in_retr(self):
        server = self.daemon(big_mail())
        before = server.digest()
        line = self.ended(server, b"DELE 2\r\nRETR 1\r\n", lambda c: (c.raw_line(), c.reset()))
        self.assertIn("end=drop", line)
        self.assertEqual(len([x for x in server.log().splitlines() if " end=" in x]), 1)
        self.assertEqual(server.digest(), before)

    def test_A17_eof_without_quit(self):
        server = self.daemon(MAIL)
        line = self.ended(server, b"", Client.close, first="DELE 1")
        self.assertIn("end=drop", line)
        self.assertIn("dele_pending=1", line)
        self.assertEqual(server.read(), MAIL)

    def test_A18_quit_and_close(self):
        for how in (Client.close, Client.half_close):
            server = self.daemon(MAIL)
            line = self.ended(server, b"QUIT\r\n", how, first="DELE 1")
            self.assertIn("end=quit", line)
            self.assertEqual(server.read(), oracle.without(MAIL, {1}))

    def test_A19_half_close_after_pipelined_quit(self):
        mail = big_mail(1 << 20)
        server = self.daemon(mail)
        client = server.client()
        client.send(b"USER mrose\r\nPASS secret\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
        client.half_close()
        for _ in range(3):
            self.assertRegex(client.status(), r"^\+OK")
        self.assert_octets(client.multiline(), oracle.parse(mail)[0].wire)
        for _ in range(2):
            self.assertRegex(client.status(), r"^\+OK")
        client.expect_closed()
        self.assertEqual(server.read(), oracle.without(mail, {1}))

    def test_A19_half_close_without_quit(self):
        server = self.daemon(MAIL)
        client = server.logged_in()
        client.send(b"DELE 1\r\nSTAT\r\n")
        client.half_close()
        for _ in range(2):
            self.assertRegex(client.status(), r"^\+OK")
        client.expect_closed()
        server.wait_idle()
        self.assertEqual(server.read(), MAIL)

    def test_A24_quit_without_line_end(self):
        server = self.daemon(MAIL)
        line = self.ended(server, b"QUIT", Client.close, first="DELE 1")
        self.assertIn("end=drop", line)
        self.assertEqual(server.read(), MAIL)

    def test_A24a_reset_with_quit_buffered(self):
        server = self.daemon(big_mail(64 << 20))
        before = server.digest()
        line = self.ended(server, b"RETR 1\r\nDELE 1\r\nQUIT\r\n",
                          lambda c: (c.raw_line(), time.sleep(0.2), c.reset()))
        self.assertIn("end=drop", line)
        self.assertEqual(server.digest(), before)

    @needs_root
    def test_A24b_write_error_before_quit(self):
        """The answer to DELE cannot be sent: nothing is deleted."""
        server = self.daemon(MAIL)
        for error in (errno.EPIPE, errno.ECONNRESET, errno.ETIMEDOUT):
            client = server.logged_in()
            blow = strike.Strike(server.session(), strike.failing(error), 1, ["write"])
            client.send(b"DELE 1\r\nQUIT\r\n")
            self.assertEqual(strike.last_reply(client), "")
            self.assertEqual(blow.finish().hit, "write")
            server.wait_idle()
            self.assertEqual(server.read(), MAIL)


class Timers(harness.TestCase):
    """21, 22: a clock that runs FASTCLOCK_FACTOR times faster."""

    TEN_MINUTES = 600 / FASTCLOCK_FACTOR

    def fast(self, mail):
        return self.daemon(mail, variant="fastclock", options={"maildrop.lock_wait": "5m"})

    @needs_fastclock
    def test_A21_zero_window(self):
        server = self.fast(big_mail(64 << 20))
        before = server.digest()
        client = server.logged_in(rcvbuf=4096)
        client.ok("DELE 2")
        begin = time.monotonic()
        client.send(b"RETR 1\r\nQUIT\r\n")
        line = server.wait_log(r" end=\w+")
        self.assertIn("end=timeout", line)
        self.assertGreater(time.monotonic() - begin, self.TEN_MINUTES * 0.9)
        self.assertEqual(server.digest(), before)

    @needs_fastclock
    def test_A21_slow_but_steady(self):
        # a client that takes a little now and then is no stalled one
        server = self.fast(big_mail(1 << 20))
        client = server.logged_in(rcvbuf=2048)
        client.send(b"RETR 1\r\n")
        deadline = time.monotonic() + 2 * self.TEN_MINUTES
        got = b""
        while time.monotonic() < deadline:
            time.sleep(self.TEN_MINUTES / 6)
            got += client.sock.recv(65536)
        client.buffer = got
        self.assertRegex(client.status(), r"^\+OK")
        self.assert_octets(client.multiline(), oracle.parse(server.read())[0].wire)

    @needs_fastclock
    def test_A22_idle_kept(self):
        server = self.fast(MAIL)
        client = server.logged_in()
        for _ in range(3):  # more than that in all
            time.sleep(self.TEN_MINUTES / 2)
            client.ok("NOOP")

    @needs_fastclock
    def test_A22_idle_closed(self):
        server = self.fast(MAIL)
        client = server.logged_in()
        begin = time.monotonic()
        client.ok("DELE 1")
        client.expect_closed()
        took = time.monotonic() - begin
        self.assertGreater(took, self.TEN_MINUTES * 0.98)
        self.assertLess(took, self.TEN_MINUTES * 4)
        self.assertIn("end=timeout", server.wait_log(r" end=\w+"))
        self.assertEqual(server.read(), MAIL)

    @needs_fastclock
    def test_A22_part_of_a_command_is_no_command(self):
        server = self.fast(MAIL)
        client = server.logged_in()
        begin = time.monotonic()
        with self.assertRaises((Closed, ConnectionError)):
            while time.monotonic() < begin + 5 * self.TEN_MINUTES:
                client.send(b"N")
                time.sleep(self.TEN_MINUTES / 10)
            client.line()
        self.assertLess(time.monotonic() - begin, self.TEN_MINUTES * 4)


if __name__ == "__main__":
    harness.main()
