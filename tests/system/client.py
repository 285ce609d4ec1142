"""A POP3 client that hides nothing: octets out, lines in.

It checks on the way what every reply must be: lines end in CRLF, status
words are +OK or -ERR, multi-line replies end in "." and are byte-stuffed.
"""
import hashlib
import re
import socket
import struct

# Seconds until what is waited for counts as never coming. A slow or busy machine
# takes its time; only a fault makes a test wait this long.
PATIENCE = 30


class ProtocolError(AssertionError):
    """The server broke the protocol."""


class Closed(ProtocolError):
    """The connection ended where a reply was due."""


class Client:
    """One connection. `greeting` is read at once unless told otherwise.

    head: octets that go first, such as a proxy's header.
    """

    def __init__(self, port, host="127.0.0.1", timeout=PATIENCE, greet=True, rcvbuf=None, head=b""):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        if rcvbuf is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(head)
        self._start(greet)

    def _start(self, greet):
        self.buffer = b""
        self.greeting = self.status() if greet else None

    @classmethod
    def over(cls, sock, timeout=PATIENCE, greet=True):
        """A client on a socket that is connected already."""
        client = cls.__new__(cls)
        client.sock = sock
        sock.settimeout(timeout)
        client._start(greet)
        return client

    # octets

    def send(self, data):
        self.sock.sendall(data)

    def send_line(self, text):
        self.send(as_bytes(text) + b"\r\n")

    def _fill(self):
        data = self.sock.recv(65536)
        self.buffer += data
        return bool(data)

    def raw_line(self):
        """One line with its line end; what is left at end of file; b"" then."""
        while b"\n" not in self.buffer:
            if not self._fill():
                rest, self.buffer = self.buffer, b""
                return rest
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line + b"\n"

    def line(self):
        line = self.raw_line()
        if line == b"":
            raise Closed("connection closed where a line was due")
        if not line.endswith(b"\r\n"):
            raise ProtocolError(f"line without CRLF: {line!r}")
        return line[:-2]

    def status(self):
        """A status line, without CRLF."""
        line = self.line()
        if not re.match(rb"(\+OK|-ERR)( |$)", line):
            raise ProtocolError(f"not a status line: {line[:200]!r}")
        if len(line) > 510:
            raise ProtocolError(f"status line of {len(line)} octets")
        text = line.decode("utf-8")
        # clients tell a busy maildrop from a refusal by these letters
        if re.match("-ERR.*(lock|wait)", text, re.I) and "maildrop is locked by " not in text:
            raise ProtocolError(f"sounds like a busy maildrop: {text!r}")
        return text

    def multiline(self):
        """The lines of a multi-line reply as they came, un-stuffed, joined by
        CRLF, the last one included; the final "." is not part of it."""
        chunks = []
        rest = self.buffer
        tail = b"\r\n"  # what stands before rest on the wire
        while True:
            joined = tail + rest
            end = joined.find(b"\r\n.\r\n")
            if end >= 0:
                cut = end + 5 - len(tail)
                chunks.append(rest[:cut])
                self.buffer = rest[cut:]
                break
            chunks.append(rest)
            tail = joined[-4:]
            rest = self.sock.recv(1 << 20)
            if not rest:
                self.buffer = b""
                raise Closed("connection closed inside a multi-line reply")
        body = b"".join(chunks)[:-3]
        return unstuff(body)

    def rest(self):
        """Everything until the end of the connection."""
        while self._fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def expect_closed(self):
        try:
            rest = self.rest()
        except ConnectionResetError:
            rest = self.buffer
        if rest:
            raise ProtocolError(f"expected a silent close, got {rest[:200]!r}")

    # commands

    def command(self, text):
        self.send_line(text)
        return self.status()

    def ok(self, text):
        reply = self.command(text)
        if not reply.startswith("+OK"):
            raise ProtocolError(f"{show(text)}: {reply}")
        return reply

    def err(self, text, code=None):
        """Expects -ERR, with a response code such as "[IN-USE]" if given."""
        reply = self.command(text)
        if not reply.startswith("-ERR"):
            raise ProtocolError(f"{show(text)}: expected -ERR, got {reply}")
        if code is not None and not reply.startswith(f"-ERR {code}"):
            raise ProtocolError(f"{show(text)}: expected {code}, got {reply}")
        return reply

    def login(self, user="mrose", password="secret"):
        self.ok(f"USER {user}")
        return self.ok(b"PASS " + as_bytes(password))

    def login_fails(self, user="mrose", password="secret", code=None):
        self.ok(f"USER {user}")
        return self.err(b"PASS " + as_bytes(password), code)

    def apop_digest(self, secret):
        stamp = re.search(r"<[^<>@ ]+@[^<>@ ]+>", self.greeting)
        if stamp is None:
            raise ProtocolError(f"no timestamp in {self.greeting!r}")
        return hashlib.md5(stamp.group(0).encode() + as_bytes(secret)).hexdigest()

    def multi(self, text):
        """A multi-line command: its data."""
        self.ok(text)
        return self.multiline()

    def retr(self, number):
        return self.multi(f"RETR {number}")

    def stat(self):
        match = re.fullmatch(r"\+OK (\d+) (\d+)", self.ok("STAT"))
        if match is None:
            raise ProtocolError("STAT is not exactly '+OK n m'")
        return int(match.group(1)), int(match.group(2))

    def list(self):
        """Message-number to size."""
        return {number: int(size) for number, size in self._listing("LIST", rb"[0-9]+")}

    def uidl(self):
        """Message-number to unique-id."""
        return {number: uid.decode()
                for number, uid in self._listing("UIDL", rb"[!-~]{1,70}")}

    def _listing(self, verb, form):
        rows = self.multi(verb).split(b"\r\n")[:-1]
        for row in rows:
            match = re.fullmatch(rb"([1-9][0-9]*) (" + form + rb")", row)
            if match is None:
                raise ProtocolError(f"{verb}: bad row {row!r}")
            yield int(match.group(1)), match.group(2)

    def quit(self):
        reply = self.ok("QUIT")
        self.expect_closed()
        self.close()
        return reply

    # ways to go

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """RST: what was sent and not read yet is lost."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


def show(text):
    return repr(text[:80])


def unstuff(body):
    """Takes the byte-stuffing off, having checked that it is complete."""
    stuffed = b"\r\n" + body
    if stuffed.count(b"\r\n.") != stuffed.count(b"\r\n.."):
        raise ProtocolError("a line that begins with '.' was not stuffed")
    return stuffed.replace(b"\r\n..", b"\r\n.")[2:]
