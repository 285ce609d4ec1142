"""For the tests with real clients: mail for them, whom they run as, where they
put what they fetch, how one is run.
"""
import os
import pathlib
import pty
import pwd
import re
import select
import shutil
import socketserver
import subprocess
import tempfile
import termios
import threading
import time

import harness
import oracle

MADE = {"first": 12, "second": 40}


def made_mailbox(seed, count):
    """Mail as lists send it, for where there is no real one at hand."""
    messages = []
    for n in range(count):
        name = b"%d.%d@example.org" % (seed, n)
        body = b"".join(b"line %d of message %d\n" % (i, n) for i in range(n % 7 * 20))
        messages.append(
            b"Return-Path: <sender@example.org>\nReceived: from a by b; " + oracle.DATE
            + b"\nFrom: Sender <sender@example.org>\nTo: list@example.org\nMessage-ID: <" + name
            + b">\nSubject: message\n with a folded line\nDate: Thu, 24 Nov 1994 18:22:48 +0000\n\n"
            + body + b".\n..\n.dot\n>From quoted\nFrom the heart\n\n\ncaf\xc3\xa9 \xe9 tab\t end \n")
    return oracle.mbox_of(*messages)


def mailboxes():
    """User name to mbox."""
    if harness.SAMPLES.is_dir():
        return {path.stem: path.read_bytes() for path in sorted(harness.SAMPLES.glob("*.mbox"))}
    return {name: made_mailbox(seed, count) for seed, (name, count) in enumerate(MADE.items())}


MAIL = mailboxes()
DELIVERED = made_mailbox(7, 1)


def stored(message):
    """A message of oracle.parse() with LF, as most clients store it."""
    return message.wire.replace(b"\r\n", b"\n")


def message_id(data):
    found = re.search(rb"(?im)^message-id:\s*(\S+)", data)
    return found.group(1) if found else b""


def by_message_id(messages):
    return sorted(messages, key=lambda data: (message_id(data), data))


def without_field(data, name):
    """A message (LF) without the header fields of that name."""
    header, blank, body = data.partition(b"\n\n")
    return re.sub(rb"(?im)^%s:.*\n" % name, b"", header + b"\n")[:-1] + blank + body


# Some clients refuse to work for root.
WHO = {}
if os.geteuid() == 0:
    NOBODY = pwd.getpwnam("nobody")
    WHO = {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []}


def own(path):
    """Gives a file or folder to whom the client runs as."""
    if WHO:
        os.chown(path, WHO["user"], WHO["group"])
    return pathlib.Path(path)


class Inbox:
    """A folder that a client puts one file a message into."""

    def __init__(self, path):
        self.path = path
        self.seen = set(path.rglob("*"))

    def new_messages(self):
        """The content of files that came since the last call."""
        files = {path for path in self.path.rglob("*") if path.is_file()} - self.seen
        self.seen |= files
        return [path.read_bytes() for path in sorted(files)]


class ClientHome:
    """A folder that a client lives in, and runs of it."""

    def make_home(self):
        self.home = own(tempfile.mkdtemp(prefix="poplar-client-"))
        self.addCleanup(shutil.rmtree, self.home, True)

    def new_folder(self):
        return own(tempfile.mkdtemp(prefix="poplar-client-", dir=self.home))

    def new_maildir(self):
        path = self.new_folder()
        for name in ("cur", "new", "tmp"):
            (path / name).mkdir()
            own(path / name)
        return Inbox(path)

    def environment(self):
        keep = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        return keep | {"HOME": str(self.home), "TERM": "vt100", "USER": "nobody"}

    def run_client(self, *command, expect=(0,), text=None):
        """Runs it to its end; its output is shown if the status is a surprise."""
        done = subprocess.run(
            [str(word) for word in command], env=self.environment(), cwd=self.home, input=text, **WHO,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100, check=False)
        if done.returncode not in expect:
            self.fail(f"{command[0]}: status {done.returncode}\n{done.stderr.decode()[-3000:]}"
                      f"\n{done.stdout.decode(errors='replace')[-3000:]}\n{self.server.log()[-2000:]}")
        return done.stdout

    def write(self, name, text):
        path = self.home / name
        path.write_text(text)
        path.chmod(0o700)
        return own(path)


class LmtpServer(socketserver.ThreadingTCPServer):
    """Takes what it is given (RFC 2033) and stores it with LF."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), LmtpConnection)
        self.messages = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class LmtpConnection(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("220 ready")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self.say("354 go on")
                self.server.messages.append(self.data())
            self.say("221 bye" if verb == b"QUIT" else "250 done")

    def say(self, reply):
        self.wfile.write(reply.encode() + b"\r\n")

    def data(self):
        lines = iter(self.rfile.readline, b".\r\n")
        return b"".join(line.removeprefix(b".") for line in lines).replace(b"\r\n", b"\n")


def run_in_terminal(command, environment, folder, seconds=60, password=b""):
    """Runs a program that wants a terminal, and types the password that it
    asks for; returns status and output."""
    pid, terminal = pty.fork()
    if pid == 0:
        termios.tcsetwinsize(0, (24, 80))  # ncurses refuses a terminal without a size
        os.chdir(folder)
        if WHO:
            os.setgroups([])
            os.setresgid(*[WHO["group"]] * 3)
            os.setresuid(*[WHO["user"]] * 3)
        os.execvpe(command[0], command, environment)
    output, deadline = b"", time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                output += os.read(terminal, 65536)
            if password and b"assword:" in output:
                os.write(terminal, password + b"\n")
                password = b""
        harness.kill(pid)
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output


def scram_of_mpop():
    """Where mpop can bind to the channel it does not log in without: the server
    offers both (RFC 5802 section 6)."""
    said = subprocess.run(["mpop", "--version"], stdout=subprocess.PIPE, check=True).stdout
    return "SCRAM-SHA-256-PLUS" if b"scram-sha-256-plus" in said else "SCRAM-SHA-256"
