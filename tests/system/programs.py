"""Mail programs of Debian's for a storm: procmail, exim, dotlockfile, mutt
and s-nail, all working on one maildrop, in a mount namespace of their own
where /etc knows the maildrop's user and exim's. Needs root.

exim is not installed (it would become this machine's mail system) but
unpacked below build/pkgs by tests/run.sh.
"""
import os
import shutil
import stat
import subprocess

import harness
import oracle
import storm

EXIM = harness.ROOT / "build/pkgs/exim4-daemon-light/usr/sbin/exim4"
PROGRAMS = ("cc", "procmail", "dotlockfile", "mutt", "s-nail", "unshare", "setpriv", "script")

EXIM_CONF = """\
exim_path = {exim}
primary_hostname = example.org
spool_directory = {spool}
log_file_path = {spool}/log-%s
keep_environment =
message_logs = false
check_spool_space = 0
local_interfaces = 127.0.0.1
begin routers
all:
  driver = accept
  transport = spool
begin transports
spool:
  driver = appendfile
  file = {path}
  user = {uid}
  group = mail
  mode = 0600
  check_owner = false
  lock_interval = 1s
  lock_retries = 30
begin retry
* * F,1h,1s
"""

MUTTRC = """\
set delete=yes quit=yes move=no confirmappend=no confirmcreate=no sleep_time=0
set wait_key=no mbox_type=mbox record="" folder=~ mark_old=no read_inc=0 write_inc=0
push '<delete-pattern>~s 7$<enter><quit><exit>'
"""

# mutt takes fcntl first and holds it while it waits for the dotlock; procmail
# holds the dotlock while it waits for fcntl. The two hold each other up, so
# they are not to be in one storm.

# s-nail writes back what it read when it began: the lock must be held over all
# of it, and it makes no dotlock for a folder named by -f.
NAIL = """\
dotlockfile -l -p -i 1 -r 20 {path}.lock || exit 0
printf 'copy @subject@8$ {saved}\\ndelete @subject@8$\\nquit\\n' |
    s-nail -n -# -S v15-compat=yes -f {path}
dotlockfile -u {path}.lock
"""

DOTLOCKFILE = """\
dotlockfile -l -p -i 1 -r 20 {path}.lock || exit 75
(echo 'From storm@example.org Thu Nov 24 18:22:48 1994'; cat; echo) >>{path}
dotlockfile -u {path}.lock
"""


def lacking():
    """What is not here: programs, or a mount namespace (some containers have none)."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    # without its right to become the user exim only queues, until the storm is over
    if not (EXIM.exists() and EXIM.stat().st_mode & stat.S_ISUID):
        missing.append(f"{EXIM}, set-user-id root")
    if "unshare" not in missing and subprocess.run(["unshare", "-m", "true"], check=False,
                                                   capture_output=True).returncode != 0:
        missing.append("a mount namespace")
    return missing


# The last digit of the ids that are left to a reader.
RESERVED = {"mutt": "7", "s-nail": "8"}


class Programs:
    """What may be ordered in a storm."""

    def __init__(self, tempest):
        self.storm = tempest
        self.home = tempest.tools / "home"
        self.spool = tempest.tools / "exim"
        self.etc = tempest.tools / "etc"
        self.saved = self.home / "saved"  # what s-nail took
        self._lay_out()

    def _lay_out(self):
        uid = self.storm.server.uid
        self.home.mkdir()
        self.spool.mkdir()
        os.chown(self.home, uid, -1)
        self.etc.mkdir()
        for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache"):
            shutil.copy(f"/etc/{name}", self.etc)
        exim_uid = uid + 1
        os.chown(self.spool, exim_uid, exim_uid)
        with open(self.etc / "passwd", "a") as passwd:
            passwd.write(f"storm:x:{uid}:8::{self.home}:/bin/sh\n"
                         f"Debian-exim:x:{exim_uid}:{exim_uid}::/:/usr/sbin/nologin\n")
        with open(self.etc / "group", "a") as group:
            group.write(f"Debian-exim:x:{exim_uid}:\n")
        facts = {"exim": EXIM, "spool": self.spool, "path": self.storm.path, "uid": uid}
        (self.etc / "exim4").mkdir()
        (self.etc / "exim4" / "exim4.conf").write_text(EXIM_CONF.format(**facts))
        (self.storm.tools / "muttrc").write_text(MUTTRC)
        (self.storm.tools / "procmailrc").write_text(f"LOCKSLEEP=1\n:0:\n{self.storm.path}\n")

    def _inside(self, command, as_root=False):
        """A command as it is run there."""
        mount = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', self.etc]
        user = [] if as_root else ["setpriv", "--reuid", str(self.storm.server.uid),
                                   "--regid", "mail", "--clear-groups"]
        clean = ["env", "-i", f"HOME={self.home}", "PATH=/usr/bin:/bin:/usr/sbin", "TERM=vt100"]
        return [*mount, *user, *clean, *command]

    def deliver(self, name, count, pause):
        """The tests' deliverer hands its messages to this program."""
        rc = self.storm.tools / "procmailrc"
        commands = {
            "procmail": ["procmail", "-f", "storm@example.org", "-m", rc],
            "dotlockfile": ["sh", "-c", DOTLOCKFILE.format(path=self.storm.path)],
            "exim": [EXIM, "-odi", "-oi", "-f", "storm@example.org", "mrose@example.org"],
        }
        command = [self.storm.tools / "deliver", "command", self.storm.path, name, count, pause,
                   *commands[name]]
        self.storm.deliverers.append(self.storm.order(
            self._inside(command, name == "exim"), self.storm.ledger.note_delivered, user=0))

    def read(self, name):
        """Again and again, until all is over. One message stays: mutt forgets
        the keys pushed to it where there is none, and waits for others."""
        self.storm.deliver("dotlock-fcntl", 1, 0, name="stays")
        self.storm.deliverers[-1].wait(30)
        self.storm.reserved += (RESERVED[name], "stays-0")
        path = self.storm.path
        commands = {
            "mutt": ["timeout", "20", "script", "-qec",
                     f"stty rows 24 cols 80 && mutt -n -F {self.storm.tools}/muttrc -f {path}",
                     "/dev/null"],
            "s-nail": ["sh", "-c", NAIL.format(path=path, saved=self.saved)],
        }
        self.storm.thread(self._read, name, self._inside(commands[name]))

    def _read(self, name, command):
        while not self.storm.calm.wait(0.5):
            done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=60, cwd="/")
            self.storm.ledger.count(name)
            if done.returncode != 0:
                self.storm.ledger.fault(f"{name}: {done.stdout[-500:]} {done.stderr[-500:]}")

    def finish(self):
        """What exim queued it delivers now; what readers took is accounted for."""
        command = [str(word) for word in self._inside([EXIM, "-qff"], as_root=True)]
        subprocess.run(command, check=True, timeout=60)
        queued = list((self.spool / "input").glob("*"))
        if queued:
            self.storm.ledger.fault(f"exim still has {len(queued)} files of its queue")
        there = set(self.storm.remaining())
        data = self.saved.read_bytes() if self.saved.exists() else b""
        saved = {storm.identify(b"".join(m.lines)) for m in oracle.parse(data)}
        self._took("s-nail", saved - there)
        # mutt keeps no copy, so of its share only what is left can be told
        ledger = self.storm.ledger
        if ledger.counts["mutt"]:
            share = {name for name in ledger.delivered if name.endswith(RESERVED["mutt"])}
            self._took("mutt", share - set(ledger.deleted) - there)

    def _took(self, name, names):
        self.storm.ledger.note_deleted(names)
        runs = self.storm.ledger.counts[name]
        print(f"# {name} took {len(names)} in {runs} runs", flush=True)
