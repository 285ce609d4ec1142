"""Processes and limits: forks that fail, deaths, signals in a storm, descriptors
that run out, connections that are too many (91 to 104).
"""
import base64
import ctypes
import fcntl
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import threading
import time

import harness
import oracle
import strike
from client import Client
from harness import (FASTCLOCK_FACTOR, PATIENCE, children, kill, needs_fastclock, needs_root,
                     proc_stat, proc_status, wait_until)
from locks import fcntl_lock
from processes import MAIL, ProcessCase

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207


def zombies(pid):
    return [p for p in children(pid) if (stat := proc_stat(p)) and stat[0] == "Z"]


def cpu_seconds(pid):
    stat = proc_stat(pid)
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


class Floods(ProcessCase):
    """What one client that never logs in can put into the log."""

    def flood(self, server, octets):
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:
            def drain():
                try:
                    while sock.recv(65536):
                        pass
                except OSError:
                    pass
            reader = threading.Thread(target=drain)
            reader.start()
            try:
                sock.sendall(octets)
            except OSError:
                pass
            reader.join(PATIENCE)
            self.assertFalse(reader.is_alive(), "the connection stays open")

    def test_36_names_refused_in_the_clear(self):
        server = self.daemon(options={"auth.cleartext": "never"})
        for line in (b"USER mrose\r\n", b"AUTH PLAIN\r\n"):
            before = server.log().count("reason=cleartext")
            self.flood(server, line * 5000)
            server.wait_idle()
            self.assertEqual(server.log().count("reason=cleartext") - before, 3)

    def test_36_challenges_that_nobody_answers(self):
        server = self.daemon(options={"auth.mechanisms": "SCRAM-SHA-256"})
        first = base64.b64encode(b"n,,n=mrose,r=abcdefghijklmnop")
        self.flood(server, b"AUTH SCRAM-SHA-256 " + first + b"\r\n*\r\n" * 1 +
                   (b"AUTH SCRAM-SHA-256 " + first + b"\r\n*\r\n") * 1000)
        server.wait_idle()
        self.assertLessEqual(server.log().count("login=fail"), 3)


class Processes(ProcessCase):
    def test_92_stopped_session_holds_up_nobody(self):
        server = self.daemon(MAIL, users={n: "{PLAIN}secret" for n in ("mrose", "other")})
        with server.logged_in("other") as client:
            session = server.session()
            os.kill(session, signal.SIGSTOP)
            self.addCleanup(kill, session)
            with server.logged_in() as second:
                self.assert_served(second, oracle.parse(MAIL))
                second.quit()
            kill(session)
            client.expect_closed()
        self.assert_service(server)

    @needs_fastclock
    @needs_root
    def test_92_login_that_hangs(self):
        """It is killed. One that cannot even die, for its end waits for the file system
        too, does not fill the log: a debugger that does not look holds it."""
        server = self.daemon(MAIL, variant="fastclock", options={"maildrop.lock_wait": "5m"})
        server.logged_in().quit()
        server.wait_idle()
        journal, = server.state_dir.glob("*/journal")
        trace = ctypes.CDLL(None).ptrace
        with fcntl_lock(journal), server.client() as client:
            client.ok("USER mrose")
            monitor, = server.monitors()
            client.send(b"PASS secret\r\n")
            wait_until(lambda: int(proc_status(monitor, "voluntary_ctxt_switches")) > 40,
                       what="the wait for the lock")
            self.assertEqual(trace(PTRACE_SEIZE, monitor, None, None), 0)
            self.assertEqual(trace(PTRACE_INTERRUPT, monitor, None, None), 0)
            line = f"monitor {monitor}: login not finished after 360 s; killed"
            server.wait_log(line)
            client.expect_closed()
            time.sleep(60 / FASTCLOCK_FACTOR)
        os.waitpid(monitor, 0)
        self.assertEqual(server.log().count(line), 1)
        self.assert_service(server)

    def test_92_killed_monitor_takes_its_session_along(self):
        server = self.daemon(MAIL)
        with server.logged_in() as client:
            for monitor in server.monitors():
                kill(monitor)
            client.expect_closed()
        wait_until(lambda: len(server.members()) == 1, what="the end of its session")
        self.assert_service(server)

    def test_95_stop_ends_sessions_without_update(self):
        server = self.daemon(MAIL, check=False)
        clients = [server.client() for _ in range(5)]
        with server.logged_in() as client:
            client.ok("DELE 1")
            process = server.process
            process.terminate()
            self.assertEqual(process.wait(PATIENCE), 0)
            client.expect_closed()
        for idle in clients:
            idle.expect_closed()
            idle.close()
        self.assertEqual(server.read(), MAIL)
        server.wait_log("end=shutdown .*dele_pending=1")
        with self.assertRaises(ConnectionRefusedError):
            Client(server.port)
        self.assertEqual(server.members(), [])
        server.process = None

    def test_95_stop_waits_for_no_update_before_login(self):
        """A session that does not heed it, and has nothing to finish, is ended."""
        server = self.daemon(MAIL, check=False)
        with server.client() as client:
            os.kill(server.session(), signal.SIGSTOP)
            server.process.terminate()
            self.assertEqual(server.process.wait(PATIENCE), 0)
            client.expect_closed()
        self.assertEqual(server.members(), [])
        server.process = None

    def wait_opened(self, server):
        """Until a login has come as far as the maildrop."""
        def opened():
            try:
                return any(os.readlink(descriptor) == str(server.path())
                           for pid in server.monitors()
                           for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir())
            except FileNotFoundError:  # one of an earlier connection has gone
                return False
        wait_until(opened, what="the maildrop to be opened")

    def test_95_stop_ends_a_wait_for_a_lock(self):
        server = self.daemon(MAIL, check=False, options={"maildrop.lock_wait": "5m"})
        with open(server.path(), "rb+") as file, server.client() as client:
            fcntl.lockf(file, fcntl.LOCK_EX)
            client.ok("USER mrose")
            client.send_line("PASS secret")
            self.wait_opened(server)
            server.process.terminate()
            self.assertRegex(client.status(), r"^-ERR \[SYS/TEMP\]")
            client.expect_closed()
            self.assertEqual(server.process.wait(PATIENCE), 0)
        self.assertEqual(server.members(), [])
        server.process = None

    def test_95_stop_ends_a_recovery_that_waits_for_a_lock(self):
        server = self.daemon(MAIL, options={"maildrop.lock_wait": "5m"})
        server.logged_in().quit()
        server.stop()
        journal, = server.state_dir.glob("*/journal")
        journal.write_bytes(bytes(1024))
        with open(server.path(), "rb+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            server.launch()
            wait_until(lambda: "poplard: recovery" in map(title, server.sessions()),
                       what="the recovery")
            server.process.terminate()
            self.assertEqual(server.process.wait(PATIENCE), 0)
        self.assertIn("is not finished (shutting down)", server.log())
        server.start()
        wait_until(lambda: journal.stat().st_size == 0, what="the recovery")

    def test_95_stop_ends_an_attempt(self):
        """Neither the comparison nor the delay of a failure is waited for."""
        slow = "$6$rounds=20000000$saltsalt$" + "x" * 86
        server = self.daemon(MAIL, check=False, users={"mrose": slow},
                             options={"auth.failure_delay": "30s"})
        with server.client() as client:
            client.ok("USER mrose")
            client.send_line("PASS secret")
            monitor = server.monitors()[0]
            wait_until(lambda: len(children(monitor)) == 2, what="the comparison")
            server.process.terminate()
            self.assertEqual(server.process.wait(20), 0)
            client.expect_closed()
        self.assertNotIn("gave no verdict", server.log())
        self.assertEqual(server.members(), [])
        server.process = None

    def test_95_stop_ends_a_scan(self):
        """A user may make his maildrop as long as he likes, of holes."""
        server = self.daemon(MAIL, check=False)
        os.truncate(server.path(), 2 << 40)
        with server.client() as client:
            client.ok("USER mrose")
            client.send_line("PASS secret")
            self.wait_opened(server)
            server.process.terminate()
            self.assertEqual(server.process.wait(PATIENCE), 0)
        self.assertEqual(server.members(), [])
        self.assertEqual(server.path().stat().st_size, 2 << 40)
        server.process = None

    def test_96_reload_storm_loses_no_connection(self):
        server = self.daemon(MAIL)
        stop = threading.Event()

        def storm():
            while not stop.is_set():
                server.reload()
                time.sleep(0.01)
        thread = threading.Thread(target=storm)
        thread.start()
        try:
            for _ in range(150):
                with server.logged_in() as client:
                    self.assertEqual(client.stat()[0], 3)
                    client.quit()
        finally:
            stop.set()
            thread.join()
        self.assert_service(server)

    def test_97_many_deaths_at_once(self):
        users = {f"user{n}": "{PLAIN}secret" for n in range(10)} | {"mrose": "{PLAIN}secret"}
        server = self.daemon(MAIL, users=users)
        clients = [server.client() for _ in range(200)]
        for pid in server.sessions()[:100] + server.monitors()[100:]:
            kill(pid)
        for client in clients:
            client.close()
        server.wait_idle()
        self.assertEqual(zombies(server.process.pid), [])
        self.assert_service(server)

    def test_99_log_that_nobody_reads(self):
        """Standard error is a pipe that is full. Once it is read, the listener tells how
        much was lost, also of sessions and of recoveries that ended meanwhile."""
        server = self.daemon(MAIL, check=False)
        server.stop()
        folder = server.state_dir / ("0" * 64)
        folder.mkdir(0o700)
        (folder / "journal").write_bytes(bytes(1024))
        server.own(folder)
        server.own(folder / "journal")
        ends = os.pipe()
        os.set_blocking(ends[1], False)
        try:
            while True:
                os.write(ends[1], b"x" * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(ends[1], True)
        server.process = server.spawn(["-F"], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=ends[1])
        wait_until(server._greets, what="the greeting")
        for _ in range(3):
            with server.logged_in() as client:
                self.assertEqual(client.stat()[0], 3)
                client.quit()
        server.wait_idle()
        said = b""
        while not said.endswith(b"\n") and select.select([ends[0]], [], [], PATIENCE)[0]:
            said = said[-4096:] + os.read(ends[0], 65536)
        # that it is ready, of a recovery that is to be and fails, two of each session
        self.assertEqual(said.lstrip(b"x"), b"poplard: warning: 9 log lines lost\n")
        for end in ends:
            os.close(end)

    def test_100_hostile_descriptors_and_environment(self):
        server = self.daemon(MAIL)
        server.stop()
        inherited = os.open("/etc/hostname", os.O_RDONLY)
        os.set_inheritable(inherited, True)
        environment = {"LISTEN_FDS": "-1", "LISTEN_PID": "x", "NOTIFY_SOCKET": "/nonexistent",
                       "PATH": "", "TZ": "/etc/passwd", "IFS": "x", "LC_ALL": "xx",
                       "OPENSSL_CONF": "/nonexistent"}
        server.start(pass_fds=[inherited], env=environment)
        os.close(inherited)
        with server.logged_in() as client:
            for pid in [server.session(), *server.monitors()]:
                held = [os.readlink(p) for p in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
                self.assertNotIn("/etc/hostname", held)
            client.quit()
        self.assert_service(server)


def title(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    except OSError:  # gone meanwhile
        return ""


class Titles(ProcessCase):
    """What ps shows."""

    def titles(self, pids):
        return [title(pid) for pid in pids]

    def test_listener_monitor_session(self):
        server = self.daemon(MAIL)
        self.assertEqual(title(server.process.pid), "poplard: listener")
        with server.logged_in():
            self.assertEqual(title(server.session()), "poplard: session")
            self.assertEqual(self.titles(server.monitors()), ["poplard: monitor"])

    def test_inetd(self):
        server = self.daemon(MAIL, mode="inetd")
        with server.logged_in():
            self.assertEqual(title(server.session()), "poplard: session")
            self.assertEqual(self.titles(server.monitors()), ["poplard: monitor"])

    def test_auth(self):
        # a credential that takes a while to compare with
        server = self.daemon(MAIL, users={"mrose": "$6$rounds=2000000$saltsalt$" + "x" * 86})
        with server.client(timeout=60) as client:
            client.ok("USER mrose")
            client.send_line("PASS secret")
            wait_until(lambda: "poplard: auth" in self.titles(server.sessions()), what="its title")
            self.assertTrue(client.status().startswith("-ERR [AUTH]"))


@harness.needs_program("prlimit")
class Shortages(ProcessCase):
    """The daemon's soft limits are moved while it runs."""

    def limit(self, server, what, value):
        who = {}
        if os.geteuid() == 0:
            who = {"user": server.uid, "group": server.gid, "extra_groups": []}
        subprocess.run(["prlimit", f"--pid={server.process.pid}", f"--{what}={value}:"],
                       check=True, **who)

    def refused(self, server):
        with Client(server.port, greet=False) as client:
            self.assertRegex(client.raw_line(), rb"^-ERR \[SYS/TEMP\] [^\r]*\r\n$")
            client.expect_closed()

    @needs_root
    def test_91_fork_fails(self):
        server = self.daemon(MAIL)
        # as a user of its own: nobody else's processes count
        self.limit(server, "nproc", 1)
        for _ in range(20):
            self.refused(server)
        server.wait_log("cannot fork")
        self.assertEqual(server.log().count("cannot fork"), 1)
        self.limit(server, "nproc", 2)
        self.refused(server)
        server.wait_log("cannot start a session")
        self.limit(server, "nproc", 3)
        with server.client() as client:
            client.ok("USER mrose")
            self.assertRegex(client.command("PASS secret"), r"^-ERR \[SYS/TEMP\] ")
            server.wait_log("cannot start the authentication process")
            client.quit()
        self.limit(server, "nproc", 100)
        self.assert_service(server)

    @needs_root
    def test_91_recovery_waits_for_a_process(self):
        server, update = self.daemon(), strike.Update(strike.mbox([900, 3000, 1200]), [1])
        client = update.begin(server)
        session, monitors = server.session(), server.monitors()
        self.limit(server, "nproc", 1)
        blow = strike.Strike(session, strike.KILL, 1, ["ftruncate"], [session, *monitors])
        said = strike.quit_reply(client)
        self.assertEqual(blow.finish().hit, "ftruncate")
        server.wait_log("cannot start a recovery: .*; 1 maildrops wait for one")
        self.limit(server, "nproc", 100)
        server.wait_log("an interrupted update of .* was finished")
        self.assertEqual(update.outcome(self, server.read(), said), "new")

    def test_101_no_descriptor_to_accept_with(self):
        server = self.daemon(MAIL)
        pid = server.process.pid
        used = max(int(path.name) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()) + 1
        self.limit(server, "nofile", used)
        began, load = time.monotonic(), cpu_seconds(pid)
        waiting = Client(server.port, greet=False)
        time.sleep(2)
        self.assertLess(cpu_seconds(pid) - load, 0.3 * (time.monotonic() - began), "a busy loop")
        server.wait_log("cannot accept")
        self.assertLess(server.log().count("cannot accept"), 10)
        self.limit(server, "nofile", 1024)
        self.assertRegex(waiting.raw_line(), rb"^\+OK")
        waiting.close()
        self.assert_service(server)


class Limits(ProcessCase):
    def test_102_total(self):
        server = self.daemon(MAIL, options={"session.max": 2},
                             users={n: "{PLAIN}secret" for n in ("mrose", "other")})
        with server.logged_in() as first, server.logged_in("other") as second:
            with Client(server.port, greet=False) as third:
                self.assertRegex(third.raw_line(), rb"^-ERR .*session\.max = 2")
                third.expect_closed()
            first.ok("NOOP")
            second.ok("NOOP")
        self.assert_service(server)

    def test_102_refusals_do_not_fill_the_log(self):
        server = self.daemon(MAIL, options={"session.max": 1})
        began = time.monotonic()
        with server.logged_in():
            for pause in [0] * 200 + [1.1]:
                time.sleep(pause)
                with Client(server.port, greet=False) as other:
                    self.assertRegex(other.raw_line(), b"^-ERR ")
        untold = re.findall(r"refused: .*session\.max = 1.* untold=(\d+)$", server.log(), re.M)
        self.assertLess(len(untold), time.monotonic() - began + 2)
        self.assertEqual(len(untold) + sum(map(int, untold)), 201)

    def test_104_oldest_unauthenticated_makes_room(self):
        server = self.daemon(MAIL, options={"session.max": 5})
        idle = [server.client() for _ in range(5)]
        with server.logged_in() as client:
            self.assertEqual(client.stat()[0], 3)
            idle[0].expect_closed()
            idle[4].ok("CAPA")
            idle[4].multiline()
            server.client().close()
            client.quit()
        server.wait_log("session.max = 5 is reached")
        self.assertEqual(server.log().count("is reached"), 1)
        for other in idle:
            other.close()
        self.assert_service(server)

    def test_104_failed_logins_make_room(self):
        """The answer to a failure is waited for, which must not keep others out."""
        server = self.daemon(MAIL, options={"session.max": 3, "auth.failure_delay": "30s"})
        guessing = [server.client() for _ in range(3)]
        for client in guessing:
            client.ok("USER mrose")
            client.send_line("PASS wrong")
        server.wait_log("reason=password", count=3)
        time.sleep(1.1)
        with server.logged_in() as client:
            guessing[0].expect_closed()
            with Client(server.port, greet=False) as other:
                self.assertRegex(other.raw_line(), rb"^\+OK")
            client.quit()
        for client in guessing:
            client.close()
        self.assert_service(server)


if __name__ == "__main__":
    harness.main()
