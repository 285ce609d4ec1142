"""Starts: what keeps the daemon from one, sockets that it is given, another that
runs (105 to 111).
"""
import contextlib
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import unittest

import harness
from harness import PATIENCE, needs_fastclock, needs_root, wait_until
from locks import fcntl_lock
from processes import MAIL, ProcessCase

LOW_PORTS = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())


class Start(ProcessCase):
    def test_105_port_in_use(self):
        server = self.daemon(MAIL)
        second = self.laid_out(options={
            "listen.pop3": f"127.0.0.1:{harness.free_port()} 127.0.0.1:{server.port}"})
        for arguments in (["-F"], []):
            code, text = self.run_to_end(second, *arguments)
            self.assertNotEqual(code, 0)
            self.assertIn(str(server.port), text)
            self.assertIn("127.0.0.1", text)
            self.assertIn("Address already in use; `ss -ltnp` tells", text)
        self.assert_service(server)

    @unittest.skipUnless(pathlib.Path("/proc/net/if_inet6").exists(), "no IPv6 here")
    def test_105_both_families(self):
        """One port of each, and of IPv6 twice is once too many."""
        server = self.laid_out()
        server.put(MAIL)
        where = f"127.0.0.1:{server.port} [::1]:{server.port}"
        server.options["listen.pop3"] = where
        server.write_conf()
        server.start()
        server.wait_log("ready on " + re.escape(where))
        with server.logged_in(host="::1") as client:
            client.quit()
        server.wait_log("ip=::1 .*login=ok")
        self.assert_service(server)
        server.stop()
        server.options["listen.pop3"] = f"[::1]:{server.port} [::]:{server.port}"
        server.write_conf()
        self.assertEqual(self.run_to_end(server, "-F")[0], 69)

    def test_105_address_of_another_host(self):
        server = self.laid_out(options={"listen.pop3": "192.0.2.77:11110"})
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
        server = self.laid_out()
        for argument in ("-F", "-t"):
            server.arguments = ["-o", "server.run_dir=/proc/none/x"]
            self.assertRegex(self.run_to_end(server, argument)[1],
                             r"server\.run_dir: .*/proc/none/x: No such file or directory")

    def test_106_folder_that_cannot_be_written(self):
        """As on a disk that was mounted read-only."""
        server = self.laid_out()
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
        server = self.laid_out(MAIL)
        server.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (14, 14)))
        self.addCleanup(server.stop)
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
        server = self.laid_out(privileged=privileged)
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
        server = self.laid_out(MAIL)
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
        server = self.laid_out(options={"listen.pop3": "*:110"})
        for argument, expected in (("-F", 69), ("-t", 78)):
            code, text = self.run_to_end(server, argument)
            self.assertEqual(code, expected, text)
            self.assertEqual(text.count("ports under 1024 need root"), 1, text)

    def test_106_said_on_standard_error(self):
        """Whatever log.target is: nobody looks into the log of what did not start."""
        server = self.laid_out(options={
            "listen.pop3": "192.0.2.77:11110", "log.target": "syslog"})
        for arguments in (["-F"], []):
            code, text = self.run_to_end(server, *arguments)
            self.assertEqual(code, 69)
            self.assertIn("192.0.2.77", text)

    @needs_root
    def test_106_same_verdict_of_root(self):
        self.assert_refused(True, "server.user=root", "server.user=nosuch")

    def test_108_sockets_of_systemd(self):
        """They come blocking, as systemd leaves them, and are all served."""
        server = self.laid_out(MAIL)
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

    def test_108_socket_of_systemd_outlives_a_stop(self):
        """Who connects behind SIGTERM is served by the next daemon."""
        server = self.laid_out(MAIL)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            os.set_inheritable(listener.fileno(), True)
            server.port = listener.getsockname()[1]
            self.start_with(server, f"3<&{listener.fileno()}", (listener.fileno(),), "1")
            server.process.send_signal(signal.SIGSTOP)
            wait_until(lambda: harness.proc_stat(server.process.pid)[0] == "T")
            server.process.terminate()
            with server.client(greet=False) as client:
                server.process.send_signal(signal.SIGCONT)
                self.assertEqual(server.process.wait(PATIENCE), 0)
                server.launch(pass_fds=(listener.fileno(),))
                self.assertRegex(client.status(), "^.OK POP3 server ready")
                client.login("mrose", "secret")
                client.quit()
        server.stop()

    def test_108_descriptor_that_does_not_listen(self):
        server = self.laid_out(MAIL)
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
            server.start(env=environment)
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

    @needs_fastclock
    @needs_root
    def test_recovery_that_hangs(self):
        """Those that hang are killed, and keep neither the others nor a stop waiting."""
        users = ["a", "b", "c"]
        server = self.laid_out(users=dict.fromkeys(users, "{PLAIN}secret"),
                               variant="fastclock", options={"maildrop.lock_wait": "5m"})
        for user in users:
            server.put(MAIL, user)
        server.start()
        for user in users:
            server.logged_in(user).quit()
        server.stop()
        journals = list(server.state_dir.glob("*/journal"))
        for journal in journals:
            journal.write_bytes(bytes(1024))
        with contextlib.ExitStack() as held:
            for journal in journals:
                held.enter_context(fcntl_lock(journal))
            server.launch()
            wait_until(lambda: len(server.monitors()) == 2, what="two recoveries")
            for pid in server.monitors():
                os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: any(j.stat().st_size == 0 for j in journals), what="the third")
        for folder in (j.parent.name for j in journals if j.stat().st_size):
            server.wait_log(rf"error: recovery of {folder}: not finished after 960 s; killed")
        server.wait_idle()

    def test_command_line(self):
        server = self.laid_out()
        for words in (["-x"], ["x"], ["-S"], ["-c"]):
            code, text = self.run_to_end(server, *words)
            self.assertEqual(code, 64)
            self.assertIn("usage: poplard ", text)
        code, text = self.run_to_end(server, *["-o", "log.level=info"] * 129)
        self.assertEqual((code, text), (64, "poplard: -o: more than 128\n"))
        said = subprocess.run([server.binary, "-V"], stdout=subprocess.PIPE, timeout=PATIENCE)
        self.assertRegex(said.stdout.decode(), r"^Poplar [0-9.]+\nconfiguration /")
        self.assertEqual(said.returncode, 0)

    def test_108_listen_fds_is_no_number(self):
        server = self.laid_out(MAIL)
        self.start_with(server, "", (), "1000")
        self.assertRegex(server.log(), "LISTEN_FDS is not a number up to [0-9]+; ignored")
        self.assert_service(server)
        server.stop()

    def test_108_tells_systemd(self):
        """Type=notify: by a socket with a path, and by an abstract one."""
        server = self.laid_out()
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


if __name__ == "__main__":
    harness.main()
