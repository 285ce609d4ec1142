"""Group C: the server's certificates and keys, at a start and at a reload.
"""
import socket
import ssl
import subprocess
import time

import harness
import oracle
import secure
from harness import PATIENCE, needs_root
from secure import TlsCase, pair, server_pair, trusting

MAIL = oracle.mbox_of(oracle.message_of(120), oracle.message_of(200, b"2"))


class Certificates(TlsCase):
    def refused(self, reason, certificate=None, key=None, **options):
        """The daemon does not start, and says why with the file."""
        good = server_pair()
        server = self.laid_out(pairs=[(certificate or good[0], key or good[1])],
                               options={k.replace("__", "."): v for k, v in options.items()})
        return self.start_fails(server, reason)

    def start_fails(self, server, reason):
        process = server.spawn(["-F"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
        output = process.communicate(timeout=PATIENCE)[0].decode()
        self.assertGreater(process.returncode, 0, output)
        self.assertRegex(output, reason)
        return output

    def test_C47_key_and_certificate_do_not_match(self):
        self.refused(r"tls\.private_key: \S+/other2\.key does not match its certificate",
                     key=pair("other2")[1])

    def test_C47_rights(self):
        server = self.laid_out()
        key = server.dir / "server.key"
        for mode in (0o604, 0o644, 0o602, 0o660):
            key.chmod(mode)
            self.start_fails(server, r"tls\.private_key: \S+/server\.key: others can read or write it")
        key.chmod(0o640)  # a group of its own may read it
        server.start()
        self.addCleanup(server.stop)

    def test_C47_client_ca(self):
        server = self.laid_out(options={"tls.client_ca": "/etc/passwd"})
        self.start_fails(server, "tls.client_ca: /etc/passwd: no certificates in PEM form: no start line")
        for path, reason in (("/nonexistent/ca.pem", "No such file"), ("/etc", "not a file"),
                             ("/dev/null", "not a file")):
            server.options["tls.client_ca"] = path
            server.write_conf()
            self.start_fails(server, f"tls.client_ca: {path}: {reason}")

    def test_C47_no_key(self):
        server = self.laid_out()
        key, certificate = server.dir / "server.key", server.dir / "server.crt"
        good = {key: key.read_bytes(), certificate: certificate.read_bytes()}
        spoilt = {
            key: (
                (lambda: key.write_bytes(b""), "server.key: the file is empty"),
                (lambda: key.write_bytes(b"x"), "server.key: no key in PEM form"),
                (lambda: key.write_bytes(good[key][:100]), "server.key: no key in PEM form"),
                (lambda: key.write_bytes(good[certificate]), "server.key: no key in PEM form"),
                (key.unlink, "server.key: No such file"),
                (lambda: (key.unlink(), key.mkdir()), "server.key: not a file"),
            ),
            certificate: (
                (lambda: certificate.write_bytes(b""), "server.crt: the file is empty"),
                (lambda: certificate.write_bytes(b"x"), "server.crt: no certificate in PEM .*: no start line"),
                (lambda: certificate.write_bytes(good[key]), "server.crt: no certificate in PEM form"),
                (certificate.unlink, "tls.certificate: .*server.crt: No such file"),
                (lambda: (certificate.unlink(), certificate.mkdir()), "server.crt: not a file"),
            )}
        for path, cases in spoilt.items():
            for spoil, reason in cases:
                with self.subTest(path=path.name, reason=reason):
                    spoil()
                    self.start_fails(server, reason)
                    if path.is_dir():
                        path.rmdir()
                    path.write_bytes(good[path])
                    path.chmod(0o600)
                    server.own(path)
        server.start()
        self.addCleanup(server.stop)

    def test_C47_encrypted_key(self):
        self.refused("sealed.key: the key is encrypted",
                     *pair("sealed", password=b"secret"))

    def test_C47_numbers_differ(self):
        server = self.laid_out()
        one, two = server.dir / "server.crt", server.dir / "server.key"
        for certificates, keys, reason in (
                (f"{one} {one}", f"{two}", "tls.private_key: no key for "),
                (f"{one}", f"{two} {two}", "tls.private_key: no certificate for "),
                ("", f"{two}", "tls.private_key: no certificate for "),
                (f"{one}", "", "tls.private_key: no key for ")):
            server.options.update({"tls.certificate": certificates, "tls.private_key": keys})
            server.write_conf()
            self.start_fails(server, reason)

    def test_C47_other_settings(self):
        self.refused(r"tls\.ciphers: \"NONSENSE\"", tls__ciphers="NONSENSE")
        self.refused(r"tls\.client_ca: /nonexistent: ", tls__client_ca="/nonexistent")
        self.refused(r"tls\.client_ca: \S+: ", tls__client_ca="/dev/null")

    def test_C47_dates(self):
        for label, days, begin, said in (
                ("expired", -2, -10, "expired.crt has expired"),
                ("soon", 5, -1, "soon.crt ends in [45] days"),
                ("early", 50, 2, "early.crt is not valid yet"),
                ("server", 365, -1, r"server.crt is good for 36[45] days")):
            server = self.daemon(MAIL, pairs=[pair(label, days=days, begin=begin)])
            server.wait_log(said)
            context = trusting()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with server.tls_client(context) as client:
                client.login()

    def test_C47_ends_while_the_daemon_runs(self):
        ending = pair("ending", names=("ending.example",), days=10 / 86400)
        server = self.daemon(MAIL, pairs=[server_pair(), ending])
        server.wait_log(r"ending.crt ends in 0 days")
        server.wait_log(r"ending.crt has expired")
        time.sleep(2.5)  # at the next look nothing is new
        self.assertEqual(server.log().count("tls.certificate:"), 3, server.log())

    def test_C47_told_by_t(self):
        server = self.laid_out()
        (server.dir / "server.key").write_bytes(b"x")
        process = server.spawn(["-t"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = process.communicate(timeout=PATIENCE)[0].decode()
        self.assertNotEqual(process.returncode, 0)
        self.assertRegex(output, r"server\.key")

    def serial(self, client):
        return client.sock.getpeercert()["serialNumber"]

    def test_C48_replaced(self):
        server = self.daemon(MAIL)
        old = server.tls_client()
        old.login()
        first = self.serial(old)
        fresh = pair("fresh")
        for source, name in zip(fresh, ("server.crt", "server.key")):
            (server.dir / name).write_bytes(source.read_bytes())
        with server.tls_client() as client:  # nothing before it is told to
            self.assertEqual(self.serial(client), first)
        server.reload()
        server.wait_log("configuration read again")
        with server.tls_client() as client:
            second = self.serial(client)
            self.assertNotEqual(second, first)
        self.assertEqual(old.stat(), (2, 320))
        old.quit()
        # a bad one: the old one stays
        bad = (("server.key", b"x"), ("server.crt", b""), ("server.key", pair("stray")[1].read_bytes()))
        for count, (name, data) in enumerate(bad, 1):
            (server.dir / name).write_bytes(data)
            server.reload()
            server.wait_log("reload refused; the old configuration stays", count=count)
            with server.tls_client() as client:
                self.assertEqual(self.serial(client), second)
            (server.dir / name).write_bytes(fresh[name == "server.key"].read_bytes())
        (server.dir / "server.key").unlink()
        server.reload()
        server.wait_log("server.key: No such file")
        with server.tls_client() as client:
            client.login()

    def test_C48_reload_adds_and_takes_away(self):
        server = self.daemon(MAIL, options={"tls.certificate": "", "tls.private_key": "",
                                            "listen.pop3s": ""})
        with server.client() as client:
            client.err("STLS")
        plain = dict(server.options)
        for name in ("tls.certificate", "tls.private_key", "listen.pop3s"):
            del server.options[name]
        server.write_conf()
        server.reload()
        server.wait_log("configuration read again")
        with server.tls_client() as client, server.stls_client() as second:
            self.assertIn("ready", client.greeting + second.greeting)
        server.options = plain
        server.write_conf()
        server.reload()
        server.wait_log("configuration read again", count=2)
        with self.assertRaises(ConnectionRefusedError):
            server.tls_client()

    @needs_root
    def test_C48_socket_of_systemd_keeps_its_certificate(self):
        """Its port tells that it is for TLS, which a reload cannot change."""
        server = self.laid_out()
        script = server.dir / "systemd"
        script.write_text('#!/bin/sh\nLISTEN_PID=$$ LISTEN_FDS=1 '
                          f'exec "{server.dir}/real" "$@" 3<&0 </dev/null\n')
        script.chmod(0o755)
        server.binary.rename(server.dir / "real")
        script.rename(server.binary)
        # of this test alone: no server of the machine listens there
        with socket.create_server(("127.9.9.5", 995)) as listener, \
                open(server.log_path, "ab") as log:
            server.process = server.spawn(["-F"], stdin=listener, stdout=log, stderr=log)
        self.addCleanup(server.stop)
        server.wait_log("ready")
        for name in ("tls.certificate", "tls.private_key", "listen.pop3s"):
            server.options[name] = ""
        server.write_conf()
        server.reload()
        server.wait_log("port 995 needs tls.certificate")
        server.wait_log("reload refused; the old configuration stays")
        with socket.create_connection(("127.9.9.5", 995), 10) as sock, \
                trusting().wrap_socket(sock, server_hostname=secure.NAME) as tls:
            self.assertTrue(tls.recv(64).startswith(b"+OK"))


if __name__ == "__main__":
    harness.main()
