"""What POP3 clients do and need once they are logged in: see test_compat.py."""
import fcntl
import os
import poplib
import socket
import statistics
import time

import harness
import oracle
import secure
from client import Client, Closed
from harness import PATIENCE, measures, needs_program, wait_until
from locks import fcntl_lock
from test_compat import MAIL, MESSAGES, SECRET, CompatCase


def damage(state_dir):
    """Spoils the index behind its first octets, which a login reads."""
    for index in state_dir.glob("*/index"):
        with open(index, "r+b") as file:
            file.seek(200)
            file.write(b"\xff" * 64)


class Within(CompatCase):
    """What clients do once they are logged in."""

    def test_thunderbird_takes_a_failed_uidl_for_a_server_without(self):
        changes = {
            "truncated": lambda server: os.truncate(server.path(), 100),
            "emptied": lambda server: os.truncate(server.path(), 0),
            "removed": lambda server: server.path().unlink(),
            "replaced": lambda server: (server.path().rename(server.path("old")), server.put(MAIL)),
            "rewritten": lambda server: server.put(MAIL.replace(b"x", b"y")),
            "no rights": lambda server: server.path().chmod(0),
        }
        for name, change in changes.items():
            server = self.serve()
            client = server.logged_in()
            change(server)
            for line in ("UIDL", "UIDL 3", "RETR 2", "UIDL", "UIDL 1"):
                with self.subTest(name, line=line):
                    try:
                        reply = client.command(line)
                        if line != "RETR 2":
                            self.assertRegex(reply, r"^\+OK")
                        if reply.startswith("+OK") and line in ("UIDL", "RETR 2"):
                            client.multiline()
                    except (Closed, ConnectionError):
                        break
        with self.serve().logged_in() as client:
            client.err("XTND XLST Message-Id")
            self.assertEqual(len(client.uidl()), len(MESSAGES))

    def test_thunderbird_hears_nothing_where_uidl_cannot_be_answered(self):
        for command, ending in (("LIST 3", "-ERR"), ("UIDL", "closed"), ("UIDL 3", "closed")):
            server = self.serve()
            time.sleep(0.05)  # a file that was changed just now would be read again
            server.logged_in().quit()
            with self.subTest(command), server.logged_in() as client:
                damage(server.state_dir)
                with fcntl_lock(server.path()):
                    client.send_line("NOOP\r\n" + command)
                    self.assertEqual(client.status(), "+OK")
                    if ending == "closed":
                        self.assertRaises(Closed, client.status)
                        server.wait_log("reading of .* failed: locked")
                    else:
                        self.assertRegex(client.status(), r"^-ERR \[SYS/TEMP\] maildrop is locked")
            with server.logged_in() as client:
                self.assertEqual(len(client.uidl()), len(MESSAGES))

    def test_outlook_and_others_close_right_after_sending_quit(self):
        server = self.serve()
        left = MAIL
        for way in (server.logged_in, server.logged_in, self.login_over_tls(server)):
            client = way()
            client.ok("DELE 1")
            client.send(b"QUIT\r\n")
            client.close()
            server.wait_idle()
            left = oracle.without(left, {1})
            self.assert_octets(server.read(), left)
        server.wait_log("end=quit .* dele=1 ", count=3)
        self.assertNotIn("end=drop retr", server.log())

    def login_over_tls(self, server):
        def login():
            client = server.tls_client()
            client.login()
            return client
        return login

    @needs_program("perl")
    def test_net_pop3_reads_the_count_in_the_reply_to_pass(self):
        for count in (0, 1, 30):
            mail = MAIL[:MESSAGES[count - 1].end] if count else b""
            server = self.serve(mail=mail)
            with server.client() as client:
                self.assertRegex(client.login(), rf"^\+OK {count} messages \(\d+ octets\), session")
            done = self.run_client("perl", "-MNet::POP3", "-we", r"""
                my $pop = Net::POP3->new('127.0.0.1', Port => $ARGV[0]) or die $@;
                print $pop->login('mrose', 'secret'); $pop->quit;""", server.port)
            self.assertEqual(done.stdout, b"%d" % count if count else b"0E0", done.stderr)

    def test_any_client_may_close_without_quit(self):
        for way in (Client.close, Client.reset, Client.half_close):
            server = self.serve()
            client = server.logged_in()
            for n in range(1, 18):
                client.ok(f"DELE {n}")
            way(client)
            server.wait_log("end=drop .* dele=0 dele_pending=17 left=30 ")
            server.wait_idle()
            self.assert_octets(server.read(), MAIL)

    @measures
    def test_k9_sends_up_to_49_single_uidl_and_list(self):
        # the time of one does not depend on how many messages there are
        def log_in(count):
            mail = b"".join(oracle.FROM + b"Subject: %d\n\n\n" % n for n in range(count))
            return self.serve(mail=mail).logged_in()

        def seconds(client, count):
            lines = b"".join(b"UIDL %d\r\nLIST %d\r\n" % (count - n, count - n) for n in range(49))
            begin = time.monotonic()
            client.send(lines * 20)
            for _ in range(20 * 98):
                self.assertRegex(client.status(), r"^\+OK \d+ [!-~]+$")
            return time.monotonic() - begin

        clients = {count: log_in(count) for count in (100, 100000)}
        taken = [{count: seconds(client, count) for count, client in clients.items()}
                 for _ in range(10)]
        few, many = (min(times[count] for times in taken) for count in clients)
        for client in clients.values():
            client.quit()
        self.assertLess(many, 3 * few)
        print(f"# 1960 single UIDL and LIST: {few:.3f} s of 100, {many:.3f} s of 100,000 messages")

    def test_poplib_gives_up_at_lines_over_2048_octets(self):
        server = self.serve(SECRET | {"apop": "{APOP}secret"}, session__utf8="on",
                            session__login_delay="10s", server__hostname="h" * 200)
        with server.client() as client:
            client.send(b"CAPA\r\nAUTH\r\nUSER mrose\r\nPASS secret\r\nUIDL\r\nLIST\r\nLANG\r\n"
                        b"RETR 99\r\nFOO\r\nDELE 0\r\n" + b"x" * 300 + b"\r\nQUIT\r\n")
            lines = client.rest().split(b"\r\n")
        self.assertLess(max(map(len, lines)), 510)
        pop = poplib.POP3("127.0.0.1", server.port, timeout=30)
        self.assertIn("UIDL", pop.capa())
        pop.stls(secure.trusting())
        pop.user("mrose")
        pop.pass_("secret")
        self.assertEqual(len(pop.uidl()[1]), 30)
        pop.quit()

    def test_phones_vanish(self):
        server = self.daemon(MAIL, mode="inetd")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            phone = socket.create_connection(listener.getsockname())
            connection, _ = listener.accept()
        with connection, open(server.log_path, "ab") as log:
            process = server.spawn(["-i"], stdin=connection, stdout=connection, stderr=log)
            with Client.over(phone) as client:
                client.login()
                for name, value in (("KEEPIDLE", 60), ("KEEPINTVL", 15), ("KEEPCNT", 4)):
                    option = getattr(socket, f"TCP_{name}")
                    self.assertEqual(connection.getsockopt(socket.IPPROTO_TCP, option), value, name)
                self.assertTrue(connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
                # it would end a client, too, that acknowledges and takes nothing for a while
                limit = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                self.assertEqual(limit, 0)
                client.quit()
            self.assertEqual(process.wait(PATIENCE), 0)

    @measures
    def test_header_previews_by_top_do_not_read_the_message(self):
        bodies = [b"z\n"] * 4 + [(b"z" * 75 + b"\n") * 140_000] * 4
        mail = oracle.mbox_of(*(b"Subject: %d\n\n" % n + body for n, body in enumerate(bodies)))
        client = self.serve(mail=mail).logged_in()
        times = {1: [], 5: []}  # by the first message of each size
        for _ in range(25):
            for first, taken in times.items():
                begin = time.monotonic()
                for n in [*range(first, first + 4)] * 15:
                    self.assertEqual(client.multi(f"TOP {n} 0"), b"Subject: %d\r\n\r\n" % (n - 1))
                taken.append(time.monotonic() - begin)
        small, large = (min(taken) for taken in times.values())
        print(f"# {60 / large:.0f} TOP n 0 a second, one after the other, of messages of 10 MB,"
              f" {60 / small:.0f} of small ones")
        self.assertLess(large, 3 * small)

    def test_leave_on_server(self):
        server = self.serve()
        with server.logged_in() as client:
            ids = client.uidl()
            for n in ids:
                client.retr(n)
            client.quit()
        new = oracle.mbox_of(oracle.message_of(500, b"new"))
        server.append(new)
        time.sleep(0.05)  # a record of what was changed just now is not believed
        with server.logged_in() as client:  # fetches the new, deletes old ones unread
            now = client.uidl()
            self.assertEqual({n: now[n] for n in ids}, ids)
            self.assert_octets(client.retr(31), oracle.parse(new)[0].wire)
            for n in (2, 3, 17):
                client.ok(f"DELE {n}")
            client.quit()
        self.assert_octets(server.read(), oracle.without(MAIL + new, {2, 3, 17}))
        server.logged_in().quit()  # makes room in the journal again
        before = self.files(server)
        for _ in range(3):
            with server.logged_in() as client:
                self.assertEqual(sorted(client.uidl().values()),
                                 sorted(uid for n, uid in now.items() if n not in (2, 3, 17)))
                client.quit()
        server.wait_log("new=0 scan=none", count=4)
        self.assertEqual(self.files(server), before)

    def files(self, server):
        """All that could have been written, but for the note of the holder."""
        paths = [server.path(), server.mail, *server.state_dir.rglob("*")]
        facts = [(path, path.stat()) for path in paths if path.name != "holder" and (
            path.is_file() or path == server.mail)]
        return [(path, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path, s in facts]

    def test_noop_for_ever_holds_no_lock(self):
        server = self.serve()
        with server.logged_in() as client:
            wait_until(lambda: not server.path("mrose.lock").exists(), what="the login's unlocking")
            for _ in range(5):
                client.ok("NOOP")
                self.assertFalse(server.path("mrose.lock").exists())
                with open(server.path(), "rb+") as file:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    client.ok("NOOP")
                    client.ok("STAT")
                server.append(oracle.mbox_of(b"Subject: new\n\n"))
                time.sleep(0.1)
            self.assertEqual(client.stat()[0], 30)
            client.quit()

    def test_old_clients_write_as_they_like(self):
        server = self.serve()
        with server.client() as client:
            client.send(b"user  mrose \npass secret\nstat\nList \nlist  2  \r\nReTr 1 \nuidl   1\n"
                        b"top  2   0 \nDELE\t1\nnoop \nLAST\n")
            self.assertRegex(client.status(), r"^\+OK")
            self.assertRegex(client.status(), r"^\+OK 30 messages")
            self.assertRegex(client.status(), r"^\+OK 30 \d+$")
            self.assertRegex(client.status(), r"^\+OK")
            self.assertEqual(client.multiline().count(b"\r\n"), 30)
            self.assertEqual(client.status(), f"+OK 2 {MESSAGES[1].size}")
            self.assertRegex(client.status(), r"^\+OK")
            self.assert_octets(client.multiline(), MESSAGES[0].wire)
            self.assertRegex(client.status(), r"^\+OK 1 ")
            self.assertRegex(client.status(), r"^\+OK")
            self.assert_octets(client.multiline(), MESSAGES[1].top(0))
            for _ in range(3):
                self.assertRegex(client.status(), r"^\+OK")
            for number in ("0", "-1", "+1", "0x1", "1x", "4294967297", "9" * 40, "31", "1"):
                client.err(f"RETR {number}")

    @measures
    def test_stall_of_44_ms_for_each_message(self):
        client = self.serve().logged_in()
        taken = []
        for n in [*range(1, 31)] * 10:
            begin = time.monotonic()
            client.retr(n)
            taken.append(time.monotonic() - begin)
        self.assertLess(statistics.median(taken), 0.015)

    @measures
    def test_stall_of_a_second_after_a_delivery(self):
        server = self.serve()
        taken = []
        for n in range(5):
            server.append(oracle.mbox_of(b"Subject: new\n\n"))
            begin = time.monotonic()
            with server.logged_in() as client:
                self.assertEqual(client.stat()[0], 31 + n)
                client.retr(31 + n)
                client.quit()
            taken.append(time.monotonic() - begin)
        self.assertLess(min(taken), 0.2)


if __name__ == "__main__":
    harness.main()
