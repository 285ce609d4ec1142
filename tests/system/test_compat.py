"""What POP3 clients do and need: a test for each habit of theirs that is
known, named by the client that has it. Where a client is at hand it is run;
else the dialogue is what it sends. Clients that just fetch mail are in
test_clients.py, and Thunderbird in test_thunderbird.py. Here: up to the
login, and fetchmail; what they do then is in test_compat_session.py.
"""
import base64
import fcntl
import os
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time

import clients
import harness
import oracle
import scram
import secure
import test_clients
from client import Client
from harness import needs_program

MAIL = oracle.mbox_of(*(oracle.message_of(100 + 20 * n, b"%d" % n) for n in range(1, 31)))
MESSAGES = oracle.parse(MAIL)
SECRET = {"mrose": "{PLAIN}secret"}
BLOB = base64.b64encode(b"\0mrose\0secret").decode()


def capabilities(client):
    return client.multi("CAPA").decode().split("\r\n")[:-1]


class CompatCase(secure.TlsCase):
    """Clients as programs: a home for them, and their output."""

    def setUp(self):
        super().setUp()
        self.home = clients.own(tempfile.mkdtemp(prefix="poplar-compat-"))
        self.addCleanup(shutil.rmtree, self.home, True)

    def serve(self, users=None, mail=MAIL, **options):
        server = self.daemon(mail, users=users or SECRET, options={
            "auth.cleartext": "always", "auth.max_attempts": 100,
            **{name.replace("__", "."): value for name, value in options.items()}})
        return server

    def environment(self):
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(self.home),
                "TERM": "vt100", "USER": "nobody"}

    def run_client(self, *command, text=None):
        return subprocess.run([str(word) for word in command], env=self.environment(),
                              cwd=self.home, input=text, capture_output=True, timeout=60,
                              check=False, **clients.WHO)

    def write(self, name, text):
        path = self.home / name
        path.write_text(text)
        path.chmod(0o700)
        return clients.own(path)


class Before(CompatCase):
    """Until a client is logged in."""

    def test_thunderbird_and_outlook_send_bare_auth_then_capa(self):
        with self.serve().client() as client:
            self.assertEqual(client.multi("AUTH"), b"SCRAM-SHA-256\r\nPLAIN\r\nLOGIN\r\n")
            self.assertIn("SASL SCRAM-SHA-256 PLAIN LOGIN", capabilities(client))
            client.login()

    def test_outlook_and_ios_ask_for_the_password_after_any_err(self):
        # so what passes soon is waited for
        server = self.serve(maildrop__lock_wait="4s")
        holder = server.logged_in()
        threading.Timer(1, holder.quit).start()
        server.logged_in().quit()
        server.append(oracle.mbox_of(b"Subject: new\n\n"))
        with open(server.path(), "rb+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            threading.Timer(1, fcntl.lockf, (file, fcntl.LOCK_UN)).start()
            server.logged_in().quit()
        server.wait_log("msgs=31 .*new=1")

    def test_outlook_and_ios_are_told_what_to_do_about_it(self):
        # each cause has a code and a text of its own
        server = self.serve(users=SECRET | {name: "{PLAIN}secret" for name in ("no-mbox", "link")})
        server.put(b"no mbox\n", "no-mbox")
        server.path("link").symlink_to(server.path())
        replies = {}
        with server.logged_in(), server.client() as client:
            replies["busy"] = client.login_fails(code="[IN-USE]")
            replies["password"] = client.login_fails(password="wrong", code="[AUTH]")
            replies["no mbox"] = client.login_fails("no-mbox", code="[SYS/PERM]")
            replies["link"] = client.login_fails("link", code="[SYS/PERM]")
        server.mail.rename(server.dir / "away")
        with server.client() as client:
            replies["no folder"] = client.login_fails(code="[SYS/TEMP]")
        self.assertEqual(len(set(replies.values())), len(replies), replies)

    def test_outlook_with_tls_ticked_sends_user_in_clear_on_port_110(self):
        server = self.serve(auth__cleartext="never")
        with server.client() as client:
            client.err("USER mrose", "[AUTH]")
            client.err("PASS secret")
        server.wait_log("ip=127.0.0.1 .*auth=PASS login=fail reason=cleartext user=mrose$")
        self.assertEqual(server.log().count("reason=cleartext"), 1)
        with server.tls_client() as client:
            client.login()

    def test_eudora_and_others_pipeline_without_capa(self):
        lines = [b"USER mrose", b"PASS secret", b"STAT", b"LIST 2", b"RETR 1", b"TOP 2 1",
                 b"DELE 1", b"UIDL 3", b"NOOP", b"QUIT"]
        text = b"".join(line + b"\r\n" for line in lines)
        rng = random.Random(8)
        server = self.serve()
        left = MAIL
        for _ in range(10):
            first, second = oracle.parse(left)[:2]
            client = server.client()
            cuts = sorted(rng.sample(range(1, len(text)), 4))
            for begin, end in zip([0, *cuts], [*cuts, len(text)]):
                client.send(text[begin:end])
                time.sleep(0.002)
            for line in lines:
                self.assertRegex(client.status(), r"^\+OK")
                if line == b"RETR 1":
                    self.assert_octets(client.multiline(), first.wire)
                elif line == b"TOP 2 1":
                    self.assert_octets(client.multiline(), second.top(1))
            client.expect_closed()
            left = oracle.without(left, {1})
            self.assert_octets(server.read(), left)

    def test_k9_mutt_neomutt_javamail_read_capa_before_login_only(self):
        for options in ({}, {"auth.cleartext": "never"}):
            server = self.daemon(MAIL, options=options)
            for client in (server.client(), server.stls_client(), server.tls_client()):
                with client:
                    before = capabilities(client)
                    for name in ("TOP", "UIDL", "PIPELINING", "RESP-CODES"):
                        self.assertIn(name, before)
                    if "USER" in before:
                        client.login()
                        self.assertEqual([line for line in before if line != "STLS"],
                                         capabilities(client))

    def test_k9_sends_capa_again_after_stls(self):
        with self.serve().client() as client:
            self.assertIn("STLS", capabilities(client))
            client.ok("STLS")
            secure.start_tls(client)
            after = capabilities(client)
            self.assertNotIn("STLS", after)
            self.assertTrue(any(line.startswith("SASL") and " PLAIN" in line for line in after))
            client.send_line("AUTH PLAIN")
            self.assertEqual(client.line(), b"+ ")
            client.ok(BLOB)

    def test_k9_sends_auth_plain_and_the_blob_in_the_next_line(self):
        server = self.serve()
        for together in (True, False):
            with server.client() as client:
                client.send_line("AUTH PLAIN" + (f"\r\n{BLOB}" if together else ""))
                self.assertEqual(client.line(), b"+ ")
                if not together:
                    client.send_line(BLOB)
                self.assertRegex(client.status(), r"^\+OK 30 messages")

    def test_mpop_getmail_and_others_give_responses_in_one_line_or_two(self):
        name, password = (base64.b64encode(text).decode() for text in (b"mrose", b"secret"))
        server = self.serve()
        for lines in ([f"AUTH PLAIN {BLOB}"], ["AUTH PLAIN", BLOB], ["AUTH LOGIN", name, password],
                      [f"AUTH LOGIN {name}", password]):
            with self.subTest(lines=lines), server.client() as client:
                for line in lines[:-1]:
                    client.send_line(line)
                    self.assertRegex(client.line(), rb"^\+ ")
                client.ok(lines[-1])
        with server.client() as client:
            client.err("AUTH PLAIN =")  # an empty response, and no wait for one
            for line in ("AUTH PLAIN", "AUTH LOGIN", f"AUTH LOGIN {name}"):
                client.send_line(line)
                self.assertRegex(client.line(), rb"^\+ ")
                client.err("*")
            client.login()

    @needs_program("mpop")
    def test_mpop_logs_in_by_each_mechanism(self):
        server = self.serve()
        for method in ("user", "plain", "login", clients.scram_of_mpop().lower()):
            rc = self.write("mpoprc", (
                f"account default\nhost localhost\nport {server.port}\nuser mrose\n"
                f"password secret\nauth {method}\ntls on\ntls_starttls on\n"
                f"tls_trust_file {secure.trusting_ca_file()}\nkeep on\n"
                f"delivery mbox {self.home}/mbox\nuidls_file {self.home}/uidls-{method}\n"))
            rc.chmod(0o600)
            done = self.run_client("mpop", "-C", rc)
            self.assertEqual(done.returncode, 0, done.stderr)
            word = "PASS" if method == "user" else method.upper()
            server.wait_log(f"tls=TLSv1.3 auth={word} login=ok msgs=30")
        server.wait_log("end=quit retr=30/", count=4)

    def test_several_need_the_space_of_an_empty_challenge(self):
        server = self.serve()
        for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
            with server.client() as client:
                client.send_line(f"AUTH {mechanism}")
                self.assertRegex(client.raw_line(), rb"^\+ [A-Za-z0-9+/=]*\r\n$")
        with server.client() as client:
            exchange = scram.Exchange()
            client.send_line("AUTH SCRAM-SHA-256 " + base64.b64encode(exchange.first()).decode())
            self.assertRegex(client.line(), rb"^\+ ")

    def test_curl_mailkit_s_nail_try_apop_whenever_they_see_a_timestamp(self):
        for users, expected in ((SECRET, False), (SECRET | {"apop": "{APOP}secret"}, True)):
            greeting = self.serve(users).client().greeting
            self.assertEqual(bool(re.search("[<>@]", greeting)), expected)
            if expected:
                self.assertRegex(greeting, r"^\+OK POP3 server ready <[!-;=?A-~]+@[!-;=?A-~]+>$")

    @needs_program("curl")
    @needs_program("s-nail")
    def test_curl_and_s_nail_log_in_by_apop(self):
        server = self.serve(SECRET | {"apop": "{APOP}secret"})
        server.put(MAIL, "apop")
        done = self.run_client("curl", "-sS", "--login-options", "AUTH=+APOP", "-u", "apop:secret",
                               f"pop3://127.0.0.1:{server.port}/1")
        self.assert_octets(done.stdout, MESSAGES[0].wire)
        done = self.run_client("curl", "-sS", "-u", "mrose:secret",
                               f"pop3://127.0.0.1:{server.port}/1")
        self.assert_octets(done.stdout, MESSAGES[0].wire)
        done = self.run_client(
            "s-nail", "-:/", "-#", "-S", "v15-compat=yes", "-S", "hold", "-f",
            f"pop3://apop:secret@127.0.0.1:{server.port}", text=b"from 30\nquit\n")
        self.assertIn(b"message 30", done.stdout, done.stderr)
        server.wait_log("user=apop .*auth=APOP login=ok", count=2)

    def test_curl_ends_the_capabilities_at_a_line_that_begins_with_a_dot(self):
        server = self.serve(session__utf8="on", session__login_delay="1s", session__expire="30")
        for client in (server.client(), server.stls_client(), server.logged_in()):
            with client:
                client.send_line("CAPA")
                lines = []
                while not lines or not lines[-1].startswith(b"."):
                    lines.append(client.line())
                self.assertEqual(lines[-1], b".")
                self.assertEqual(client.buffer, b"")
                self.assertGreater(len(lines), 10)

    def test_c_client_looks_for_pop3_in_the_greeting(self):
        for client in (self.serve().client(), self.serve({"apop": "{APOP}x"}).client(),
                       self.serve().tls_client(), self.daemon(MAIL, mode="inetd").client()):
            with client:
                self.assertTrue(client.greeting.startswith("+OK POP3"), client.greeting)

    @needs_program("mailutil")
    def test_c_client_moves_mail(self):
        mail = clients.made_mailbox(3, 30)
        server = self.serve(mail=mail)
        self.run_client("mailutil", "create", "#driver.unix/mbox")
        status, output = clients.run_in_terminal(
            ["mailutil", "appenddelete", f"{{127.0.0.1:{server.port}/pop3/user=mrose/notls}}INBOX",
             "#driver.unix/mbox"], self.environment(), self.home, password=b"secret")
        got = oracle.parse((self.home / "mbox").read_bytes())
        server.wait_log("auth=PLAIN login=ok")
        server.wait_log("end=quit .* dele=30 left=0")
        self.assertEqual(len(got), 30, (status, output))
        for message, wanted in zip(got, oracle.parse(mail)):
            text = clients.stored(message)
            for name in (b"Status", b"X-Status", b"X-Keywords", b"X-UID"):
                text = clients.without_field(text, name)
            # it quotes what could begin a message
            self.assert_octets(text, re.sub(rb"(?m)^From ", b">From ", clients.stored(wanted)))

    def test_any_name_up_to_255_octets(self):
        names = ("first.last@a-domain-of-more-than.forty-octets.example.org", "größe@exämple.org",
                 "user+folder", "user%example.org", "100%", "a%u", "日本語", "n" * 255)
        server = self.daemon(users={})
        # no dotlock fits beside a file of the longest name
        users = {name: {"credential": "{PLAIN}secret", "maildrop": server.mail / f"box{n}"}
                 for n, name in enumerate(names)}
        server.write_users(users)
        for n, name in enumerate(names):
            server.put(MAIL, f"box{n}")
            with self.subTest(name=name):
                server.logged_in(name).quit()
                blob = base64.b64encode(f"\0{name}\0secret".encode()).decode()
                with server.client() as client:
                    client.ok(f"AUTH PLAIN {blob}")
                with server.client() as client:
                    client.login_fails(name, "wrong", "[AUTH]")
        server.wait_log("login=ok", count=2 * len(names))
        server.wait_idle()
        self.assertTrue(re.fullmatch(r"[ -~\n]*", server.log()), server.log())

    def test_health_checks_leave_one_debug_line(self):
        ways = {"QUIT": Client.quit, "closed": Client.close, "reset": Client.reset,
                "half-closed": lambda client: (client.half_close(), client.expect_closed())}
        server = self.serve(log__level="debug", listen__pop3s="")
        for name, way in ways.items():
            with self.subTest(name):
                server.wait_idle()
                before = len(server.log().splitlines())
                way(server.client())
                server.wait_idle()
                lines = server.log().splitlines()[before:]
                self.assertEqual(len(lines), 1, lines)
                self.assertRegex(lines[0], r"ip=127\.0\.0\.1 end=(quit|drop) failures=0")
        quiet = self.serve()
        quiet.wait_idle()
        before = quiet.log()
        for _ in range(20):
            quiet.client().reset()
        quiet.client().quit()
        quiet.wait_idle()
        self.assertEqual(quiet.log(), before)

    def test_scanners_on_the_plain_port(self):
        server = self.serve()
        hello = bytes.fromhex("16030100c8010000c40303") + bytes(200)
        for data, name in ((hello, "TLS"), (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"),
                           (b"PROXY TCP4 192.0.2.7 192.0.2.8 1 110\r\n", "PROXY"),
                           (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12), "PROXY"),
                           (b"SSH-2.0-scan\r\n", "SSH")):
            with self.subTest(name), server.client() as client:
                client.send(data)
                self.assertRegex(client.status(), "^-ERR .{1,60}$")
                client.expect_closed()
                server.wait_log(f"ip=127.0.0.1 {name} on the plaintext port$")
        client = server.tls_client()
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        self.assertRegex(client.status(), "^-ERR")
        client.expect_closed()
        server.wait_log("HTTP inside TLS$")


class Busy(CompatCase):
    """fetchmail, which reads the words of an error."""

    # its exit codes
    DONE, NONE, REFUSED, BUSY = 0, 1, 3, 9

    def fetchmail(self, server, words="keep", password="secret", uidl=True):
        rc = self.write("fetchmailrc", (
            "set invisible\nset no bouncemail\nset no spambounce\n"
            f"poll 127.0.0.1 protocol pop3 port {server.port} {'uidl' if uidl else 'no uidl'}\n"
            f'  user mrose password "{password}" mda "/bin/cat >/dev/null" sslproto "" {words}\n'))
        idfile = f"{self.home}/ids-{uidl}"
        done = self.run_client("fetchmail", "-v", "-v", "--nodetach", "--fetchmailrc", rc,
                               "--idfile", idfile, "--pidfile", self.home / "pid")
        said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        self.assertNotIn("not the expected length", said)
        return done.returncode, re.findall(r"POP3> (.*)", said)

    @needs_program("fetchmail")
    def test_fetchmail_tells_busy_from_refused(self):
        server = self.serve(maildrop__lock_wait="0s")
        with server.logged_in():
            self.assertEqual(self.fetchmail(server)[0], self.BUSY)
        server.append(oracle.mbox_of(b"Subject: new\n\n"))
        with open(server.path(), "rb+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            self.assertEqual(self.fetchmail(server)[0], self.BUSY)
        self.assertEqual(self.fetchmail(server, password="wrong")[0], self.REFUSED)
        self.assertEqual(self.fetchmail(server)[0], self.DONE)
        server.put(b"no mbox\n")
        self.assertEqual(self.fetchmail(server)[0], self.REFUSED)
        delayed = self.serve(session__login_delay="1h")
        for _ in range(3):
            delayed.logged_in().quit()
        self.assertEqual(self.fetchmail(delayed)[0], self.BUSY)

    def test_fetchmail_finds_lock_and_wait_in_no_other_text(self):
        # in the sources, in every language; Client looks at all that is sent
        paths = set((harness.ROOT / "src" / "session").glob("*.c"))
        for path in paths - {harness.ROOT / "src" / "session" / "sandbox.c"}:  # it has a log
            code = re.sub(r"(?s)/\*.*?\*/|#include .*?\n", "", path.read_text())
            for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', code):
                if re.search("lock|wait", text, re.I):
                    self.assertRegex(text, "locked by |\\(locked\\) durch ", path)

    @needs_program("fetchmail")
    def test_fetchmail_bisects_uidl(self):
        server = self.serve()
        status, sent = self.fetchmail(server, "keep fastuidl 1")
        self.assertEqual(status, self.DONE)
        server.append(oracle.mbox_of(oracle.message_of(333)))
        status, sent = self.fetchmail(server, "keep fastuidl 1")
        self.assertEqual(status, self.DONE)
        self.assertNotIn("UIDL", sent)
        self.assertIn("UIDL 16", sent)
        self.assertEqual([line for line in sent if line.startswith(("TOP", "RETR"))],
                         ["TOP 31 99999999"])
        self.assertEqual(self.fetchmail(server, "keep fastuidl 1")[0], self.NONE)

    @needs_program("fetchmail")
    def test_fetchmail_asks_last(self):
        server = self.serve()
        status, sent = self.fetchmail(server, uidl=False)
        self.assertEqual((status, sent.count("LAST")), (self.DONE, 1))
        self.assertEqual(self.fetchmail(server, uidl=False)[0], self.NONE)
        server.append(oracle.mbox_of(oracle.message_of(333), oracle.message_of(444)))
        server.stop()
        server.start()
        status, sent = self.fetchmail(server, uidl=False)
        self.assertEqual(status, self.DONE)
        self.assertEqual([line for line in sent if line.startswith(("TOP", "RETR"))],
                         ["RETR 31", "RETR 32"])


class Neomutt(test_clients.Mutt):
    """It also reads CAPA only before it logs in."""

    program = "neomutt"


if __name__ == "__main__":
    harness.main()
