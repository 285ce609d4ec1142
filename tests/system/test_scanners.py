"""What scanners say of a running server: no weak protocol, cipher, key
exchange or renegotiation, with an RSA key and with one on a curve.
"""
import json
import re
import subprocess
import xml.etree.ElementTree as xml

import harness
import secure

PAIRS = {"ec": [secure.server_pair], "rsa": [lambda: secure.pair("scanned", kind="rsa")]}

# testssl.sh looks for what a certificate of ours cannot have, and calls CBC
# with forward secrecy, kept for old clients, a risk that was closed long ago
EXCUSED = {"cert_revocation", "DNS_CAArecord", "LUCKY13", "engine_problem", "cipherlist_AVERAGE",
           "cipherlist_OBSOLETED", "cert_chain_of_trust"}


class Scanners(secure.TlsCase):
    def serve(self, kind):
        return self.daemon(b"", pairs=[make() for make in PAIRS[kind]], options={
            "session.max_per_address": 1000})

    @harness.needs_program("sslscan")
    def test_sslscan(self):
        for kind in PAIRS:
            server = self.serve(kind)
            for arguments in ((f"127.0.0.1:{server.tls_port}",),
                              ("--starttls-pop3", f"127.0.0.1:{server.port}")):
                with self.subTest(kind=kind, arguments=arguments):
                    self.judge(xml.fromstring(subprocess.run(
                        ["sslscan", "--xml=-", *arguments], stdout=subprocess.PIPE, check=True,
                        timeout=60).stdout).find("ssltest"))
            server.wait_idle()
            self.assertNotIn("session died", server.log())

    def judge(self, test):
        enabled = [p.get("type") + p.get("version") for p in test.findall("protocol")
                   if p.get("enabled") == "1"]
        self.assertEqual(enabled, ["tls1.2", "tls1.3"])
        self.assertEqual(test.find("renegotiation").get("supported"), "0")
        self.assertEqual({h.get("vulnerable") for h in test.findall("heartbleed")}, {"0"})
        ciphers = test.findall("cipher")
        self.assertGreater(len(ciphers), 5)
        for cipher in ciphers:
            self.assertRegex(cipher.get("cipher"), "^(TLS_AES|TLS_CHACHA20|ECDHE-)")
            self.assertGreaterEqual(int(cipher.get("bits")), 128)
            self.assertIn(cipher.get("strength"), ("strong", "acceptable"))
        for group in test.findall("group"):
            self.assertNotRegex(group.get("name"), "ffdhe")
            self.assertGreaterEqual(int(group.get("bits")), 128)

    @harness.needs_program("testssl")
    def test_testssl(self):
        server = self.serve("rsa")
        report = server.dir / "report.json"
        # protocols, kinds of ciphers, forward secrecy, preferences, defaults, vulnerabilities
        subprocess.run(
            ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--jsonfile", report,
             "-p", "-s", "-f", "-P", "-S", "-U", "-t", "pop3", f"localhost:{server.port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=590, check=False)
        findings = json.loads(report.read_text())
        self.assertGreater(sum(f["severity"] == "OK" for f in findings), 25)
        bad = [f'{f["severity"]} {f["id"]}: {f["finding"]}' for f in findings
               if f["severity"] not in ("OK", "INFO", "DEBUG") and f["id"] not in EXCUSED
               and not re.search("TLS_ECDHE_.*_CBC_", f["finding"])]
        self.assertEqual(bad, [])
        said = {f["id"]: f["finding"] for f in findings}
        for name in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
            self.assertIn("not offered", said[name])
        for name in ("secure_client_renego", "ROBOT", "heartbleed", "CCS", "SWEET32", "FREAK"):
            self.assertTrue(re.search("not vulnerable|no RSA|not support", said[name]), said[name])
        self.assertNotIn("session died", server.log())

    test_testssl.seconds = 600

    @harness.needs_program("openssl")
    def test_s_client(self):
        server = self.serve("ec")
        for arguments in (("-connect", f"127.0.0.1:{server.tls_port}"),
                          ("-starttls", "pop3", "-connect", f"127.0.0.1:{server.port}")):
            output = subprocess.run(
                ["openssl", "s_client", "-CAfile", secure.trusting_ca_file(), "-verify_return_error",
                 "-servername", "localhost", *arguments], input=b"QUIT\n", stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=60, check=True).stdout.decode()
            self.assertIn("Verify return code: 0 (ok)", output)
            self.assertIn("Compression: NONE", output)
            self.assertIn("Early data was not sent", output)
            self.assertNotIn("Session Ticket", output)


if __name__ == "__main__":
    harness.main()
