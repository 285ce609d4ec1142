"""One process per connection: under the three inetds of Debian, on a pair of
pipes, on a socket of another family.

The inetds are unpacked below build/pkgs by tests/run.sh, not installed. Each
runs in a mount namespace with a /run of its own, so that it meets no inetd of
the machine.
"""
import os
import pathlib
import signal
import socket
import subprocess
import time

import harness
import oracle
import secure
from client import Client
from harness import PATIENCE, kill, needs_root, wait_until

MAIL = oracle.mbox_of(*(oracle.message_of(100 + 20 * n, b"%d" % n) for n in range(1, 4)))
PACKAGES = harness.ROOT / "build" / "pkgs"
OWN_RUN = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]

XINETD = """
service poplar-test
{
        type            = UNLISTED
        socket_type     = stream
        protocol        = tcp
        wait            = no
        bind            = 127.0.0.1
        port            = %(port)d
        user            = root
        server          = %(binary)s
        server_args     = -i -c %(conf)s
        flags           = NODELAY KEEPALIVE
        instances       = 100
        per_source      = 50
        cps             = 1000 1
}
"""
INETD = "%(port)d\tstream\ttcp\tnowait.1000\troot\t%(binary)s\tpoplard -i -c %(conf)s\n"
REFUSAL = rb"^-ERR \[SYS/TEMP\] [^\r\n]*\r\n$"
OPENBSD = "127.0.0.1:" + INETD


class InetdCase(harness.TestCase):
    def laid_out(self, **kwargs):
        """Everything a daemon needs, and no daemon."""
        return super().laid_out(MAIL, **kwargs)

    def whole_session(self, client):
        client.login()
        self.assert_served(client, oracle.parse(MAIL))
        client.ok("DELE 2")
        self.assertRegex(client.ok("QUIT"), r"^\+OK")
        client.expect_closed()


@needs_root
class Inetds(InetdCase):
    def under(self, program, template, arguments):
        path = next(PACKAGES.glob(f"*/usr/sbin/{program}"), None)
        if path is None:
            self.skipTest(f"needs {program} unpacked below build/pkgs (tests/run.sh)")
        if subprocess.run(OWN_RUN + ["true"], capture_output=True).returncode:
            self.skipTest("needs a mount namespace")
        server = self.laid_out(privileged=True)
        # where an inetd puts the client there is no other place for a log
        server.options["log.target"] = "auto"
        server.write_conf()
        conf = server.dir / "inetd.conf"
        conf.write_text(template % {"port": server.port, "binary": server.binary,
                                    "conf": server.conf})
        command = OWN_RUN + [str(path)] + [a.replace("CONF", str(conf)) for a in arguments]
        with open(server.log_path, "ab") as log:
            process = subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True)
        self.addCleanup(self.end, process)
        self.addCleanup(self._show_log, server)
        wait_until(lambda: self.accepts(server.port), what=program, pause=0.05)
        self.whole_session(server.client())
        self.assertEqual(server.read(), oracle.without(MAIL, {2}))
        self.several(server)

    def accepts(self, port):
        try:
            with Client(port) as client:
                return client.greeting.startswith("+OK POP3 server ready")
        except ConnectionRefusedError:
            return False

    def several(self, server):
        """Sessions at once; they exclude each other from a maildrop."""
        first = server.logged_in()
        for _ in range(5):
            with server.client() as second:
                second.login_fails(code="[IN-USE]")
                second.ok("QUIT")
        first.quit()
        server.logged_in().quit()

    def end(self, process):
        """The inetd and all that it started, which share its session."""
        for pid in harness.all_pids():
            stat = harness.proc_stat(pid)
            if stat and stat[3] == str(process.pid):
                kill(pid, signal.SIGTERM)
        process.wait(PATIENCE)

    def test_openbsd_inetd(self):
        self.under("inetd", OPENBSD, ["-d", "-i", "CONF"])

    def test_inetutils_inetd(self):
        self.under("inetutils-inetd", INETD, ["-d", "CONF"])

    def test_xinetd(self):
        self.under("xinetd", XINETD, ["-dontfork", "-f", "CONF"])


class Descriptors(InetdCase):
    """What descriptor 0 may be."""

    def serve(self, server, stdin, stdout, stderr=None):
        with open(server.log_path, "ab") as log:
            return server.spawn(["-i"], stdin=stdin, stdout=stdout,
                                stderr=log if stderr is None else stderr)

    def ended(self, process):
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_pipes(self):
        server = self.laid_out()
        process = self.serve(server, subprocess.PIPE, subprocess.PIPE)
        client = Client.over(PipePair(process.stdin, process.stdout))
        self.whole_session(client)
        self.ended(process)
        self.assertEqual(server.read(), oracle.without(MAIL, {2}))

    def test_pipes_all_at_once(self):
        server = self.laid_out()
        process = self.serve(server, subprocess.PIPE, subprocess.PIPE)
        said, _ = process.communicate(b"USER mrose\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n", 20)
        self.assertEqual(said.count(b"+OK"), 5)
        self.ended(process)
        self.assertEqual(server.read(), oracle.without(MAIL, {1}))

    def test_pipes_and_a_slow_reader(self):
        """More than a pipe takes at once."""
        server = self.laid_out()
        mail = oracle.mbox_of(b"Subject: big\n\n" + b"z" * 75 * 10000)
        server.put(mail)
        process = self.serve(server, subprocess.PIPE, subprocess.PIPE)
        client = Client.over(PipePair(process.stdin, process.stdout))
        client.login()
        client.send_line("RETR 1")
        time.sleep(0.3)
        self.assertRegex(client.status(), r"^\+OK")
        self.assert_octets(client.multiline(), oracle.parse(mail)[0].wire)
        client.quit()
        self.ended(process)

    def test_pipes_have_no_tls(self):
        """TLS needs a socket: it is not offered, and -S says so."""
        if secure.x509 is None:
            self.skipTest("needs the package python3-cryptography")
        self.daemon_class = secure.TlsDaemon
        server = self.laid_out()
        process = self.serve(server, subprocess.PIPE, subprocess.PIPE)
        client = Client.over(PipePair(process.stdin, process.stdout))
        self.assertNotIn(b"STLS", client.multi("CAPA").split(b"\r\n"))
        client.err("STLS")
        self.whole_session(client)
        self.ended(process)
        server.arguments = ["-S"]
        process = self.serve(server, subprocess.PIPE, subprocess.PIPE)
        self.assertEqual((process.communicate(b"", 20)[0], process.returncode),
                         (b"", os.EX_CONFIG))
        self.assertIn("-S needs tls.certificate, tls.private_key and a socket", server.log())

    def test_files(self):
        server = self.laid_out()
        script, said = server.dir / "script", server.dir / "said"
        script.write_bytes(b"USER mrose\r\nPASS secret\r\nSTAT\r\nQUIT\r\n")
        with open(script, "rb") as stdin, open(said, "wb") as stdout:
            process = self.serve(server, stdin, stdout)
            self.ended(process)
        self.assertIn(b"+OK 3 ", said.read_bytes())

    def test_dev_null(self):
        server = self.laid_out()
        process = self.serve(server, subprocess.DEVNULL, subprocess.PIPE)
        said, _ = process.communicate(None, 20)
        self.assertRegex(said, rb"^\+OK POP3 server ready[^\n]*\r\n$")
        self.ended(process)

    def test_unix_socket(self):
        server = self.laid_out()
        ours, theirs = socket.socketpair()
        with theirs:
            process = self.serve(server, theirs, theirs)
        self.whole_session(Client.over(ours))
        self.ended(process)

    def test_only_descriptor_0(self):
        server = self.laid_out()
        ours, theirs = socket.socketpair()
        with theirs:
            process = server.spawn(["-i"], stdin=theirs, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.whole_session(Client.over(ours))
        self.ended(process)

    def test_descriptor_2_is_the_client(self):
        """As inetd does it: nothing but POP3 may reach the client."""
        server = self.laid_out()
        server.options["log.target"] = "auto"
        server.write_conf()
        ours, theirs = socket.socketpair()
        with theirs:
            process = self.serve(server, theirs, theirs, theirs)
        client = Client.over(ours)
        client.login_fails("mrose", "wrong")
        self.whole_session(client)
        self.ended(process)

    def test_broken_configuration(self):
        """The client learns that it failed, and no more."""
        server = self.laid_out()
        server.write_conf("[server]\nno_such_key = 1\n")
        ours, theirs = socket.socketpair()
        with theirs:
            process = self.serve(server, theirs, theirs, theirs)
        self.assertNotEqual(process.wait(PATIENCE), 0)
        said = ours.makefile("rb").read()
        self.assertRegex(said, REFUSAL)

    def test_broken_configuration_told_to_standard_error(self):
        """Where the client is elsewhere, as systemd arranges it."""
        server = self.laid_out()
        server.write_conf("[server]\nno_such_key = 1\n")
        process = self.serve(server, subprocess.PIPE, subprocess.PIPE)
        self.assertRegex(process.communicate(b"", 10)[0], REFUSAL)
        self.assertEqual(process.returncode, os.EX_CONFIG)
        self.assertIn("no_such_key", server.log())

    def test_what_cannot_be_served(self):
        server = self.laid_out()
        for option, code in (("server.state_dir=/proc/none", os.EX_CANTCREAT),
                             ("tls.certificate=/proc/none", os.EX_CONFIG)):
            with self.subTest(option):
                server.arguments = ["-o", option]
                process = self.serve(server, subprocess.PIPE, subprocess.PIPE)
                self.assertRegex(process.communicate(b"", 10)[0], REFUSAL)
                self.assertEqual(process.returncode, code)

    def test_descriptor_0_is_closed(self):
        server = self.laid_out()
        server.binary.rename(server.dir / "real")
        server.binary.write_text(f'#!/bin/sh\nexec "{server.dir}/real" "$@" <&-\n')
        server.binary.chmod(0o755)
        process = self.serve(server, subprocess.DEVNULL, subprocess.PIPE)
        self.assertEqual(process.communicate(None, 10)[0], b"")
        self.assertEqual(process.returncode, os.EX_USAGE)
        self.assertIn("descriptor 0 is closed", server.log())

    def test_client_is_passed_twice(self):
        """As systemd does with Accept=yes: the monitor keeps neither."""
        server = self.laid_out()
        server.binary.rename(server.dir / "real")
        server.binary.write_text(
            f'#!/bin/sh\nLISTEN_PID=$$ LISTEN_FDS=1 exec "{server.dir}/real" "$@" 3<&0\n')
        server.binary.chmod(0o755)
        ours, theirs = socket.socketpair()
        with theirs:
            link = os.readlink(f"/proc/self/fd/{theirs.fileno()}")
            process = self.serve(server, theirs, theirs)
        client = Client.over(ours)
        for pid, held in ((process.pid, 0), (harness.children(process.pid)[0], 1)):
            links = [os.readlink(path) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
            self.assertEqual(links.count(link), held)
        self.whole_session(client)
        self.ended(process)

    def with_a_deletion(self):
        """A session that has marked a message, and has not yet said QUIT."""
        server = self.laid_out()
        ours, theirs = socket.socketpair()
        with theirs:
            process = self.serve(server, theirs, theirs)
        client = Client.over(ours)
        client.login()
        client.ok("DELE 1")
        return server, process, client

    def test_killed_client(self):
        server, process, client = self.with_a_deletion()
        client.close()
        self.ended(process)
        self.assertEqual(server.read(), MAIL)
        self.assertIn("end=drop", server.log())

    def test_sigterm_ends_it_without_update(self):
        server, process, client = self.with_a_deletion()
        os.kill(process.pid, signal.SIGTERM)
        client.close()
        self.ended(process)
        self.assertEqual(server.read(), MAIL)


class PipePair:
    """Two pipes that look enough like a socket for a Client."""

    def __init__(self, out, into):
        self.out, self.into = out, into

    def settimeout(self, seconds):
        pass

    def sendall(self, data):
        self.out.write(data)
        self.out.flush()

    def recv(self, size):
        return self.into.read1(size)

    def close(self):
        self.out.close()
        self.into.close()


if __name__ == "__main__":
    harness.main()
