"""Group D: what may stand in a maildrop, octet by octet."""
import os
import re
import shutil
import time

import harness
import oracle
from harness import measures, peak_memory
from oracle import DATE, FROM

INTERNAL = (b"From MAILER-DAEMON " + DATE + b"\n"
            b"Date: 24 Nov 1994 18:22:48 +0000\n"
            b"From: Mail System Internal Data <MAILER-DAEMON@dbc.mtview.ca.us>\n"
            b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
            b"Message-ID: <785701368@dbc.mtview.ca.us>\n"
            b"X-IMAP: 0785701300 0000000002\nStatus: RO\n\n"
            b"This text is part of the internal format of your mail folder.\n\n")


def drain(client):
    """The octets of a multi-line reply, for one too large to be kept: how
    many before the final ".", how many of them are not NUL."""
    total = count_of_others = 0
    tail, block = b"", client.buffer
    while True:
        total += len(block)
        count_of_others += len(block) - block.count(0)
        tail = (tail + block)[-5:]
        if tail == b"\r\n.\r\n":
            client.buffer = b""
            return total - 3, count_of_others - 3
        block = client.sock.recv(1 << 20)
        if not block:
            raise AssertionError("closed inside a message")


class Content(harness.TestCase):
    def served(self, data, users=None):
        """Serves data and compares all of it with the oracle; the daemon."""
        server = self.daemon(data, users=users)
        with server.logged_in() as client:
            self.assert_served(client, oracle.parse(data))
            client.quit()
        self.assertEqual(server.read(), data)
        return server

    def check_all(self, cases):
        """Each case on its own, one daemon for all."""
        server = self.daemon(b"")
        for data in cases:
            with self.subTest(data=data[:200]):
                server.put(data)
                with server.logged_in() as client:
                    self.assert_served(client, oracle.parse(data))
                    self.tops(client, data)
                    client.quit()
                self.assertEqual(server.read(), data)

    def tops(self, client, data):
        for n, message in enumerate(oracle.parse(data), 1):
            for lines in (0, 1, len(message.body), len(message.body) + 1):
                self.assert_octets(client.multi(f"TOP {n} {lines}"), message.top(lines),
                                   f"TOP {n} {lines}")

    def test_D49_no_file(self):
        server = self.daemon()
        with server.logged_in() as client:
            self.assert_served(client, [])
            client.err("RETR 1")
            client.quit()
        self.assertEqual(os.listdir(server.mail), [])

    def test_D49_empty_file(self):
        server = self.served(b"")
        self.assertEqual(os.listdir(server.mail), ["mrose"])

    def test_D50_no_mbox(self):
        server = self.daemon(b"")
        for data in (b"\n", b"x", b"Subject: x\n\ny\n", b"from a " + DATE + b"\n", b"From\n",
                     b"\n" + FROM, b"\0" * 100, b">From x\n", b" " + FROM):
            with self.subTest(data=data):
                server.put(data)
                with server.client() as client:
                    reply = client.login_fails(code="[SYS/PERM]")
                self.assertEqual(reply, "-ERR [SYS/PERM] maildrop is not an mbox")
                self.assertEqual(server.read(), data)

    def test_D51_incomplete_messages(self):
        self.check_all((
            FROM + b"Subject: a\n\nbody\n" + FROM + b"Subject: b\n\nbody\n",
            FROM + b"Subject: a\n\nno newline",
            FROM + b"Subject: a\n\nbody\n\n" + FROM + b"Subject: ends in the header",
            FROM + b"Subject: no blank line\n",
            FROM + b"Subject: blank line\n\n",
            FROM, FROM[:-1], FROM + b"\n", FROM + b"\n\n", FROM + b"\n\n\n",
            FROM + b"Subject: a\n\nbody\n\n" + FROM,
            FROM + b"Subject: a\n\nbody\n\n" + FROM[:-1],
            FROM + b"\n" + FROM + b"\n" + FROM,
            FROM + b"Subject: a\n\n" + FROM + b"Subject: b\n\nx\n",
            FROM + b"Subject: a\n\n\n" + FROM + b"Subject: b\n\nx\n\n\n\n",
            FROM + b"no header at all\n\n" + FROM + b"\nbody first\n\n",
            b"From \n\nx\n", b"From anything at all\nA: b\n\nc\n",
        ))

    def test_D51_lone_from_line_is_size_two(self):
        server = self.daemon(FROM + b"\n" + FROM)
        with server.logged_in() as client:
            self.assertEqual(client.list(), {1: 2, 2: 2})
            self.assertEqual(client.retr(2), b"\r\n")

    def test_D52_line_ends(self):
        crlf = oracle.random_mbox(52, 8, b"\r\n")
        mixed = re.sub(rb"\n", lambda m: b"\r\n" if m.start() % 3 else b"\n",
                       oracle.random_mbox(53, 8))
        self.check_all((
            crlf, mixed, FROM + b"A: b\r\n\r\nx\ry\r\n\r\n", FROM + b"A: b\n\nlone\rcr\n\r\r\n",
            FROM + b"A: b\n\nends in cr\r", FROM + b"A: b\n\nx\n\r", FROM + b"A: b\r",
            FROM.replace(b"\n", b"\r\n") + b"A: b\r\n\r\nx\r\n\r\n" + FROM + b"A: c\n\ny\n",
        ))

    def test_D53_dots_everywhere(self):
        self.check_all((
            FROM + b".\n\n.\n..\n.x\n...\nx.\n.\n",
            FROM + b".a: b\n..\n\n.",
            FROM + b"A: b\n\n\n.\n\n",
            FROM + b"A: b\n\n.\r\n..\r\n.\r.\r\n",
        ))

    def test_D53_dots_are_not_counted_in_the_log(self):
        dotty = oracle.mbox_of(b"Subject: dots\n\n" + b".\n..\n.x\n" * 500, b".a: b\n\n.\n")
        first, second = oracle.parse(dotty)
        server = self.daemon(dotty)
        with server.logged_in() as client:
            client.retr(1)
            client.retr(1)
            client.retr(2)
            client.multi("TOP 1 2")
            client.multi("TOP 2 0")
            client.ok("DELE 2")
            client.quit()
        server.wait_log(f"end=quit retr=3/{2 * first.size + second.size} "
                        f"top=2/{len(first.top(2) + second.top(0))} "
                        f"dele=1 left=1 octets_left={first.size} ")

    def test_D53_dots_at_edges_of_buffers(self):
        messages = []
        for edge in (512, 1024, 4096, 8192, 16384, 32768, 65536):
            for shift in range(-7, 8):
                for line in (b".", b"..", b".x"):
                    head = b"Subject: x\n\n"
                    fill = b"f" * (edge + shift - len(head) - 1)
                    messages.append(head + fill + b"\n" + line + b"\nend\n")
        self.served(oracle.mbox_of(*messages))

    def test_D53_dots_at_edges_of_the_file(self):
        # the same by offset in the file, and many short lines before
        data = b""
        for n in range(400):
            body = b"y\n" * (n * 7 % 501) + b".\n..\n"
            data += FROM + b"A: %d\n\n" % n + body + b"\n"
        self.served(data)

    def test_D54_every_octet(self):
        octets = bytes(range(256)).replace(b"\n", b"") * 3
        self.check_all((
            FROM + b"A: b\n\n" + octets + b"\n\0\n\xff\n\0\0\0\n\n",
            FROM + octets + b": header\n\n\0\n",
            FROM + b"A: \0\n\0\n\nx\n",
        ))

    def test_D54_random_mailboxes(self):
        self.check_all(oracle.random_mbox(seed, 12, end)
                       for seed in range(6) for end in (b"\n", b"\r\n"))

    def test_D56_from_in_bodies(self):
        full = b"From dewey " + DATE + b"\n"
        self.check_all((
            # without a blank line before it is text
            FROM + b"A: b\n\ntext\n" + full + b"more\n",
            # with one, and with a date, it starts a message
            FROM + b"A: b\n\ntext\n\n" + full + b"C: d\n\nmore\n",
            # without a date it is text
            FROM + b"A: b\n\ntext\n\nFrom the beginning\nmore\n\nFrom dewey Thu\n\nFrom \n",
            FROM + b"A: b\n\n\n>From quoted " + DATE + b"\n\n>>From twice " + DATE + b"\n",
            # in the headers
            FROM + full + b"A: b\n\nx\n",
            FROM + b"A: b\n\nx\n\nfrom dewey " + DATE + b"\n\n From dewey " + DATE + b"\n",
        ))

    def test_D56_forms_of_the_from_line(self):
        yes = (b"a Thu Nov 24 18:22:48 1994", b"a Thu Nov  4 18:22:48 1994", b"a Thu Nov 4 8:22 1994",
               b"a Thu, Nov 24 18:22:48 1994", b"a Thu Nov 24 18:22:48 1994 +0100",
               b"a Thu Nov 24 18:22:48 +0100 1994", b"a Thu Nov 24 18:22:48 PST 1994",
               b"a Thu Nov 24 18:22:48 MET DST 1994", b"a Thu Nov 24 18:22:48 1994 PST +0100",
               b"a Thu, 24 Nov 1994 18:22:48 +0000", b"a Thu 4 Nov 1994 18:22:48",
               b"Thu Nov 24 18:22:48 1994", b" Thu Nov 24 18:22:48 1994",
               b"a sender with blanks Thu Nov 24 18:22:48 1994",
               b'"quoted name"@x.org Thu Nov 24 18:22:48 1994',
               b"a Thu Nov 24 18:22:48 1994 remote from mcvax",
               b"a@b  Thu Nov 24 18:22:48 1994")
        no = (b"a Thu Nov 24 18:22:48", b"a Nov 24 18:22:48 1994", b"a Thu Nov 18:22:48 1994",
              b"a Thx Nov 24 18:22:48 1994", b"a Thu Nox 24 18:22:48 1994", b"a Thu Nov 24 1994",
              b"a Thu Nov 24 18:22:48 94", b"a Thu Nov 24 18:22:48 1994 and more text",
              b"a Thu Nov 24 18.22.48 1994", b"a Thu Nov 245 18:22:48 1994",
              b"a Thu Nov 24 18:22:48 19945", b"me to you", b"")
        for line in yes:
            self.assertTrue(oracle.FROM_LINE.fullmatch(b"From " + line), line)
        for line in no:
            self.assertFalse(oracle.FROM_LINE.fullmatch(b"From " + line), line)
        self.check_all(FROM + b"A: b\n\nx\n\nFrom " + line + b"\nC: d\n\ny\n"
                       for line in yes + no)

    def test_D57_headers_that_lie(self):
        self.check_all((
            FROM + b"Content-Length: 99999\n\nx\n\n" + FROM + b"Content-Length: -1\n\ny\n",
            FROM + b"Content-Length: 0\n\nx\n\n" + FROM + b"Lines: 0\n\ny\n",
            FROM + b"X-UIDL: same\nStatus: RO\n\nx\n\n" + FROM + b"X-UIDL: same\n\ny\n",
            FROM + b"X-UIDL: \x00\xff bad id \x7f\n\nx\n\n" + FROM + b"X-UID: 1\n\ny\n",
            # not the first, or received from somebody: a message like any other
            FROM + b"A: b\n\nx\n\n" + INTERNAL,
            INTERNAL.replace(b"Status: RO\n", b"Received: from evil\n"),
            INTERNAL.replace(b"X-IMAP:", b"X-NOTIMAP:"),
            INTERNAL.replace(b"DON'T DELETE", b"DO DELETE"),
        ))

    def test_D57_internal_message_is_hidden_and_kept(self):
        mail = oracle.mbox_of(oracle.message_of(120), oracle.message_of(200))
        self.check_all((INTERNAL, INTERNAL + mail))
        server = self.daemon(INTERNAL + mail)
        with server.logged_in() as client:
            self.assertEqual(client.stat(), (2, 320))
            client.ok("DELE 1")
            client.ok("DELE 2")
            client.quit()
        self.assertEqual(server.read(), INTERNAL)


class UniqueIds(harness.TestCase):
    def uids(self, server):
        with server.logged_in() as client:
            return list(client.uidl().values())

    def test_D58_identical_messages(self):
        data = oracle.mbox_of(*[oracle.message_of(120)] * 3, oracle.message_of(200))
        for gone in (1, 2, 3):
            with self.subTest(gone=gone):
                server = self.daemon(data)
                with server.logged_in() as client:
                    before = list(client.uidl().values())
                    self.assertEqual(len(set(before)), 4)
                    client.ok(f"DELE {gone}")
                    client.quit()
                after = self.uids(server)
                self.assertEqual(after, before[:gone - 1] + before[gone:])
                server.append(oracle.mbox_of(oracle.message_of(120)))
                again = self.uids(server)
                self.assertEqual(again[:3], after)
                self.assertNotIn(again[3], before, "a unique-id was used twice")

    def test_D59_restart_and_loss_of_all_state(self):
        data = oracle.random_mbox(59, 30) + oracle.mbox_of(*[oracle.message_of(120)] * 2)
        server = self.daemon(data)
        before = self.uids(server)
        server.stop()
        server.start()
        self.assertEqual(self.uids(server), before)
        server.stop()
        for entry in server.state_dir.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        server.start()
        self.assertEqual(self.uids(server), before)

    def test_D59_another_machine(self):
        data = oracle.random_mbox(60, 10)
        self.assertEqual(self.uids(self.daemon(data)), self.uids(self.daemon(data)))

    def test_D59_deliveries_and_deletions(self):
        server = self.daemon(oracle.random_mbox(61, 10))
        before = self.uids(server)
        server.append(oracle.mbox_of(oracle.message_of(300, b"new")))
        after = self.uids(server)
        self.assertEqual(after[:10], before)
        with server.logged_in() as client:
            for number in (1, 4, 10):
                client.ok(f"DELE {number}")
            client.quit()
        kept = [uid for n, uid in enumerate(after, 1) if n not in (1, 4, 10)]
        self.assertEqual(self.uids(server), kept)

    def test_D59_delivery_behind_an_unended_message(self):
        server = self.daemon(FROM + b"A: b\n\nx\n\n")
        before = self.uids(server)
        server.append(FROM + b"C: d\n\ny\n\n")
        self.assertEqual(self.uids(server)[:1], before)

    def test_D59_a_readers_headers(self):
        head, body = b"Subject: x\nMessage-ID: <1@x>\n", b"\nbody\n"
        plain = oracle.mbox_of(head + body)
        before = self.uids(self.daemon(plain))
        for more in (b"Status: RO\n", b"X-Status: A\nX-Keywords: a b\nX-UID: 17\n",
                     b"Content-Length: 5\nLines: 1\n", b"X-IMAPbase: 1 2\n", b"X-UIDL: abc\n",
                     b"status: O\n", b"X-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\n",
                     b"X-Keywords: folded\n\tover lines\n and more\n"):
            with self.subTest(more=more):
                for data in (head + more + body, more + head + body):
                    server = self.daemon(oracle.mbox_of(data))
                    self.assertEqual(self.uids(server), before)
        for other in (b"X-Spam-Status: RO\n", b"Statuses: x\n"):
            server = self.daemon(oracle.mbox_of(head + other + body))
            self.assertNotEqual(self.uids(server), before)


@measures
class Large(harness.TestCase):
    """55: linear time, bounded memory."""

    FLAT = 24 << 20

    def sparse(self, head, hole, tail=b"\nend\n"):
        server = self.daemon(head)
        os.truncate(server.path(), len(head) + hole)
        server.append(tail)
        return server

    def session_memory(self, server):
        return max(map(peak_memory, server.sessions()))

    def fetch_sparse(self, hole):
        head = FROM + b"Subject: hole\n\n"
        server = self.sparse(head, hole)
        size = len(b"Subject: hole\r\n\r\n") + hole + len(b"\r\nend\r\n")
        with server.logged_in(timeout=110) as client:
            self.assertEqual(client.list(), {1: size})
            self.assertEqual(client.multi("TOP 1 0"), b"Subject: hole\r\n\r\n")
            client.ok("RETR 1")
            self.assertEqual(drain(client), (size, size - hole))
            self.assertLess(self.session_memory(server), self.FLAT)
            client.ok("DELE 1")
            client.quit()
        self.assertEqual(server.read(), b"")

    def test_D55_line_of_a_gibibyte(self):
        self.fetch_sparse(1 << 30)

    def test_D55_message_over_4_gibibytes(self):
        self.fetch_sparse((4 << 30) + 4097)
    test_D55_message_over_4_gibibytes.seconds = 240

    def test_D55_million_header_lines(self):
        head = b"".join(b"X-%d: v\n" % n for n in range(1000000))
        data = FROM + head + b"\nbody\n"
        server = self.daemon(data)
        with server.logged_in(timeout=60) as client:
            self.assert_served(client, oracle.parse(data))
            self.assertLess(self.session_memory(server), self.FLAT)

    def login_time(self, count):
        data = b"".join(FROM + b"A: %d\n\nx\n\n" % n for n in range(count))
        server = self.daemon(data)
        begin = time.monotonic()
        with server.logged_in(timeout=100) as client:
            took = time.monotonic() - begin
            self.assertEqual(client.stat()[0], count)
            self.assertEqual(client.ok(f"LIST {count}").split()[1], str(count))
            self.assertEqual(len(client.uidl()), count)
            # the message table, and the unique-ids to compare them by
            self.assertLess(self.session_memory(server), self.FLAT + 256 * count)
            client.ok(f"DELE {count // 2}")
            client.quit()
        self.assertEqual(len(server.read()), len(data) - len(FROM + b"A: %d\n\nx\n\n" % (count // 2)))
        return took

    def test_D55_million_messages(self):
        few, many = self.login_time(100000), self.login_time(1000000)
        self.assertLess(many, 10 * few * 3 + 1, "more than linear")
    test_D55_million_messages.seconds = 240


if __name__ == "__main__":
    harness.main()
