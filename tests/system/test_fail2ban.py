"""The filter of contrib/fail2ban against lines that poplard logs: what guesses
at passwords is counted, with its own address, and nothing else is.
"""
import base64
import pathlib
import re

import harness

FILTER = pathlib.Path(__file__).parents[2] / "contrib/fail2ban/poplar.filter.conf"


def failregex():
    line = re.search(r"^failregex = (.*)$", FILTER.read_text(), re.M)[1]
    return re.compile(line.replace("%(__prefix_line)s", "poplard: ")
                      .replace("<HOST>", r"(?P<host>[0-9a-f.:]+)"))


class Filter(harness.TestCase):
    def setUp(self):
        users = {"mrose": "{PLAIN}secret", "away": "!{PLAIN}secret"}
        self.server = self.daemon(users=users, options={"auth.max_attempts": "100"})

    def counted(self):
        """The addresses of the lines that match."""
        found = map(failregex().search, self.server.log().splitlines())
        return [match["host"] for match in found if match]

    def plain(self, client, name, password):
        blob = base64.b64encode(b"\0" + name + b"\0" + password).decode()
        client.err(f"AUTH PLAIN {blob}")

    def test_guesses_are_counted(self):
        with self.server.client() as client:
            for name in ("mrose", "away", "nobody"):
                client.ok(f"USER {name}")
                client.err("PASS wrong")
                self.plain(client, name.encode(), b"wrong")
            client.quit()
        self.server.wait_log("end=quit failures=6")
        self.assertEqual(self.counted(), ["127.0.0.1"] * 6)

    def test_all_else_is_not(self):
        with self.server.logged_in() as client:
            with self.server.client() as second:  # the maildrop is held
                second.login_fails()
            client.quit()
        with self.server.client() as client:
            client.send_line("GET / HTTP/1.0")
        self.server.wait_log("reason=busy")
        self.server.wait_log("HTTP on the plaintext port")
        self.assertEqual(self.counted(), [])

    def test_no_name_forges_an_address(self):
        line = b"poplard: sid=1 ip=192.0.2.1 proto=pop3 tls=- auth=PASS login=fail reason=password"
        with self.server.client() as client:
            for name in (line, b"x\n" + line, b"x\r\n" + line, line.replace(b" ", b"\t"),
                         line.replace(b" ", b"_"), b"user=x\x1b[2K\r" + line):
                self.plain(client, name, b"wrong")
            client.quit()
        self.server.wait_log("end=quit failures=")
        self.assertEqual(set(self.counted()), {"127.0.0.1"})


if __name__ == "__main__":
    harness.main()
