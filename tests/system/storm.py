"""Storms: others deliver into a maildrop and rewrite it while POP3 sessions
fetch from it and delete. At the end every message that was delivered must be
found exactly once: deleted by a session that was told +OK, deleted by a mail
reader that says so, or still there; and wherever it was seen, whole.

Each message carries an id and the MD5 of its body (deliver.c).
"""
import collections
import hashlib
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import threading
import time

import oracle
from client import Client, Closed, ProtocolError

HERE = pathlib.Path(__file__).resolve().parent
HEAD = re.compile(rb"\nX-Storm-Id: (\S+)\n(?:.*\n)*?X-Storm-Sum: (\S+)\n")
PROGRAMS = ("deliver", "reader")


class Torn(AssertionError):
    """A message is not the one that was delivered."""


def compile_programs(folder):
    for name in PROGRAMS:
        subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-o", folder / name,
                        HERE / f"{name}.c", "-lcrypto"], check=True)


def identify(message):
    """Id of a stored message, lines ended by LF, without its From_ line."""
    head, empty, body = message.partition(b"\n\n")
    match = HEAD.search(b"\n" + head + b"\n")
    if match is None or not empty:
        raise Torn(f"no message of the storm: {message[:300]!r}")
    if hashlib.md5(body).hexdigest().encode() != match.group(2):
        raise Torn(f"{match.group(1).decode()} is torn: {head!r}, ends in {body[-200:]!r}")
    return match.group(1).decode()


class Ledger:
    """The fate of every message. All threads write to it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.delivered = {}                     # id to MD5
        self.deleted = collections.Counter()    # id, each confirmed deletion
        self.by_readers = {}                    # id to MD5 of what was deleted
        self.doubtful = set()                   # QUIT without an answer
        self.uids = {}                          # id to unique-id, and back
        self.faults = []
        self.counts = collections.Counter()     # what sessions met

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] += number

    def note_delivered(self, line):
        name, md5 = line.split()
        with self.lock:
            if name in self.delivered:
                self.faults.append(f"the test delivered {name} twice")
            self.delivered[name] = md5

    def note_deleted_by_reader(self, line):
        name, md5 = line.split(" ", 1)
        with self.lock:
            self.by_readers[name] = md5
            self.deleted[name] += 1

    def note_deleted(self, names):
        with self.lock:
            self.deleted.update(names)

    def see(self, name, uid, gone):
        """A session was sent this message; gone: deleted before its login."""
        with self.lock:
            if name in gone:
                self.faults.append(f"{name} came back after its deletion")
            if self.uids.setdefault(name, uid) != uid or self.uids.setdefault(uid, name) != name:
                self.faults.append(f"{name} changed its unique-id")

    def settle(self, left):
        """Faults, counted, once all is over; left: ids in the maildrop."""
        remaining = collections.Counter(left)
        fates = self.deleted + remaining
        known = set(self.delivered)
        lost = [n for n in known if fates[n] == 0 and n not in self.doubtful]
        twice = [n for n, times in fates.items() if times > 1]
        for name in lost[:20]:
            self.faults.append(f"{name} is lost")
        for name in twice[:20]:
            self.faults.append(f"{name} is there or was deleted {fates[name]} times")
        for name in sorted(set(fates) - known)[:20]:
            self.faults.append(f"{name} was never delivered")
        for name, md5 in self.by_readers.items():
            if self.delivered.get(name) != md5:
                self.faults.append(f"the reader found {name} torn")
        torn = sum("torn" in fault for fault in self.faults)
        return len(lost), len(twice), torn


class Storm:
    """One maildrop and all that go at it.

    order(): runs one of them or another program, its standard output read by
    one of the ledger's methods. reserved: ids that end so are left to others.
    """

    def __init__(self, server, user="mrose"):
        self.server, self.user = server, user
        self.reserved = ()
        self.path = server.path(user)
        self.ledger = Ledger()
        self.tools = pathlib.Path(tempfile.mkdtemp(prefix="poplar-storm-", dir=server.dir))
        self.tools.chmod(0o755)
        compile_programs(self.tools)
        self.deliverers, self.others, self.threads = [], [], []
        self.calm = threading.Event()

    def who(self):
        """Deliverers have the user's uid and, in a spool, its group."""
        if os.geteuid() != 0:
            return {}
        group = "mail" if self.server.privileged else self.server.gid
        return {"user": self.server.uid, "group": group, "extra_groups": []}

    def order(self, command, sink, **kwargs):
        with open(self.tools / "messages", "ab") as messages:
            process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, text=True, cwd="/",
                stdout=subprocess.PIPE, stderr=messages, **{**self.who(), **kwargs})
        self.thread(self._listen, process, sink)
        return process

    def _listen(self, process, sink):
        for line in process.stdout:
            sink(line.rstrip("\n"))

    def thread(self, run, *arguments):
        thread = threading.Thread(target=self._guard, args=(run, *arguments), daemon=True)
        thread.start()
        self.threads.append(thread)

    def _guard(self, run, *arguments):
        try:
            run(*arguments)
        except Exception as error:  # a thread's end must not pass in silence
            self.ledger.fault(f"{run.__name__}: {error!r}")

    # who takes part

    def deliver(self, order, count, pause, command=(), name=None):
        command = [self.tools / "deliver", order, self.path, name or order, count, pause, *command]
        self.deliverers.append(self.order(command, self.ledger.note_delivered))

    def read(self, order, pause, *options):
        command = [self.tools / "reader", order, self.path, pause, *options]
        self.others.append(self.order(command, self.ledger.note_deleted_by_reader))

    def fetch(self, seed, pause=0):
        self.thread(self._fetch, seed, pause)

    def _fetch(self, seed, pause):
        rng = random.Random(seed)
        while not self.calm.wait(rng.random() * pause):
            try:
                Session(self, rng).run()
            except (ConnectionError, Closed):
                self.ledger.count("cut off")
            except Torn as torn:
                self.ledger.fault(str(torn))

    # its course

    def blow(self, seconds=None, patience=30):
        """Until all is delivered, or for so many seconds. The watchdog: where
        nothing is delivered and nothing deleted for `patience` s, it ends."""
        begin = time.monotonic()
        try:
            self._watch(begin, seconds, patience)
        finally:
            self._calm_down()
        return time.monotonic() - begin

    def _watch(self, begin, seconds, patience):
        moved = told = begin
        before = None
        while any(p.poll() is None for p in self.deliverers):
            time.sleep(0.2)
            now = time.monotonic()
            state = (len(self.ledger.delivered), len(self.ledger.deleted))
            if state != before:
                before, moved = state, now
            if now - told >= 60:
                told = now
                print(f"#   {(now - begin) / 60:.0f} min: {state[0]} messages delivered, "
                      f"{state[1]} deleted", flush=True)
            if seconds is not None and now - begin > seconds:
                return
            if now - moved > patience:
                self.ledger.fault(f"nothing moved for {patience} s\n{self.locks()}")
                return

    def _calm_down(self):
        self.end(self.deliverers)
        self.end(self.others)
        self.calm.set()
        for thread in self.threads:
            thread.join(60)
            if thread.is_alive():
                self.ledger.fault(f"a thread does not end\n{self.locks()}")

    def end(self, processes):
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                status = process.wait(30)
            except subprocess.TimeoutExpired:
                self.ledger.fault(f"{process.args} does not end\n{self.locks()}")
                process.kill()
                continue
            if status not in (0, -signal.SIGTERM):
                self.ledger.fault(f"{process.args} ended with {status}")

    def locks(self):
        """Who holds what, for the report of a deadlock."""
        processes = subprocess.run(["ps", "-eo", "pid,ppid,stat,wchan:20,args"],
                                   capture_output=True, text=True).stdout
        ours = [line for line in processes.splitlines() if str(self.server.dir) in line]
        folder = sorted(p.name for p in self.path.parent.iterdir())
        return "\n".join([pathlib.Path("/proc/locks").read_text(), *ours, repr(folder)])

    def remaining(self):
        """The ids in the maildrop: as the file has them, and as a session."""
        stored = [identify(b"".join(m.lines)) for m in oracle.parse(self.path.read_bytes())]
        with self.server.logged_in(self.user, timeout=60) as client:
            served = [identify(client.retr(n).replace(b"\r\n", b"\n")) for n in client.list()]
            client.quit()
        if stored != served:
            self.ledger.fault(f"served is not what is stored: {len(served)}, {len(stored)}")
        return stored

    def judge(self, case, seconds, title):
        """Prints the numbers; fails the test case unless all is well."""
        ledger, counts = self.ledger, self.ledger.counts
        left = self.remaining()
        lost, twice, torn = ledger.settle(left)
        print(f"# {title}: {len(ledger.delivered)} messages in {seconds:.0f} s: {lost} lost, "
              f"{twice} duplicated, {torn} torn\n"
              f"#   {counts['sent']} sent in {counts['sessions']} sessions, "
              f"{sum(ledger.deleted.values()) - len(ledger.by_readers)} deleted by QUIT, "
              f"{len(ledger.by_readers)} by readers, {len(left)} left\n"
              f"#   refused: {counts['in use']} logins as in use, {counts['refused']} QUITs; "
              f"{counts['changed']} sessions ended for a change, {counts['cut off']} cut off",
              flush=True)
        case.assertEqual(ledger.faults[:10], [], f"{len(ledger.faults)} faults")
        leftovers = [p.name for p in self.path.parent.iterdir()
                     if p.name.startswith(".poplar") or p.name.endswith(".lock")]
        case.assertEqual(leftovers, [])
        case.assertEqual(ledger.doubtful, set(), "QUIT without an answer")


class Session:
    """One POP3 session that fetches messages and deletes some of them."""

    def __init__(self, storm, rng):
        self.storm, self.ledger, self.rng = storm, storm.ledger, rng

    def run(self):
        with Client(self.storm.server.port, timeout=60) as client:
            self.client = client
            gone = self._login()
            if gone is None:
                time.sleep(self.rng.random() / 50)
                return
            self.ledger.count("sessions")
            names = self._fetch(gone)
            if names is not None:
                self._delete(names)

    def _login(self):
        """What was deleted before; None if it is refused."""
        self.client.ok(f"USER {self.storm.user}")
        gone = frozenset(self.ledger.deleted)
        reply = self.client.command("PASS secret")
        if reply.startswith("+OK"):
            return gone
        if not reply.startswith("-ERR [IN-USE]"):
            self.ledger.count("changed")
            if not reply.startswith("-ERR [SYS/TEMP]"):
                self.ledger.fault(f"login: {reply}")
        else:
            self.ledger.count("in use")
        return None

    def _fetch(self, gone):
        """Message-number to id; None if the session ended."""
        uids = self.client.uidl()
        names = {}
        wanted = dict(list(uids.items())[:self.rng.choice((20, 100, 1000))])
        self.client.send(b"".join(b"RETR %d\r\n" % n for n in wanted))
        for n, uid in wanted.items():
            if self.client.status().startswith("-ERR"):
                self.ledger.count("changed")
                return None
            names[n] = identify(self.client.multiline().replace(b"\r\n", b"\n"))
            self.ledger.see(names[n], uid, gone)
            self.ledger.count("sent")
        return names

    def _choose(self, names):
        numbers = sorted(n for n in names if not names[n].endswith(self.storm.reserved))
        if not numbers:
            return []
        ways = (numbers, numbers, numbers[:1], numbers[-1:], numbers[1:],
                self.rng.sample(numbers, len(numbers) // 2))
        return self.rng.choice(ways)

    def _delete(self, names):
        numbers = self._choose(names)
        self.client.send(b"".join(b"DELE %d\r\n" % n for n in numbers))
        for _ in numbers:
            if not self.client.status().startswith("+OK"):
                raise ProtocolError("DELE is refused")
        if self.rng.random() < 0.05:
            return  # closed without QUIT: nothing may be deleted
        if self.rng.random() < 0.05:
            self.client.ok("RSET")
            numbers = []
        self._quit([names[n] for n in numbers])

    def _quit(self, names):
        try:
            reply = self.client.command("QUIT")
        except (ConnectionError, Closed, TimeoutError):
            with self.ledger.lock:
                self.ledger.doubtful.update(names)
            raise
        if reply.startswith("+OK"):
            self.ledger.note_deleted(names)
        else:
            self.ledger.count("refused")
