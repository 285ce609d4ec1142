"""Plays the dialogues of tests/transcripts against a daemon and against
inetd mode, over TLS, and as root. A transcript is a title that names its section
of the RFC, set-up lines, and the dialogue:

    set SECTION.KEY VALUE      of the configuration
    tls                        the daemon has a certificate
    secured [NAME]             every connection is under TLS, by STLS where it
                               begins without; NAME: by the client's certificate
    proxy HEADER               what the connections from here on begin with, \\xHH
                               and the like standing for octets
    user NAME CREDENTIAL       one row of the users file
    message NAME OCTETS        appends a message that counts so many octets
    login NAME PASSWORD        opens a connection and logs in
    C: LINE                    the client sends; C2: on a second connection
    C: <close>                 the client goes without a word
    C: <closed>                the server must have closed, in silence
    C: <handshake>             the client begins TLS, after STLS
    C: <refused>               a new connection must be closed without a word
    S: LINE                    the server must send this line next
    left NAME NUMBER...        what the maildrop holds now, of its messages
    logged PATTERN             a line of the log matches this regular expression

In an S: line, " ..." at the end stands for any text or none, {name} for a token
(the same one each time, and in C: lines), <message N> and <top N LINES> for
octets of a message. A first S: opens its connection. In all lines a word in
angle brackets stands for octets, and may stand in another's TEXT:

    <base64 TEXT>              TEXT encoded; \\0 in it is a NUL
    <digest SECRET>            the APOP digest for this connection
    <binding>                  its channel binding, tls-server-end-point
    <proof SECRET>             behind ",p=" in SCRAM's third message, and
    <signature SECRET>         behind "v=" in its fourth: what belongs there
                               after the messages in base64 before it
"""
import base64
import hashlib
import re
import ssl

import harness
import oracle
import scram
import secure
from client import unstuff

FOLDER = harness.ROOT / "tests" / "transcripts"

# Octets that have replaced a word are kept apart from text until all are replaced.
APART = 0xE000


def apart(octets):
    return "".join(chr(APART + octet) for octet in octets)


def joined(text):
    return b"".join(bytes([ord(c) - APART]) if ord(c) in range(APART, APART + 256) else c.encode()
                    for c in text)


class Words:
    """What the words in angle brackets stand for, on one connection."""

    def __init__(self, client):
        self.client = client
        self.said = []  # in base64, by both sides

    def replace(self, text):
        while word := re.search(r"<(base64|digest|binding|proof|signature) ?([^<>]*)>", text):
            octets = getattr(self, word[1])(word[2], text[:word.start()])
            text = text[:word.start()] + apart(octets) + text[word.end():]
        return text

    def base64(self, text, before):
        octets = joined(text.replace("\\0", "\0"))
        if "<base64 " not in before:
            self.said.append(octets)
        return base64.b64encode(octets)

    def digest(self, secret, _):
        return self.client.apop_digest(secret).encode()

    def binding(self, *_):
        return hashlib.sha256(self.client.sock.getpeercert(True)).digest()

    def proof(self, secret, before):
        without = before.rpartition("<base64 ")[2].removesuffix(",p=")
        return base64.b64encode(self.signatures(secret, *self.said[-2:], joined(without))[0])

    def signature(self, secret, _):
        first, challenge, final = self.said[-3:]
        without = final.rpartition(b",p=")[0]
        return base64.b64encode(self.signatures(secret, first, challenge, without)[1])

    @staticmethod
    def signatures(secret, first, challenge, without):
        bare = first.split(b",", 2)[2]
        salt, iterations = re.fullmatch(rb"r=[^,]*,s=([^,]*),i=(\d+)", challenge).groups()
        return scram.signatures(secret, base64.b64decode(salt), int(iterations),
                                b",".join((bare, challenge, without)))


class Player:
    """One transcript on one daemon."""

    def __init__(self, test, mode, text):
        self.test, self.mode = test, mode
        self.rows = [row for row in text.splitlines()[1:] if row and not row.startswith("#")]
        self.clients, self.tokens, self.originals = {}, {}, {}
        self.server = self.secured = None

    def play(self):
        users, options, head = {}, {}, b""
        for row in self.rows:
            word, _, rest = row.partition(" ")
            if word == "user":
                name, _, users[name] = rest.partition(" ")
            elif word == "set":
                name, _, options[name] = rest.partition(" ")
            elif word == "message":
                self.add_message(*rest.split())
            elif word == "secured":
                self.secured = {"client": secure.pair(rest, names=())} if rest else {}
                options["tls.client_ca"] = secure.trusting_ca_file() if rest else None
            elif word == "proxy":
                head = head or octets_of(rest)
        if "tls" in self.rows or self.secured is not None or self.mode.get("always"):
            self.test.daemon_class = secure.TlsDaemon
        self.server = self.test.daemon(users=users, options=options, head=head, **self.mode)
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
        elif word == "proxy":
            self.server.head = octets_of(rest)
        elif word == "logged":
            self.server.wait_log(rest)

    def client(self, who):
        """The connection of that name; opened with its greeting unread."""
        if who not in self.clients:
            client = self.clients[who] = self.open()
            self.test.addCleanup(client.close)
            client.words = Words(client)
        return self.clients[who]

    def open(self):
        context = {} if self.secured is None else {"context": secure.trusting(**self.secured)}
        always = self.mode.get("always")
        client = self.server.client(greet=False, **context if always else {})
        client.greeting = client.pending = client.raw_line().decode().removesuffix("\r\n")
        if context and not always:
            client.ok("STLS")
            secure.start_tls(client, **context)
        return client

    def refused(self):
        try:
            with self.server.client(greet=False) as client:
                client.expect_closed()
        except (ssl.SSLError, ConnectionError):
            return  # in the handshake

    def send(self, who, text):
        if text == "<closed>":
            self.clients.pop(who).expect_closed()
        elif text == "<close>":
            self.clients.pop(who).close()
            self.server.wait_idle()
        elif text == "<handshake>":
            secure.start_tls(self.clients[who])
        elif text == "<refused>":
            self.refused()
        else:
            client = self.clients[who]
            text = re.sub(r"\{(\w+)\}", lambda m: self.tokens[m[1]], text)
            client.send_line(joined(client.words.replace(text)))

    def expect(self, who, text):
        client = self.client(who)
        wire = re.fullmatch(r"<message (\d+)>|<top (\d+) (\d+)>", text)
        if wire:
            self.octets(client, wire)
            return
        got, client.pending = client.pending or client.line().decode(), None
        if encoded := re.fullmatch(r"(\+ )<base64 (.*)>", text):
            said = base64.b64decode(got.removeprefix(encoded[1]), validate=True)
            text, got = encoded[1] + encoded[2], encoded[1] + said.decode()
            text = joined(client.words.replace(text)).decode()
            client.words.said.append(said)
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


def octets_of(text):
    return text.encode().decode("unicode_escape").encode("latin-1")


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
    rows = path.read_text().splitlines()
    plain, secured = "tls" in rows, any(row.startswith("secured") for row in rows)
    if plain and MODES[mode].get("always"):
        return  # it is about what comes before TLS

    def test(self):
        if MODES[mode].get("always") or plain or secured:
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
