"""The peers: other POP3 servers, from Debian's packages as peers.sh unpacked
them, each on loopback with maildrops of its own.

They want system users and fixed paths. So the whole measurement runs in a
mount namespace of its own (isolate()), in which /etc has users that are made
here, and every peer gets the folders that it expects mounted over those of
the machine. Nothing of that is seen outside or stays. It needs root; without
it there are no peers.
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import harness
import tools
from servers import FIRST_UID, USERS, Server, descendants
from tools import BIN, WORK, MeasureError

PACKAGES = harness.ROOT / "build" / "pkgs"
ISOLATED = "POPLAR_BENCH_ISOLATED"
# cheap, so that not the hash is measured
HASH = harness.crypted("secret", "pb")
SYSTEM_USERS = ("dovecot", "dovenull", "popa3d", "spop3d")


def isolate():
    """Starts this program again in namespaces of its own; needs root."""
    if os.geteuid() != 0:
        return "needs root"
    if ISOLATED not in os.environ:
        probe = subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.PIPE,
                               text=True)
        if probe.returncode != 0:
            return probe.stderr.strip()
        os.environ[ISOLATED] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    name_users()
    return None


def name_users():
    """bench0 ... and the users that peers run as, in this namespace alone."""
    folder = WORK / "etc"
    folder.mkdir(parents=True, exist_ok=True)
    users = {f"bench{n}": FIRST_UID + n for n in range(USERS)}
    users.update({name: 900 + n for n, name in enumerate(SYSTEM_USERS)})
    rows = {"passwd": "{name}:x:{uid}:{uid}::/nonexistent:/bin/sh\n",
            "shadow": "{name}:{hash}:20000:0:99999:7:::\n", "group": "{name}:x:{uid}:\n"}
    for file, row in rows.items():
        text = pathlib.Path(f"/etc/{file}").read_text()
        text += "".join(row.format(name=name, uid=uid, hash=HASH) for name, uid in users.items())
        (folder / file).write_text(text)
        (folder / file).chmod(0o600 if file == "shadow" else 0o644)
    # the folder as a whole: a mount over a file is lost when the machine's
    # own is replaced
    overlay(folder, "/etc")


def overlay(layers, target):
    """Shows layers over a folder, in this namespace alone."""
    subprocess.run(overlay_command(layers, target).split(), check=True)


def overlay_command(layers, target):
    return f"mount -t overlay overlay -o lowerdir={layers}:{target} {target}"


def package(name, path):
    file = PACKAGES / name / path
    if not file.exists():
        raise MeasureError("not here (sh tests/bench/peers.sh)")
    return file


class Peer(Server):
    """A process with mounts of its own, and /var/mail."""

    few = 300

    def __init__(self, certificate):
        self.dir = tools.place / "peers" / self.name
        self.mail = self.dir / "mail"
        for path in (self.dir, self.mail, self.dir / "run", self.dir / "state"):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        self.mail.chmod(0o1777)
        os.chown(self.mail, 0, 8)
        self.certificate = certificate
        self.log = open(self.dir / "log", "wb")
        self.process = None
        self.start()

    def mounts(self):
        """Shell text that runs before the server starts."""
        return f"mount --bind {self.mail} /var/mail"

    def command(self):
        raise NotImplementedError

    def start(self):
        command = " ".join(f"'{part}'" for part in self.command())
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", f"{self.mounts()} && exec {command}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.wait_port()
        except MeasureError:
            self.stop()
            raise

    def wait_port(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
                    if probe.recv(3) == b"+OK":
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise MeasureError(f"did not start, see {self.dir / 'log'}")

    def uid(self, number):
        """The uid of the user with that number."""
        return FIRST_UID + number

    def give(self, path, user):
        uid = self.uid(int(user.removeprefix("bench")))
        os.chown(path, uid, uid)
        os.chmod(path, 0o600)

    def pids(self):
        return descendants(self.process.pid)

    def stop(self):
        for pid in self.pids():
            harness.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        self.log.close()


class Dovecot(Peer):
    """2.3, as installed: processes are not reused between logins."""

    name = "dovecot"
    port, tls_port = 1110, 1995
    # "service NAME { ... }" beyond the listeners
    login_service = pop3_service = ""

    def mounts(self):
        lib = ":".join(str(package(name, "usr/lib")) for name in ("dovecot-pop3d", "dovecot-core"))
        return (overlay_command(lib, "/usr/lib") + " && " +
                overlay_command(package("dovecot-core", "usr/bin"), "/usr/bin"))

    def command(self):
        self.conf = self.dir / "dovecot.conf"
        self.conf.write_text(self.text())
        users = "".join(f"bench{n}:{{CRYPT}}{HASH}:{self.uid(n)}:{self.uid(n)}::/nonexistent::\n"
                        for n in range(USERS))
        (self.dir / "users").write_text(users)
        return [package("dovecot-core", "usr/sbin/dovecot"), "-F", "-c", self.conf]

    def text(self):
        return f"""
base_dir = {self.dir}/run
state_dir = {self.dir}/state
log_path = {self.dir}/log
protocols = pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <{self.certificate}
ssl_key = <{self.certificate}
disable_plaintext_auth = no
mail_location = mbox:{self.dir}/state/%u:INBOX={self.mail}/%u:INDEX={self.dir}/index/%u
mbox_write_locks = fcntl
first_valid_uid = 1
service pop3-login {{
  inet_listener pop3 {{
    port = {self.port}
  }}
  inet_listener pop3s {{
    port = {self.tls_port}
  }}
  {self.login_service}
}}
service pop3 {{
  {self.pop3_service}
}}
passdb {{
  driver = passwd-file
  args = {self.dir}/users
}}
userdb {{
  driver = passwd-file
  args = {self.dir}/users
}}
"""

    def forget(self, user):
        index = self.dir / "index"
        index.mkdir(exist_ok=True)
        index.chmod(0o1777)
        subprocess.run(["rm", "-rf", index / user, self.dir / "state" / user], check=True)
        (self.dir / "state").chmod(0o1777)


class DovecotReusing(Dovecot):
    """A process serves one client after the other, which it does where all users
    have one uid alone."""

    name = "dovecot-reusing"
    port, tls_port = 1112, 1996
    only = ("sessions", "tls_sessions")
    login_service = "service_count = 0\n  process_min_avail = 2"
    pop3_service = "service_count = 1000"

    def uid(self, number):
        return FIRST_UID


class FromInetd(Peer):
    """The loop accepts and starts the program for each client."""

    def inetd(self, *command):
        self.port = harness.free_port()
        return [BIN / "loop", "inetd", str(self.port), *command]


class Popa3d(FromInetd):
    """As a daemon it refuses many sessions from one address."""

    name = "popa3d"

    def mounts(self):
        empty = self.dir / "lib" / "popa3d"
        empty.mkdir(parents=True, exist_ok=True)
        return super().mounts() + " && " + overlay_command(empty.parent, "/var/lib")

    def command(self):
        return self.inetd(package("popa3d", "usr/sbin/popa3d"))


class Mailutils(Peer):
    name = "mailutils"
    port, tls_port = 1111, None

    def command(self):
        conf = self.dir / "conf"
        conf.write_text(f"""
mode daemon;
foreground yes;
max-children 200;
pidfile {self.dir}/run/pid;
tcp-wrappers {{ enable no; }};
server 127.0.0.1:{self.port} {{ single-process no; }};
""")
        return [package("mailutils-pop3d", "usr/sbin/pop3d"), f"--config-file={conf}", "--foreground"]


class SolidPop3d(FromInetd):
    name = "solid-pop3d"

    def command(self):
        conf = self.dir / "conf"
        conf.write_text('<Global>\n\tMailDropName "/var/mail/%s"\n\tMailDropType mailbox\n'
                        '\tUserOverride no\n</Global>\n')
        return self.inetd(package("solid-pop3d", "usr/sbin/solid-pop3d"), "-f", conf)


PEERS = (Dovecot, DovecotReusing, Popa3d, Mailutils, SolidPop3d)
