"""Processes, limits and the start: forks that fail, deaths, signals in a
storm, descriptors that run out, ports that are taken (91 to 113).
"""
import base64
import fcntl
import os
import pathlib
import re
import resource
import select
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
import oracle
import strike
from client import Client
from harness import PATIENCE, children, kill, needs_root, proc_stat, wait_until

LOW_PORTS = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
MAIL = oracle.mbox_of(*(oracle.message_of(100 + 20 * n, b"%d" % n) for n in range(1, 4)))


def zombies(pid):
    return [p for p in children(pid) if (stat := proc_stat(p)) and stat[0] == "Z"]


def cpu_seconds(pid):
    stat = proc_stat(pid)
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


class ProcessCase(harness.TestCase):
    def assert_service(self, server):
        server.wait_idle()
        with server.logged_in() as client:
            self.assert_served(client, oracle.parse(MAIL))
            client.quit()
        server.wait_idle()
        self.assertEqual(children(server.process.pid), [])

    def run_to_end(self, server, *arguments):
        """A start that is to fail: exit status, standard error."""
        process = server.spawn([*arguments], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _, text = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            self.fail(f"poplard {arguments} did not end")
        return process.returncode, text.decode()


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

    def test_95_stop_ends_an_attempt(self):
        """Neither the comparison nor the delay of a failure is waited for."""
        slow = "$6$rounds=20000000$saltsalt$" + "x" * 86
        server = self.daemon(MAIL, check=False, users={"mrose": slow},
                             options={"auth.failure_delay": "30s"})
        server.wait_idle()
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
        much was lost, also of sessions that ended meanwhile."""
        server = self.daemon(MAIL, check=False)
        server.stop()
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
        # that it is ready, and two lines of each session
        self.assertEqual(said.lstrip(b"x"), b"poplard: warning: 7 log lines lost\n")
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
        server.launch(pass_fds=[inherited], env=environment)
        os.close(inherited)
        wait_until(server._greets, what="the greeting")
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
        server.wait_idle()
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


class Start(ProcessCase):
    def test_105_port_in_use(self):
        server = self.daemon(MAIL)
        second = harness.Daemon(start=False, options={
            "listen.pop3": f"127.0.0.1:{harness.free_port()} 127.0.0.1:{server.port}"})
        self.addCleanup(second.remove)
        for arguments in (["-F"], []):
            code, text = self.run_to_end(second, *arguments)
            self.assertNotEqual(code, 0)
            self.assertIn(str(server.port), text)
            self.assertIn("127.0.0.1", text)
            self.assertIn("Address already in use; `ss -ltnp` tells", text)
        self.assert_service(server)

    def test_105_address_of_another_host(self):
        server = harness.Daemon(start=False, options={"listen.pop3": "192.0.2.77:11110"})
        self.addCleanup(server.remove)
        for argument, expected in (("-F", 69), ("-t", 78)):
            code, text = self.run_to_end(server, argument)
            self.assertEqual(code, expected, text)
            self.assertIn("192.0.2.77 port 11110: Cannot assign requested address; "
                          "`ip address` tells", text)

    def test_106_what_is_wrong_is_named(self):
        server = self.daemon(MAIL)
        good = server.conf.read_text()
        for bad, word in (("[nosuch]\nkey = 1\n", "nosuch"), ("[auth]\nnosuch = 1\n", "nosuch"),
                          ("[session]\nmax = many\n", "max"), ("[session]\nmax = 1\nmax = 2\n", "max"),
                          ("[log]\nlevel\n", "level"), ("[auth]\nmax_attempts = 0\n", "max_attempts")):
            with self.subTest(bad):
                server.write_conf(good + bad)
                codes = []
                for argument in ("-F", "-t"):
                    code, text = self.run_to_end(server, argument)
                    codes.append(code)
                    self.assertRegex(text, rf"{server.conf}:\d+: .*{word}")
                self.assertNotEqual(codes[0], 0)
                self.assertEqual(codes[0], codes[1])
        server.write_conf(good)
        server.conf.chmod(0o666)
        self.assertNotEqual(self.run_to_end(server, "-t")[0], 0)
        server.conf.chmod(0o644)

    def test_106_state_folder_that_others_can_write(self):
        server = self.daemon(MAIL)
        server.stop()
        server.state_dir.chmod(0o777)
        codes = [self.run_to_end(server, argument) for argument in ("-F", "-t")]
        for code, text in codes:
            self.assertNotEqual(code, 0)
            self.assertIn(str(server.state_dir), text)

    def test_106_state_folder_elsewhere(self):
        """A link to it will do for a start, and so for -t; a link to nothing for neither."""
        server = self.daemon(MAIL)
        server.stop()
        elsewhere = server.state_dir.with_name("elsewhere")
        server.state_dir.rename(elsewhere)
        server.state_dir.symlink_to(elsewhere)
        self.assertEqual(self.run_to_end(server, "-t")[0], 0)
        server.start()
        self.assert_service(server)
        server.stop()
        elsewhere.rename(elsewhere.with_name("gone"))
        for argument in ("-F", "-t"):
            code, text = self.run_to_end(server, argument)
            self.assertNotEqual(code, 0)
            self.assertIn(str(server.state_dir), text)

    def test_106_folder_that_cannot_be_made(self):
        server = harness.Daemon(start=False)
        self.addCleanup(server.remove)
        for argument in ("-F", "-t"):
            server.arguments = ["-o", "server.run_dir=/proc/none/x"]
            self.assertRegex(self.run_to_end(server, argument)[1],
                             r"server\.run_dir: .*/proc/none/x: No such file or directory")

    def test_106_folder_that_cannot_be_written(self):
        """As on a disk that was mounted read-only."""
        server = harness.Daemon(start=False)
        self.addCleanup(server.remove)
        for folder in (server.state_dir, server.run_dir):
            mode = folder.stat().st_mode
            folder.chmod(0o500)
            for argument in ("-F", "-t"):
                with self.subTest(f"{argument} {folder.name}"):
                    code, text = self.run_to_end(server, argument)
                    self.assertIn(code, (73, 78))
                    self.assertIn(f"{folder} cannot be written to: ", text)
            folder.chmod(mode)

    def test_few_descriptors(self):
        """Fewer than what a session limits itself to, which nobody may raise."""
        server = harness.Daemon(start=False)
        self.addCleanup(server.remove)
        server.put(MAIL)
        with open(server.log_path, "ab") as log:
            server.process = server.spawn(
                ["-F"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (14, 14)))
        self.addCleanup(server.stop)
        wait_until(server._greets, what="the greeting")
        self.assert_service(server)

    @needs_root
    def test_root_folder_of_sessions_removed(self):
        server = self.daemon(MAIL, privileged=True)
        (server.run_dir / "empty").rmdir()
        with server.client(greet=False) as client:
            client.expect_closed()
        server.wait_log("end=error session could not begin: No such file or directory; "
                        f"its root folder is {server.run_dir}/empty,")
        (server.run_dir / "empty").mkdir()
        self.assert_service(server)

    def assert_refused(self, privileged, *options):
        """What keeps a daemon from starting keeps -t from saying that all is good."""
        server = harness.Daemon(start=False, privileged=privileged)
        self.addCleanup(server.remove)
        for option in options:
            with self.subTest(option):
                server.arguments = ["-o", option]
                key = option.partition("=")[0]
                said = [self.run_to_end(server, argument) for argument in ("-F", "-t")]
                for code, text in said:
                    self.assertNotEqual(code, 0)
                    self.assertRegex(text, f"{key}|{option.partition('=')[2].partition(':')[0]}")

    def test_106_same_verdict(self):
        self.assert_refused(False, "listen.pop3=", "listen.pop3s=127.0.0.1:995",
                            "listen.pop3=poplar.invalid:1110", "server.state_dir=/proc/none/x",
                            "server.run_dir=/proc/none/x")

    def test_106_same_verdict_of_addresses(self):
        """What cannot be bound beside another address, and what can."""
        server = harness.Daemon(start=False)
        self.addCleanup(server.remove)
        server.put(MAIL)
        port, other = server.port, harness.free_port()
        for hosts, last in (("* 127.0.0.1", "127.0.0.1"), ("127.0.0.1 *", "*"), ("* *", "*"),
                            ("0.0.0.0 127.0.0.2", "127.0.0.2"), ("127.0.0.1 127.0.0.1", "127.0.0.1"),
                            (" ".join(f"127.0.0.{n}" for n in range(1, 34)), "127.0.0.33")):
            addresses = " ".join(f"{host}:{port}" for host in hosts.split())
            server.arguments = ["-o", f"listen.pop3={addresses}"]
            for argument in ("-F", "-t"):
                with self.subTest(f"{argument} {addresses}"):
                    code, text = self.run_to_end(server, argument)
                    self.assertNotEqual(code, 0)
                    self.assertIn(f"{last} port {port}: ", text)
        server.arguments = ["-o", f"listen.pop3=127.0.0.1:{port} 127.0.0.2:{port} *:{other}"]
        self.assertEqual(self.run_to_end(server, "-t")[0], 0)
        server.start()
        self.assert_service(server)
        server.stop()

    @unittest.skipIf(LOW_PORTS <= 110, "here anybody may bind port 110")
    def test_106_same_verdict_of_low_ports(self):
        server = harness.Daemon(start=False, options={"listen.pop3": "*:110"})
        self.addCleanup(server.remove)
        for argument, expected in (("-F", 69), ("-t", 78)):
            code, text = self.run_to_end(server, argument)
            self.assertEqual(code, expected, text)
            self.assertEqual(text.count("ports under 1024 need root"), 1, text)

    def test_106_said_on_standard_error(self):
        """Whatever log.target is: nobody looks into the log of what did not start."""
        server = harness.Daemon(start=False, options={
            "listen.pop3": "192.0.2.77:11110", "log.target": "syslog"})
        self.addCleanup(server.remove)
        for arguments in (["-F"], []):
            code, text = self.run_to_end(server, *arguments)
            self.assertEqual(code, 69)
            self.assertIn("192.0.2.77", text)

    @needs_root
    def test_106_same_verdict_of_root(self):
        self.assert_refused(True, "server.user=root", "server.user=nosuch")

    def test_108_sockets_of_systemd(self):
        """They come blocking, as systemd leaves them, and are all served."""
        server = harness.Daemon(start=False)
        self.addCleanup(server.remove)
        server.put(MAIL)
        first, second = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        with first, second:
            os.set_inheritable(first.fileno(), True)
            os.set_inheritable(second.fileno(), True)
            self.start_with(server, f"3<&{first.fileno()} 4<&{second.fileno()}",
                            (first.fileno(), second.fileno()), "2")
            for listener in (first, second):
                server.port = listener.getsockname()[1]
                self.assert_service(server)
        server.stop()

    def test_108_descriptor_that_does_not_listen(self):
        server = harness.Daemon(start=False)
        self.addCleanup(server.remove)
        server.put(MAIL)
        self.start_with(server, "3</dev/null", (), "1")
        self.assert_service(server)
        self.assertIn("does not listen", server.log())
        server.stop()

    def start_with(self, server, redirections, passed, count):
        """Starts it as systemd does, with sockets from descriptor 3 on."""
        script = server.dir / "systemd"
        script.write_text('#!/bin/bash\nLISTEN_PID=$$ LISTEN_FDS=' + count +
                          f' exec "{server.dir}/real" "$@" {redirections}\n')
        script.chmod(0o755)
        server.binary.rename(server.dir / "real")
        script.rename(server.binary)
        server.launch(pass_fds=passed)
        server.wait_log("ready")

    def test_108_listen_fds_wrong(self):
        server = self.daemon(MAIL)
        server.stop()
        for value in ("99999999999", "-1", "x", "1000"):
            environment = {"LISTEN_FDS": value, "LISTEN_PID": "1", "PATH": "/usr/bin"}
            server.launch(env=environment)
            wait_until(server._greets, what="the greeting")
            self.assert_service(server)
            server.stop()

    def test_recovers_before_anybody_connects(self):
        server = self.daemon(MAIL)
        server.logged_in().quit()
        server.stop()
        journal, = server.state_dir.glob("*/journal")
        journal.write_bytes(bytes(1024))
        server.launch()
        wait_until(lambda: journal.stat().st_size == 0, what="the recovery")

    def test_108_listen_fds_is_no_number(self):
        server = harness.Daemon(start=False)
        self.addCleanup(server.remove)
        server.put(MAIL)
        self.start_with(server, "", (), "1000")
        self.assertRegex(server.log(), "LISTEN_FDS is not a number up to [0-9]+; ignored")
        self.assert_service(server)
        server.stop()

    def test_108_tells_systemd(self):
        """Type=notify: by a socket with a path, and by an abstract one."""
        server = harness.Daemon(start=False)
        self.addCleanup(server.remove)
        for path in (str(server.dir / "notify"), f"@poplar-test-{os.getpid()}"):
            with self.subTest(path), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                notify.bind(path.replace("@", "\0"))
                notify.settimeout(PATIENCE)
                if path[0] == "/":
                    os.chmod(path, 0o666)
                with open(server.log_path, "ab") as log:
                    server.process = server.spawn(
                        ["-F"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                        env={"NOTIFY_SOCKET": path, "PATH": "/usr/bin"})
                self.assertEqual(notify.recv(64), b"READY=1")
                self.assertTrue(server._greets(), "it was not ready")
                server.reload()
                self.assertEqual(notify.recv(64), b"RELOADING=1")
                self.assertEqual(notify.recv(64), b"READY=1")
                server.stop()
                self.assertEqual(notify.recv(64), b"STOPPING=1")

    def background(self):
        """A daemon that went to the background, and its pid."""
        server = harness.Daemon(start=False)
        self.addCleanup(server.remove)
        server.put(MAIL)
        folder, server.conf = server.conf.parent, pathlib.Path(server.conf.name)
        with open(server.log_path, "ab") as log:
            process = server.spawn([], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   cwd=folder)
        self.assertEqual(process.wait(PATIENCE), 0)
        pid = int((server.run_dir / "poplard.pid").read_text())
        self.addCleanup(kill, pid)
        return server, pid

    def test_112_reload_in_the_background(self):
        """The file was named without its folder, which the daemon has left."""
        server, pid = self.background()
        os.kill(pid, signal.SIGHUP)
        server.wait_log("configuration read again")
        os.kill(pid, signal.SIGTERM)
        server.wait_log("stopped")

    def test_background_logs_to_standard_error(self):
        """log.target = stderr holds behind the start, too."""
        server, pid = self.background()
        with server.logged_in() as client:
            client.quit()
        server.wait_log("user=mrose .*end=quit")
        os.kill(pid, signal.SIGTERM)
        server.wait_log("stopped")

    def test_110_second_daemon(self):
        server = self.daemon(MAIL)
        original = server.conf.read_text()
        server.write_conf(original.replace(str(server.port), str(harness.free_port())))
        for arguments in (["-F"], []):
            code, text = self.run_to_end(server, *arguments)
            self.assertEqual(code, 75)
            self.assertRegex(text, rf"another poplard.*{server.process.pid}")
        server.write_conf(original)
        self.assert_service(server)

    def test_110_stale_pid_file(self):
        server = self.daemon(MAIL)
        server.kill_all()
        (server.run_dir / "poplard.pid").write_text("1")
        server.own(server.run_dir / "poplard.pid")
        server.start()
        self.assert_service(server)

    def test_112_reload_with_another_port(self):
        server = self.daemon(MAIL)
        old, new = server.port, harness.free_port()
        with server.logged_in() as client:
            server.write_conf(server.conf.read_text().replace(f":{old}", f":{new}"))
            server.reload()
            server.wait_log("configuration read again")
            server.port = new
            client.ok("NOOP")
            client.quit()
        self.assert_service(server)
        with self.assertRaises(ConnectionRefusedError):
            Client(old)

    def test_112_reload_with_a_port_in_use(self):
        server = self.daemon(MAIL)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            good = server.conf.read_text()
            server.write_conf(good.replace(f":{server.port}", f":{taken.getsockname()[1]}"))
            server.reload()
            server.wait_log("reload refused")
        self.assert_service(server)

    def test_112_reload_with_an_address_inside_an_old_one(self):
        server = harness.Daemon(start=False)
        self.addCleanup(server.remove)
        server.put(MAIL)
        good = server.conf.read_text()
        server.write_conf(good.replace("127.0.0.1:", "0.0.0.0:"))
        server.start()
        server.write_conf(good)
        server.reload()
        self.assertIn("it is this daemon's own", server.wait_log("cannot listen"))
        server.wait_log("reload refused")
        self.assert_service(server)
        server.stop()

    def test_112_reload_with_another_state_folder(self):
        """Nobody is let into a maildrop beside a session that was there before."""
        server = self.daemon(MAIL, options={"maildrop.lock_wait": "0"})
        elsewhere = server.dir / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        server.own(elsewhere)
        with server.logged_in() as client:
            server.write_conf(server.conf.read_text().replace(
                str(server.state_dir), str(elsewhere)) + "[session]\nmax = 100000\n")
            server.reload()
            server.wait_log("configuration read again")
            with server.client() as other:
                other.login_fails("mrose", "secret", "[IN-USE]")
            client.quit()
        server.wait_log(f"state_dir: {elsewhere} needs a restart; until then it is {server.state_dir}")
        server.wait_log("session.max: more than .* needs a restart")
        self.assert_service(server)
        self.assertEqual(list(elsewhere.iterdir()), [])

    def test_112_reload_by_the_unit(self):
        """It refuses what a reload would refuse, and nothing else."""
        unit = harness.ROOT / "contrib/systemd/poplard.service"
        words = re.search(r"(?m)^ExecReload=\S*/poplard (.*)$", unit.read_text())[1].split()
        server = harness.Daemon(start=False)
        self.addCleanup(server.remove)
        server.users_file.write_text("broken\n")
        self.assertEqual(self.run_to_end(server, "-t")[0], 78)
        self.assertEqual(self.run_to_end(server, *words), (0, ""))
        server.write_conf(server.conf.read_text() + "[nosuch]\nx = 1\n")
        self.assertEqual(self.run_to_end(server, *words)[0], 78)

    def test_112_reload_of_a_bad_file(self):
        server = self.daemon(MAIL)
        server.write_conf(server.conf.read_text() + "[nosuch]\nx = 1\n")
        server.reload()
        server.wait_log("reload refused")
        self.assert_service(server)


if __name__ == "__main__":
    harness.main()
