"""Plays the dialogues of tests/transcripts against a daemon and against
inetd mode, and as root. A transcript is a title that names its section of the RFC, set-up
lines, and the dialogue:

    set SECTION.KEY VALUE      of the configuration
    tls                        the daemon has a certificate
    user NAME CREDENTIAL       one row of the users file
    message NAME OCTETS        appends a message that counts so many octets
    login NAME PASSWORD        opens a connection and logs in
    C: LINE                    the client sends; C2: on a second connection
    C: <close>                 the client goes without a word
    C: <closed>                the server must have closed, in silence
    C: <handshake>             the client begins TLS, after STLS
    S: LINE                    the server must send this line next
    left NAME NUMBER...        what the maildrop holds now, of its messages

In a C: line, <digest SECRET> is the APOP digest for this connection, and in
both, <base64 TEXT> is that text, \\0 a NUL in it, encoded. In an
S: line, " ..." at the end stands for any text or none, {name} for a token
(the same one each time), <message N> and <top N LINES> for octets of a
message. A first S: opens its connection.
"""
import base64
import re

import harness
import oracle
import secure
from client import unstuff

FOLDER = harness.ROOT / "tests" / "transcripts"


class Player:
    """One transcript on one daemon."""

    def __init__(self, test, mode, text):
        self.test, self.mode = test, mode
        self.rows = [row for row in text.splitlines()[1:] if row and not row.startswith("#")]
        self.clients, self.tokens, self.originals = {}, {}, {}
        self.server = None

    def play(self):
        users, options = {}, {}
        for row in self.rows:
            word, _, rest = row.partition(" ")
            if word == "user":
                name, _, users[name] = rest.partition(" ")
            elif word == "set":
                name, _, options[name] = rest.partition(" ")
            elif word == "message":
                self.add_message(*rest.split())
        if "tls" in self.rows or self.mode.get("always"):
            self.test.daemon_class = secure.TlsDaemon
        self.server = self.test.daemon(users=users, options=options, **self.mode)
        for name, messages in self.originals.items():
            self.server.put(oracle.mbox_of(*messages), name)
        for row in self.rows:
            try:
                self.step(row)
            except (AssertionError, OSError) as error:
                raise AssertionError(f"at {row!r}: {error}") from error

    def add_message(self, name, size):
        messages = self.originals.setdefault(name, [])
        messages.append(oracle.message_of(int(size), b"%d" % (len(messages) + 1)))

    def step(self, row):
        word, _, rest = row.partition(" ")
        if re.fullmatch(r"[CS]\d?:", word):
            side, who = word[0], word[1:-1]
            (self.send if side == "C" else self.expect)(who, rest)
        elif word == "login":
            client = self.client("")
            client.pending = None
            client.login(*rest.split(" ", 1))
        elif word == "left":
            name, *numbers = rest.split()
            self.left(name, [int(n) for n in numbers])

    def client(self, who):
        """The connection of that name; opened with its greeting unread."""
        if who not in self.clients:
            client = self.clients[who] = self.server.client(greet=False)
            self.test.addCleanup(client.close)
            client.greeting = client.raw_line().decode().removesuffix("\r\n")
            client.pending = client.greeting
        return self.clients[who]

    def send(self, who, text):
        if text == "<closed>":
            self.clients.pop(who).expect_closed()
        elif text == "<close>":
            self.clients.pop(who).close()
            self.server.wait_idle()
        elif text == "<handshake>":
            secure.start_tls(self.clients[who])
        else:
            client = self.clients[who]
            client.send_line(re.sub(r"<digest (\S+)>",
                                    lambda m: client.apop_digest(m.group(1)), encoded(text)))

    def expect(self, who, text):
        client = self.client(who)
        wire = re.fullmatch(r"<message (\d+)>|<top (\d+) (\d+)>", text)
        if wire:
            self.octets(client, wire)
            return
        text = encoded(text)
        got, client.pending = getattr(client, "pending", None) or client.line().decode(), None
        pattern, names = self.pattern(text)
        match = re.fullmatch(pattern, got)
        self.test.assertIsNotNone(match, f"expected {text!r}, got {got!r}")
        for name in names:
            known = self.tokens.setdefault(name, match.group(name))
            self.test.assertEqual(match.group(name), known, f"token {name}")

    def pattern(self, text):
        text, more, _ = text.partition(" ...")
        parts = re.split(r"\{(\w+)\}", text)
        names = parts[1::2]
        parts[::2] = map(re.escape, parts[::2])
        parts[1::2] = [rf"(?P<{name}>[!-;=?-~]{{1,70}})" for name in names]
        return "".join(parts) + ("( .*)?" if more else ""), names

    def octets(self, client, wire):
        number = int(wire.group(1) or wire.group(2))
        message = oracle.parse(oracle.mbox_of(*self.originals["mrose"]))[number - 1]
        expected = message.wire if wire.group(1) else message.top(int(wire.group(3)))
        lines = [client.line() + b"\r\n" for _ in range(expected.count(b"\r\n"))]
        self.test.assert_octets(unstuff(b"".join(lines)), expected, wire.group(0))

    def left(self, name, numbers):
        kept = oracle.mbox_of(*[self.originals[name][n - 1] for n in numbers])
        self.test.assert_octets(self.server.read(name), kept, f"maildrop of {name}")


def encoded(text):
    return re.sub(r"<base64 (.*?)>", lambda m: base64.b64encode(
        m.group(1).replace("\\0", "\0").encode()).decode(), text)


class Transcripts(harness.TestCase):
    """One test for each file and mode, made below."""


MODES = {
    "standalone": {},
    "inetd": {"mode": "inetd"},
    "tls": {"always": True},
    "inetd_tls": {"mode": "inetd", "always": True},
    "standalone_as_root": {"privileged": True},
    "inetd_as_root": {"mode": "inetd", "privileged": True},
}


def make_test(path, mode):
    plain = "tls" in path.read_text().splitlines()
    if plain and MODES[mode].get("always"):
        return  # it is about what comes before TLS

    def test(self):
        if MODES[mode].get("always") or plain:
            if secure.x509 is None:
                self.skipTest("needs the package python3-cryptography")
        Player(self, MODES[mode], path.read_text()).play()
    test.__doc__ = path.read_text().partition("\n")[0]
    name = re.sub(r"\W", "_", path.stem)
    setattr(Transcripts, f"test_{name}_{mode}",
            harness.needs_root(test) if "privileged" in MODES[mode] else test)


for transcript in sorted(FOLDER.glob("*.txt")):
    for mode_name in MODES:
        make_test(transcript, mode_name)

if __name__ == "__main__":
    harness.main()
