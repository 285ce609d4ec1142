"""Runs poplard for a test: a daemon of its own, in a folder of its own.

Everything is seen from outside. POPLAR_BUILD names the folder of the
binaries, build/ by default. A test file ends with `harness.main()`.
"""
import functools
import hashlib
import itertools
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from client import PATIENCE, Client, as_bytes
from runner import main  # noqa: F401  (test files call harness.main)

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("POPLAR_BUILD", ROOT / "build"))
SAMPLES = ROOT.parent / "shared" / "mail"
# nobody's, and of no other test that runs meanwhile
THROWAWAY_UID = 20000 + os.getpid() % 40000
FASTCLOCK_FACTOR = 200

needs_root = unittest.skipUnless(os.geteuid() == 0, "needs root")


# Builds that need more memory and time than what is installed.
INSTRUMENTED = BUILD.name in ("sanitize", "coverage")
measures = unittest.skipIf(INSTRUMENTED, "measures memory or time: not with this build")


def needs_program(name):
    return unittest.skipUnless(shutil.which(name), f"needs the program {name}")


def needs_fastclock(test):
    """Runs with a build whose clock runs FASTCLOCK_FACTOR times faster."""
    @functools.wraps(test)
    def run(self, *args):
        if not (BUILD / "fastclock" / "poplard").exists():
            self.skipTest("needs the build with the fast clock (make VARIANT=fastclock)")
        return test(self, *args)
    return run


kept_ports = []


def free_port():
    """Nobody else is given it while this process lives: it stays bound. Who asks for
    this very port as daemons do, with SO_REUSEADDR, can listen on it all the same."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    kept_ports.append(probe)
    return probe.getsockname()[1]


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def crypted(secret, setting):
    """crypt(3) of a secret, through perl, which has it everywhere."""
    done = subprocess.run(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", secret, setting],
                          stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def wait_until(condition, seconds=PATIENCE, what="a condition", pause=0.01):
    """Polls until it holds; returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(pause)


def proc_stat(pid):
    """Fields of /proc/PID/stat from the state on; None if it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def proc_status(pid, field):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return re.search(rf"(?m)^{field}:[ \t]*(.*)$", text).group(1)


def peak_memory(pid):
    """Peak resident memory in octets."""
    return int(proc_status(pid, "VmHWM").split()[0]) * 1024


def memory_of(pid):
    """The readable memory of a process, region by region."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if rights[0] != "r" or "[v" in line:
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except OSError:
                continue


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(pid):
    return [p for p in all_pids() if (stat := proc_stat(p)) and int(stat[1]) == pid]


def usable_uid():
    """The uid that the daemon runs as where it does not run as root."""
    return THROWAWAY_UID if os.geteuid() == 0 else os.geteuid()


class Daemon:
    """poplard with a configuration, users and maildrops.

    users: name to credential, or to a dict with the fields credential, uid,
        gid, home, maildrop.
    options: "section.key" to value; None leaves a key out.
    mode: "standalone", or "inetd": one process per connection, by -i.
    privileged: runs as root (the test must be `needs_root`); else as a
        throw-away user, or as the caller where that is not root.
    variant: a build below BUILD ("fastclock").
    head: octets that each connection begins with, before TLS: a proxy's header.
    """

    def __init__(self, users=None, options=None, mode="standalone", privileged=False,
                 variant="", start=True, arguments=(), head=b""):
        self.mode, self.privileged = mode, privileged
        self.arguments, self.head = list(arguments), head
        self.uid = THROWAWAY_UID if os.geteuid() == 0 else os.geteuid()
        self.gid = self.uid if os.geteuid() == 0 else os.getegid()
        self.port = free_port()
        self.process = None
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="poplar-test-"))
        self.dir.chmod(0o755)
        self._lay_out(variant)
        self.users = {"mrose": "{PLAIN}secret"} if users is None else users
        self.write_users(self.users)
        self.options = self._defaults()
        self.options.update(options or {})
        self.write_conf()
        if start:
            self.start()

    # files

    def _lay_out(self, variant):
        self.binary = self.dir / "poplard"
        shutil.copy(BUILD / variant / "poplard", self.binary)
        self.conf = self.dir / "poplar.conf"
        self.users_file = self.dir / "users"
        self.log_path = self.dir / "log"
        self.log_path.touch()
        self.state_dir, self.run_dir = self.dir / "state", self.dir / "run"
        self.mail = self.dir / "mail"
        for path, mode in ((self.state_dir, 0o700), (self.run_dir, 0o755), (self.mail, 0o755)):
            path.mkdir()
            path.chmod(mode)
            self.own(path)
        if self.privileged:
            shutil.chown(self.mail, 0, "mail")
            self.mail.chmod(0o2775)

    def _defaults(self):
        defaults = {
            "listen.pop3": f"127.0.0.1:{self.port}",
            "server.user": os.environ.get("POPLAR_TEST_USER", "nobody"),
            "server.state_dir": self.state_dir,
            "server.run_dir": self.run_dir,
            "server.hostname": "dbc.mtview.ca.us",
            "auth.backends": "users",
            "auth.users_file": self.users_file,
            "auth.failure_delay": "0s",
            "maildrop.path": f"{self.mail}/%u",
            "maildrop.lock_wait": "1s",
            "log.target": "stderr",
        }
        if self.uid < 1000:
            defaults["auth.first_uid"] = self.uid
        return defaults

    def own(self, path):
        """Gives a file that the daemon keeps to the user it runs as."""
        if os.geteuid() == 0 and not self.privileged:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def write_conf(self, text=None):
        if text is None:
            text = conf_text(self.options)
        self.conf.write_text(text)
        self.conf.chmod(0o644)
        self.own(self.conf)

    def write_users(self, users):
        rows = []
        for name, user in users.items():
            row = {"credential": user} if isinstance(user, (str, bytes)) else user
            fields = [name, row["credential"], row.get("uid", self.uid), row.get("gid", self.gid),
                      "", row.get("home", ""), row.get("maildrop", "")]
            rows.append(b":".join(as_bytes(f if isinstance(f, bytes) else str(f)) for f in fields))
        self.users_file.write_bytes(b"".join(row + b"\n" for row in rows))
        self.users_file.chmod(0o600)
        self.own(self.users_file)

    def path(self, user="mrose"):
        return self.mail / user

    def put(self, data, user="mrose"):
        """Writes a maildrop, in place where there is one."""
        path = self.path(user)
        path.write_bytes(data)
        self.give(path)
        return path

    def give(self, path, mode=0o600):
        """Makes a file the mail user's."""
        os.chmod(path, mode)
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)

    def append(self, data, user="mrose"):
        with open(self.path(user), "ab") as file:
            file.write(data)

    def read(self, user="mrose"):
        return self.path(user).read_bytes()

    def digest(self, user="mrose"):
        return sha256(self.path(user))

    # the process

    def spawn(self, arguments, **kwargs):
        """Starts the binary as the right user."""
        who = {}
        if os.geteuid() == 0 and not self.privileged:
            who = {"user": self.uid, "group": self.gid, "extra_groups": []}
        command = [str(self.binary), *arguments, "-c", str(self.conf), *self.arguments]
        return subprocess.Popen(command, start_new_session=True, **who, **({"cwd": "/"} | kwargs))

    def start(self, **kwargs):
        """Starts it, and waits until it serves and nobody is connected."""
        if self.mode == "inetd":
            self.server = InetdServer(self)
            self.port = self.server.port
            return
        self.launch(**kwargs)
        wait_until(self._greets, what=f"the greeting\n{self.log()}")
        self.wait_idle()

    def launch(self, **kwargs):
        """Starts it, and does not connect to it."""
        with open(self.log_path, "ab") as log:
            self.process = self.spawn(["-F"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                      **kwargs)

    def _greets(self):
        if self.process.poll() is not None:
            raise AssertionError(
                f"poplard ended at start with {self.process.returncode}\n{self.log()}")
        try:
            with self.client() as client:
                return client.greeting.startswith("+OK POP3 server ready")
        except ConnectionRefusedError:
            return False

    def client(self, **kwargs):
        return Client(self.port, head=self.head, **kwargs)

    def logged_in(self, user="mrose", password="secret", **kwargs):
        client = self.client(**kwargs)
        client.login(user, password)
        return client

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, pattern, seconds=PATIENCE, count=1):
        """Waits for so many matching lines; returns the last one."""
        def found():
            lines = [line for line in self.log().splitlines() if re.search(pattern, line)]
            return lines if len(lines) >= count else None
        return wait_until(found, seconds, f"{pattern!r} in the log:\n{self.log()}")[-1]

    def monitors(self):
        if self.mode == "inetd":
            return [process.pid for process in self.server.running()]
        return children(self.process.pid)

    def sessions(self):
        return list(itertools.chain.from_iterable(children(pid) for pid in self.monitors()))

    def session(self):
        """The only one, once those before it and their monitors are gone."""
        wait_until(lambda: len(self.monitors()) == len(self.sessions()) == 1, what="one session")
        return self.sessions()[0]

    def wait_idle(self, seconds=PATIENCE):
        """Until no connection is served any more."""
        wait_until(lambda: not self.monitors(), seconds, "the end of all sessions")

    def members(self):
        """All processes that descend from this daemon, reparented or not."""
        leaders = [str(p.pid) for p in self._leaders()]
        return [p for p in all_pids()
                if (stat := proc_stat(p)) and stat[3] in leaders and stat[0] != "Z"]

    def _leaders(self):
        if self.mode == "inetd":
            return self.server.processes
        return [self.process] if self.process else []

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self, check=True):
        """Ends it in order; nothing may be left of it, exit status 0."""
        if self.mode == "inetd":
            self.server.close()
            codes = [process.wait(PATIENCE) for process in self.server.processes]
            status = max(map(abs, codes), default=0)
        elif self.process is not None:
            self.process.terminate()
            try:
                status = self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                status = f"none within {PATIENCE} s of SIGTERM"
        else:
            return
        left = self._leftovers()
        for pid in left:
            kill(pid)
        if check and (status != 0 or left):
            raise AssertionError(f"exit status {status}, left over: {left}\n{self.log()}")
        self.process = None

    def _leftovers(self):
        deadline = time.monotonic() + 10
        while (left := self.members()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def kill_all(self):
        """A power cut for processes: SIGKILL to every one, at once."""
        for pid in self.members():
            kill(pid, signal.SIGSTOP)
        for pid in self.members():
            kill(pid)
        self.process.wait(PATIENCE)
        self.process = None

    def remove(self):
        for pid in self.members():
            kill(pid)
        shutil.rmtree(self.dir, ignore_errors=True)


class InetdServer:
    """What inetd does for "stream tcp nowait": accepts, and starts
    `poplard -i` with the connection on descriptors 0 and 1."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.processes = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, open(self.daemon.log_path, "ab") as log:
                self.processes.append(self.daemon.spawn(
                    ["-i"], stdin=connection, stdout=connection, stderr=log))

    def running(self):
        return [process for process in self.processes if process.poll() is None]

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def conf_text(options):
    sections = {}
    for name, value in options.items():
        if value is not None:
            section, _, key = name.partition(".")
            sections.setdefault(section, []).append(f"{key} = {value}\n")
    return "".join(f"[{section}]\n" + "".join(keys) for section, keys in sections.items())


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class TestCase(unittest.TestCase):
    """Gives daemons to tests and takes them away again, with a check."""

    maxDiff = 2000

    daemon_class = Daemon

    def laid_out(self, mail=None, **kwargs):
        """A daemon that is not started yet. mail: the content of mrose's maildrop."""
        daemon = self.daemon_class(start=False, **kwargs)
        self.addCleanup(daemon.remove)
        if mail is not None:
            daemon.put(mail)
        return daemon

    def daemon(self, mail=None, check=True, **kwargs):
        """A running daemon."""
        daemon = self.laid_out(mail, **kwargs)
        daemon.start()
        self.addCleanup(daemon.stop, check)
        self.addCleanup(self._show_log, daemon)
        return daemon

    def _show_log(self, daemon):
        if getattr(self._outcome.result, "faults", None):
            text = f"log of {self.id()}:\n{daemon.log()[-4000:]}"
            print("".join(f"# {line}\n" for line in text.splitlines()), end="", flush=True)

    def assert_memory(self, octets, limit, what="memory"):
        """Memory below a limit, in a build where that means something."""
        if not INSTRUMENTED:
            self.assertLess(octets, limit, what)

    def assert_octets(self, got, expected, what=""):
        """Octet-exact, with the first difference shown and not all of it."""
        if got != expected:
            at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b),
                      min(len(got), len(expected)))
            self.fail(f"{what}: {len(got)} octets for {len(expected)}, first difference at {at}: "
                      f"{got[max(0, at - 40):at + 40]!r} for {expected[max(0, at - 40):at + 40]!r}")

    def assert_refused_alike(self, attempt, cases, delay):
        """Each case is refused with the same text so many seconds behind the command,
        never sooner. attempt(*case) returns reply and time; a machine that is slow or
        in the way now and then is not what is tested, a case that always takes longer
        than another is. Returns the text.
        """
        replies, least = set(), {}
        for _ in range(10):
            for case in cases:
                reply, took = attempt(*case)
                replies.add(reply)
                self.assertGreaterEqual(took, delay, case)
                least[case] = min(took, least.get(case, took))
            if max(least.values()) < min(least.values()) + 0.1:
                break
        else:
            self.fail(f"never alike: {least}")
        self.assertEqual(len(replies), 1, replies)
        return replies.pop()

    def assert_served(self, client, messages):
        """A session shows exactly these messages of oracle.parse()."""
        self.assertEqual(client.stat(), (len(messages), sum(m.size for m in messages)))
        self.assertEqual(client.list(), {n: m.size for n, m in enumerate(messages, 1)})
        uids = client.uidl()
        self.assertEqual(sorted(uids), list(range(1, len(messages) + 1)))
        self.assertEqual(len(set(uids.values())), len(messages), "unique-ids repeat")
        for n, message in enumerate(messages, 1):
            self.assert_octets(client.retr(n), message.wire, f"RETR {n}")
