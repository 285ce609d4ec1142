"""poplarctl who and kick, asked of a daemon with clients.

Run as python3 tests/system/test_control.py; POPLAR_BUILD names the build folder.
"""
import concurrent.futures
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import time
import unittest

import harness
import secure
from harness import needs_root, proc_stat, wait_until

MESSAGE = b"From a@example.org Mon Nov 23 03:00:00 2026\nSubject: one\n\ntext\n\n"
NOPERM, NOUSER, UNAVAILABLE, TEMPFAIL, USAGE, CONFIG = 77, 67, 69, 75, 64, 78


class TestCase(harness.TestCase):
    def ctl(self, server, word, *names, code=0, options=(), uid=None):
        """Runs poplarctl as the daemon's user; returns what it said on both, as text."""
        program = server.dir / "poplarctl"
        if not program.exists():
            shutil.copy(harness.BUILD / "poplarctl", program)
        if uid is None and os.geteuid() == 0 and not server.privileged:
            uid = server.uid
        who = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
        done = subprocess.run([program, word, "-c", server.conf, *options, *names],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, **who)
        said = done.stdout.decode()
        self.assertEqual(done.returncode, code, said)
        return said

    def who(self, server):
        """Lines of who, each as a list of its columns."""
        head, *lines = self.ctl(server, "who").splitlines()
        self.assertEqual(head.split(), ["SID", "SINCE", "STATE", "TLS", "ADDRESS", "USER"])
        return [line.split() for line in lines]

    def wait_who(self, server, condition):
        return wait_until(lambda: (rows := self.who(server)) and condition(rows) and rows)


class Who(TestCase):
    def test_nobody(self):
        server = self.daemon()
        self.assertEqual(self.who(server), [])

    def test_states(self):
        server = self.daemon(MESSAGE, options={"auth.failure_delay": "5s"})
        with server.client(), server.client() as failing:
            client = server.logged_in()
            self.addCleanup(client.close)
            failing.send_line("USER mrose")
            failing.send_line("PASS wrong")
            rows = self.wait_who(server, lambda rows: sorted(row[2] for row in rows) == [
                "authorization", "login", "transaction"])
            sid = server.wait_log("login=ok").split("sid=")[1].split()[0]
            mine = next(row for row in rows if row[2] == "transaction")
            self.assertEqual(mine[0], sid)
            self.assertEqual(mine[3:], ["-", "127.0.0.1", "mrose"])
            self.assertEqual([row[5] for row in rows].count("-"), 2)
            client.quit()
            rows = self.wait_who(server, lambda rows: len(rows) == 2)
            self.assertNotIn("mrose", [row[5] for row in rows])

    def test_oldest_first_by_the_wall_clock(self):
        server = self.daemon(MESSAGE)
        sids, before = [], time.time()
        for _ in range(3):
            client = server.client()
            self.addCleanup(client.close)
            sids.append(self.wait_who(server, lambda rows: len(rows) == len(sids) + 1)[-1][0])
            time.sleep(1.1)
        rows = self.who(server)
        self.assertEqual([row[0] for row in rows], sids)
        for row in rows:
            since = time.mktime(time.strptime(row[1], "%Y-%m-%dT%H:%M:%S"))
            self.assertTrue(before - 2 <= since <= time.time(), row)

    def test_a_proxy_s_client(self):
        server = self.daemon(MESSAGE, options={"listen.proxy_networks": "127.0.0.0/8"},
                             head=b"PROXY TCP6 2001:db8::7 ::1 4096 110\r\n")
        with server.client() as client:
            self.assertEqual(self.who(server)[0][4], "127.0.0.1")
            client.login()
            self.assertEqual(self.who(server)[0][4:], ["2001:db8::7", "mrose"])

    def test_a_name_that_is_no_text(self):
        name = b"m\xff\x9b31m"
        server = self.daemon(users={name: "{PLAIN}secret"})
        with server.client() as client:
            client.ok(b"USER " + name)
            client.ok("PASS secret")
            self.assertEqual(self.who(server)[0][5], r"m\377\23331m")
            self.assertIn(r"user m\377\23331m",
                          self.ctl(server, "kick", name, options=["-u"]))
            client.expect_closed()

    def test_many(self):
        server = self.daemon()
        clients = [server.client() for _ in range(60)]
        try:
            rows = self.who(server)
            self.assertEqual(len(rows), 60)
            self.assertEqual(len({row[0] for row in rows}), 60)
        finally:
            for client in clients:
                client.close()

    def test_while_it_shuts_down(self):
        server = self.daemon(MESSAGE)
        client = server.logged_in()
        self.addCleanup(client.close)
        server.session()  # the only one from here on
        [monitor] = server.monitors()
        os.kill(monitor, signal.SIGSTOP)
        self.addCleanup(harness.kill, monitor, signal.SIGCONT)
        server.process.terminate()
        server.wait_log("shutting down")
        self.assertEqual(self.who(server)[0][2], "transaction")
        os.kill(monitor, signal.SIGCONT)


@unittest.skipUnless(secure.x509, "needs python3-cryptography")
class WhoWithTls(TestCase):
    daemon_class = secure.TlsDaemon

    def test_tls(self):
        server = self.daemon(MESSAGE)
        with server.tls_client() as client:
            client.login()
            self.assertEqual([row[3] for row in self.who(server)], ["TLSv1.3"])


class Kick(TestCase):
    def test_one_session(self):
        server = self.daemon(MESSAGE)
        with server.logged_in() as client, server.client() as other:
            client.ok("DELE 1")
            sid = next(row[0] for row in self.who(server) if row[5] == "mrose")
            said = self.ctl(server, "kick", sid)
            self.assertEqual(said, f"{sid}: kicked, from 127.0.0.1, user mrose\n")
            client.expect_closed()
            server.wait_log(f"sid={sid} ip=127.0.0.1 kicked by poplarctl$")
            server.wait_log(f"sid={sid} .*end=kicked .*dele_pending=1")
            other.err("NOOP")
        self.assertEqual(server.read(), MESSAGE)
        with server.logged_in() as client:
            self.assertEqual(client.stat()[0], 1)

    def test_a_user_and_no_other(self):
        server = self.daemon(MESSAGE, users={"mrose": "{PLAIN}secret", "mros": "{PLAIN}secret"})
        with server.logged_in() as client, server.logged_in("mros") as other:
            self.ctl(server, "kick", "mrose", options=["-u"])
            client.expect_closed()
            other.ok("NOOP")
            self.assertIn("no session is of user mrose",
                          wait_until(lambda: self.gone(server, "mrose")))

    def gone(self, server, user):
        if any(row[5] == user for row in self.who(server)):
            return None
        return self.ctl(server, "kick", user, options=["-u"], code=NOUSER)

    def test_several_at_once(self):
        server = self.daemon(MESSAGE)
        clients = [server.client() for _ in range(3)]
        sids = [row[0] for row in self.who(server)]
        said = self.ctl(server, "kick", sids[0], "ffffffffff", sids[1], code=NOUSER)
        self.assertEqual(said.count(": kicked"), 2)
        self.assertIn("no session has the id ffffffffff", said)
        self.assertEqual([row[0] for row in self.wait_who(server, lambda rows: len(rows) == 1)],
                         sids[2:])
        for client in clients:
            client.close()

    def test_one_that_logs_in(self):
        """It waits for a maildrop that another session holds."""
        server = self.daemon(MESSAGE, options={"maildrop.lock_wait": "30s"})
        with server.logged_in(), server.client() as client:
            client.ok("USER mrose")
            client.send_line("PASS secret")
            rows = self.wait_who(server, lambda rows: "login" in [row[2] for row in rows])
            self.ctl(server, "kick", next(row[0] for row in rows if row[2] == "login"))
            client.expect_closed()

    def test_a_deletion_is_finished(self):
        big = MESSAGE + b"x" * 79 + b"\n"
        big += big[-80:] * 500000
        server = self.daemon()
        for _ in range(20):
            server.put(MESSAGE + big)
            with server.logged_in() as client:
                client.ok("DELE 1")
                session = server.session()
                client.send_line("QUIT")
                wait_until(lambda: proc_stat(session) is None or self.journal(server), pause=0.0005)
                harness.kill(session, signal.SIGSTOP)
                if not self.journal(server):
                    harness.kill(session, signal.SIGCONT)
                    server.wait_idle()
                    continue
                sid = self.who(server)[0][0]
                self.ctl(server, "kick", sid)
                self.assertEqual(self.who(server)[0][2], "leaving")
                os.kill(session, signal.SIGCONT)
                self.assertRegex(client.status(), r"^\+OK")
                server.wait_log(f"sid={sid} .*end=quit .*dele=1 left=1")
                self.assert_octets(server.read(), big)
                return
        self.fail("no UPDATE was met while it worked")

    def journal(self, server):
        return sum(path.stat().st_size for path in server.state_dir.glob("*/journal"))

    def test_after_sigkill_of_the_daemon(self):
        server = self.daemon(MESSAGE, check=False)
        server.kill_all()
        self.assertIn("no poplard listens", self.ctl(server, "who", code=UNAVAILABLE))
        server.start()
        server.wait_idle()
        self.assertEqual(self.who(server), [])


class Socket(TestCase):
    def path(self, server):
        return server.run_dir / "control"

    def test_only_for_the_daemon_s_user(self):
        server = self.daemon()
        status = self.path(server).stat()
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o600)
        self.assertEqual(status.st_uid, server.uid)

    @needs_root
    def test_not_for_others(self):
        server = self.daemon(privileged=True)
        said = self.ctl(server, "who", code=NOPERM, uid=server.uid)
        self.assertIn("control: Permission denied", said)

    def test_is_gone_with_the_daemon(self):
        server = self.daemon()
        server.stop()
        self.assertFalse(self.path(server).exists())
        self.assertIn("No such file", self.ctl(server, "who", code=UNAVAILABLE))

    def test_no_session_and_no_monitor_has_it(self):
        server = self.daemon(MESSAGE)
        with server.logged_in():
            inode = self.inode(server)
            self.assertIn(inode, self.sockets(server.process.pid))
            for pid in [server.session(), *server.monitors()]:
                self.assertNotIn(inode, self.sockets(pid))

    def inode(self, server):
        for line in pathlib.Path("/proc/net/unix").read_text().splitlines():
            if line.endswith(str(self.path(server))):
                return line.split()[6]
        return self.fail("the socket is not there")

    def sockets(self, pid):
        links = [os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
        return {link[8:-1] for link in links if link.startswith("socket:[")}

    def test_garbage(self):
        server = self.daemon(MESSAGE)
        before = len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
            asker.connect(str(self.path(server)))
            for size in (0, 1, 4, 259, 260, 261, 4096, 100000):
                one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with one, other:
                    asker.send(b"\xff" * size)
                    for count in (1, 2, 3, 4):
                        socket.send_fds(asker, [b"\xff" * size], [other.fileno()] * count)
        self.assertEqual(self.who(server), [])
        after = len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))
        self.assertEqual(after, before)

    def test_a_daemon_that_hangs(self):
        server = self.daemon()
        server.process.send_signal(signal.SIGSTOP)
        self.addCleanup(server.process.send_signal, signal.SIGCONT)
        began = time.monotonic()
        self.assertIn("poplard does not answer", self.ctl(server, "who", code=TEMPFAIL))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
            asker.connect(str(self.path(server)))
            asker.setblocking(False)
            with self.assertRaises(BlockingIOError):
                for _ in range(10000):
                    asker.send(b"")
        self.ctl(server, "who", code=TEMPFAIL)
        self.assertLess(time.monotonic() - began, 60)
        server.process.send_signal(signal.SIGCONT)

    def test_long_folder(self):
        server = self.laid_out()
        folder = server.dir / ("r" * 100)
        folder.mkdir(mode=0o755)
        server.own(folder)
        server.options["server.run_dir"] = folder
        server.write_conf()
        server.start()
        self.addCleanup(server.stop)
        server.wait_log("poplarctl who and kick will not work: .*File name too long")
        self.ctl(server, "who", code=71)

    def test_asked_by_many_at_once(self):
        server = self.daemon(MESSAGE)
        with server.logged_in() as client:
            self.who(server)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                for rows in pool.map(self.who, [server] * 24):
                    self.assertEqual([row[5] for row in rows], ["mrose"])
            client.ok("NOOP")


class Words(TestCase):
    def test_wrong_usage(self):
        server = self.daemon()
        for words in (["kick"], ["who", "x"], ["who", "-u"], ["kick", "-x", "a"]):
            with self.subTest(words):
                self.assertIn(f"usage: poplarctl {words[0]}",
                              self.ctl(server, *words, code=USAGE))

    def test_a_configuration_with_a_fault(self):
        server = self.daemon()
        self.assertIn("session.max", self.ctl(server, "who", options=["-o", "session.max=x"],
                                              code=CONFIG))


if __name__ == "__main__":
    harness.main()
