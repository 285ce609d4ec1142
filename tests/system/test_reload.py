"""Reloads: what they change, what keeps them from it (112)."""
import os
import re
import signal
import socket

import harness
from client import Client
from harness import wait_until
from processes import MAIL, ProcessCase


class Reload(ProcessCase):
    def test_112_reload_in_the_background(self):
        """The file was named without its folder, which the daemon has left."""
        server, pid = self.background()
        os.kill(pid, signal.SIGHUP)
        server.wait_log("configuration read again")
        os.kill(pid, signal.SIGTERM)
        server.wait_log("stopped")

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

    def test_112_reload_before_who_connects_behind_it(self):
        server = self.daemon(MAIL)
        server.write_conf(server.conf.read_text().replace("dbc.mtview", "abc.mtview"))
        server.write_users({"mrose": "{APOP}secret"})
        server.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: harness.proc_stat(server.process.pid)[0] == "T")
        server.reload()
        with server.client(greet=False) as client:
            server.process.send_signal(signal.SIGCONT)
            self.assertIn("@abc.mtview", client.status())

    def test_112_reload_with_a_port_in_use(self):
        server = self.daemon(MAIL)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            good = server.conf.read_text()
            server.write_conf(good.replace(f":{server.port}", f":{taken.getsockname()[1]}"))
            server.reload()
            server.wait_log("reload refused")
        self.assert_service(server)

    def test_112_reload_with_an_address_inside_an_old_one(self):
        server = self.laid_out(MAIL)
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
        server = self.laid_out()
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
