"""A session looked at from outside, in /proc: what it is, what it holds, what
becomes of it when it is killed, or when something inside it asks the kernel
for what a session never needs (93).
"""
import mmap
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import unittest

import harness
import oracle
from harness import children, kill, needs_root, proc_stat, proc_status, wait_until

MAIL = oracle.mbox_of(*(oracle.message_of(100 + 20 * n, b"%d" % n) for n in range(1, 4)))
INJECT = harness.BUILD / "tools" / "inject"

# What no session may ask for, with arguments that would otherwise do.
AT_FDCWD = 2**64 - 100
PROT_ALL = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
FORBIDDEN = (
    ("open",), ("openat", AT_FDCWD), ("openat2", AT_FDCWD), ("creat",), ("open_by_handle_at",),
    ("readlink",), ("unlink",), ("rename",), ("link",), ("symlink",), ("mkdir",), ("chmod",),
    ("fchmod", 3, 0o777), ("chown",), ("truncate",), ("stat",), ("access",), ("getdents64", 3),
    ("chdir",), ("chroot",), ("mount",), ("pivot_root",), ("unshare", 0x10000000), ("setns", 3),
    ("socket", 2, 1), ("socketpair", 1, 1), ("connect", 3), ("bind", 3), ("listen", 3, 1),
    ("accept4", 3), ("sendto", 3), ("sendmsg", 3, 0, 0x20000000),  # MSG_FASTOPEN
    ("recvmsg", 3, 0, 2), ("setsockopt", 3), ("ioctl", 3, 0x5413),
    ("execve",), ("execveat", AT_FDCWD), ("fork",), ("vfork",), ("clone", 17), ("clone3",),
    ("kill", 1, 0), ("tgkill", 1, 1, 0), ("ptrace", 0), ("process_vm_readv", 1), ("pidfd_open", 1),
    ("setuid", 0), ("setresuid", 0, 0, 0), ("setgroups",), ("capset",), ("prctl", 4, 1),
    ("seccomp", 1), ("setrlimit", 7), ("prlimit64", 0, 7), ("keyctl",), ("bpf",),
    ("io_uring_setup", 1), ("userfaultfd",), ("memfd_create",), ("perf_event_open",),
    ("mprotect", 0, 4096, PROT_ALL), ("pkey_mprotect", 0, 4096, PROT_ALL),
    ("mmap", 0, 4096, PROT_ALL, ANONYMOUS, 2**64 - 1), ("mmap", 0, 4096, 1, mmap.MAP_SHARED, 3),
    ("fcntl", 3, 0), ("fcntl", 3, 2, 0), ("fcntl", 3, 6), ("lseek", 3, 0, os.SEEK_SET),
    ("newfstatat", AT_FDCWD, 0, 0, 0),
    ("dup2", 3, 9), ("pipe2",), ("eventfd2",), ("signalfd4", 3), ("rt_sigaction", 31),
    ("0x40000101", AT_FDCWD),  # openat of another ABI
    ("shmget",), ("mq_open",), ("syslog", 3), ("reboot",), ("init_module",), ("uname",),
)


def fields(pid, *names):
    return [proc_status(pid, name).split() for name in names]


def limits(pid):
    """Soft and hard limit by name."""
    rows = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {row[:26].strip(): row[26:].split()[:2] for row in rows}


def descriptors(pid):
    folder = pathlib.Path(f"/proc/{pid}/fd")
    try:
        return {int(path.name): os.readlink(path) for path in folder.iterdir()}
    except FileNotFoundError:  # it has ended
        return {}


def server_socket(server, client):
    """The link text of the server's end of a connection."""
    ours = client.sock.getsockname()[1]
    for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        cells = row.split()
        ports = [int(cells[i].rpartition(":")[2], 16) for i in (1, 2)]
        if ports == [server.port, ours]:
            return f"socket:[{cells[9]}]"
    raise AssertionError("no such connection")


def is_gone(pid):
    """Dead; an orphan need not have been buried by init yet."""
    stat = proc_stat(pid)
    return stat is None or stat[:2] == ["Z", "1"]


class SandboxCase(harness.TestCase):
    privileged = False

    def setUp(self):
        users = {name: "{PLAIN}secret" for name in ("mrose", "other")}
        self.server = self.daemon(privileged=self.privileged, users=users)
        for user in users:
            self.server.put(MAIL, user)

    def session_of(self, client):
        """Its process, and its monitor's."""
        socket = server_socket(self.server, client)
        for monitor in self.server.monitors():
            for session in children(monitor):
                if socket in descriptors(session).values():
                    return session, monitor
        raise AssertionError("no session holds the connection")

    def connected(self):
        client = self.server.client()
        self.addCleanup(client.close)
        return client, *self.session_of(client)

    def logged_in(self, user="mrose"):
        client, session, monitor = self.connected()
        client.login(user)
        return client, session, monitor

    def assert_service(self):
        """No zombie is left, and the maildrops can be had."""
        self.server.wait_idle()
        for user in ("mrose", "other"):
            with self.server.logged_in(user) as client:
                self.assert_served(client, oracle.parse(MAIL))
                client.quit()
        self.server.wait_idle()
        self.assertEqual(children(self.server.process.pid), [])


class Proc(SandboxCase):
    """As the caller's user: everything but the change of user and root."""

    def test_state(self):
        for login in (False, True):
            pid = self.single_session(login)
            self.assertEqual(fields(pid, "Seccomp", "NoNewPrivs"), [["2"], ["1"]])
            for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(proc_status(pid, name), 16), 0, name)
            self.assert_user(pid)

    def single_session(self, login=False):
        client = self.server.logged_in() if login else self.server.client()
        self.addCleanup(client.close)
        return max(self.server.sessions())

    def assert_user(self, pid):
        uid = os.geteuid() if os.geteuid() != 0 else self.server.uid
        self.assertEqual(fields(pid, "Uid"), [[str(uid)] * 4])

    def test_limits(self):
        found = limits(self.single_session())
        self.assertEqual(found["Max processes"], ["0", "0"])
        self.assertEqual(found["Max core file size"], ["0", "0"])
        self.assertLessEqual(int(found["Max open files"][1]), 16)

    def test_not_dumpable(self):
        pid = self.single_session(login=True)
        self.assertEqual(os.stat(f"/proc/{pid}/mem").st_uid, 0)

    def test_its_own_user_cannot_look_into_it(self):
        """A process of the session's user: no memory, no descriptors."""
        pid = self.single_session(login=True)
        uid = int(proc_status(pid, "Uid").split()[0])
        who = {"user": uid, "group": uid, "extra_groups": []} if os.geteuid() == 0 else {}
        for name in ("mem", "maps", "environ", "fd/3"):
            look = subprocess.run(
                ["/usr/bin/python3", "-c", f"open('/proc/{pid}/{name}', 'rb').read(1)"], **who,
                stderr=subprocess.PIPE, check=False)
            self.assertIn(b"PermissionError", look.stderr, name)


@needs_root
class ProcAsRoot(Proc):
    """As root: another user, an empty root."""

    privileged = True

    def assert_user(self, pid):
        user = pwd.getpwnam(self.server.options["server.user"])
        self.assertEqual(fields(pid, "Uid", "Gid"),
                         [[str(user.pw_uid)] * 4, [str(user.pw_gid)] * 4])
        self.assertNotEqual(user.pw_uid, 0)
        self.assertEqual(proc_status(pid, "Groups"), "")

    def test_empty_root(self):
        for login in (False, True):
            pid = self.single_session(login)
            self.assertEqual(os.listdir(f"/proc/{pid}/root"), [])
            self.assertTrue(os.path.samefile(f"/proc/{pid}/root", f"/proc/{pid}/cwd"))
            self.assertFalse(os.path.samefile(f"/proc/{pid}/root", "/"))
            found = os.stat(f"/proc/{pid}/root")
            self.assertEqual((found.st_uid, found.st_mode & 0o022), (0, 0))

    def test_monitor_keeps_its_real_identity(self):
        """The user can neither signal nor trace it: only file-system ids change."""
        _, _, monitor = self.logged_in()
        self.assertEqual(fields(monitor, "Uid", "Gid"), [["0"] * 4, ["0"] * 4])


@needs_root
class Descriptors(SandboxCase):
    def assert_null(self, found):
        self.assertEqual([found.pop(n) for n in range(3)], ["/dev/null"] * 3)

    def assert_before_login(self, client, found):
        self.assertEqual(found.pop(3), server_socket(self.server, client))
        pairs = [number for number, link in found.items() if link.startswith("socket:")]
        self.assertEqual(len(pairs), 1, found)
        inode = found.pop(pairs[0])[8:-1]
        self.assertRegex(pathlib.Path("/proc/net/unix").read_text(), rf"(?m) {inode}$")

    @unittest.skipIf(harness.BUILD.name == "sanitize", "a sanitizer's report goes to descriptor 2")
    def test_before_and_after_login(self):
        client, session, _ = self.connected()
        found = descriptors(session)
        self.assert_null(found)
        self.assert_before_login(client, found)
        self.assertEqual(found, {})

        client.login()
        found = descriptors(session)
        self.assert_null(found)
        self.assert_before_login(client, found)
        folder = next(self.server.state_dir.glob("**/index")).parent
        self.assertEqual(sorted(found.values()), sorted(
            [str(self.server.path()), str(folder / "index"), str(folder / "journal")]))

        client.err("PASS again")
        client.ok("RETR 1")
        client.multiline()
        self.assertEqual(len(descriptors(session)), 8)

    def test_failed_login_leaves_nothing(self):
        client, session, _ = self.connected()
        before = descriptors(session)
        client.login_fails(password="wrong")
        self.server.put(b"no mbox\n", "other")
        client.login_fails("other", code="[SYS/PERM]")
        self.assertEqual(descriptors(session), before)

    def test_monitor_and_listener_have_no_client(self):
        client, session, monitor = self.logged_in()
        socket = server_socket(self.server, client)
        for pid in (monitor, self.server.process.pid):
            self.assertNotIn(socket, descriptors(pid).values())
        # and nobody but the listener holds the listening socket
        listening = {link for link in descriptors(self.server.process.pid).values()
                     if link.startswith("socket:")}
        self.assertFalse(listening & set(descriptors(monitor).values()))
        self.assertFalse(listening & set(descriptors(session).values()))

    def test_sessions_do_not_share(self):
        """No socket, no file and no memory of another session's."""
        first, second = self.logged_in()[1], self.logged_in("other")[1]
        held = [{link for number, link in descriptors(pid).items() if number > 2}
                for pid in (first, second)]
        self.assertEqual(held[0] & held[1], set())
        for pid in (first, second):
            maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
            self.assertNotRegex(maps, r"(?m)^\S+ \S+s .*/dev/zero", "the listener's table")
            self.assertNotRegex(maps, r"(?m)^\S+ .wx", "writable and executable")


@needs_root
class DescriptorsAsRoot(Descriptors):
    privileged = True


@needs_root
class Deaths(SandboxCase):
    privileged = True

    def test_session_dies_with_its_monitor(self):
        for log_in in (self.connected, self.logged_in):
            client, session, monitor = log_in()
            other, *_ = self.logged_in("other")
            self.assertFalse(is_gone(session))
            kill(monitor)
            wait_until(lambda: is_gone(session) and is_gone(monitor), what="their end")
            client.expect_closed()
            other.ok("NOOP")
            other.quit()
        self.assert_service()

    def test_monitor_outlives_a_killed_session(self):
        for number in (signal.SIGKILL, signal.SIGSEGV):
            client, session, monitor = self.logged_in()
            client.ok("DELE 1")
            other, *_ = self.logged_in("other")
            kill(session, number)
            client.expect_closed()
            self.server.wait_log(rf"user=mrose .*died of signal {int(number)}\b")
            wait_until(lambda: is_gone(session) and is_gone(monitor), what="their end")
            other.ok("NOOP")
            other.quit()
        self.assert_service()

    def test_signals_that_a_person_could_send_do_not_end_a_session(self):
        client, session, monitor = self.logged_in()
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM,
                       signal.SIGPIPE, signal.SIGXFSZ):
            kill(session, number)
            kill(monitor, number)
        client.ok("NOOP")
        client.quit()
        self.assert_service()


@needs_root
@unittest.skipIf(harness.BUILD.name == "sanitize", "a sanitizer's build permits more")
class Intruder(SandboxCase):
    """93: what a debugger puts into a session, in place of its poll."""

    def setUp(self):
        if not INJECT.exists():
            self.skipTest(f"needs {INJECT} (make units)")
        super().setUp()

    def inject(self, pid, call, *arguments):
        done = subprocess.run([INJECT, str(pid), call, *map(str, arguments)],
                              capture_output=True, text=True, timeout=20, check=False)
        if done.returncode == 77:
            self.skipTest("inject does not know this machine's registers")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_93_control(self):
        """What is permitted works, and the session does not notice."""
        client, session, _ = self.logged_in()
        for call, *arguments in (("getpid",), ("fcntl", 3, 3), ("madvise",),
                                 ("gettimeofday",), ("time",)):
            self.assertRegex(self.inject(session, call, *arguments), r"^returned \d+$")
        self.assertEqual(self.inject(session, "getpid"), f"returned {session}")
        self.assert_served(client, oracle.parse(MAIL))
        client.quit()

    def check_dies(self, call, arguments, log_in):
        client, session, _ = log_in()
        self.assertEqual(self.inject(session, call, *arguments), f"signal {int(signal.SIGSYS)}")
        client.expect_closed()
        client.close()

    def test_93_forbidden_calls_die(self):
        other, *_ = self.logged_in("other")
        for number, (call, *arguments) in enumerate(FORBIDDEN):
            with self.subTest(call=call, arguments=arguments):
                # in AUTHORIZATION and in TRANSACTION by turns
                self.check_dies(call, arguments, (self.connected, self.logged_in)[number % 2])
        self.server.wait_log(r"died of signal 31\b", count=len(FORBIDDEN))
        self.assert_served(other, oracle.parse(MAIL))
        other.quit()
        self.assert_service()

    def test_93_forbidden_calls_die_in_either_state(self):
        for call, *arguments in (("openat", AT_FDCWD), ("socket", 2, 1), ("execve",), ("ptrace",)):
            for log_in in (self.connected, self.logged_in):
                with self.subTest(call=call, state=log_in.__name__):
                    self.check_dies(call, arguments, log_in)
        self.assert_service()


@needs_root
class IntruderAsRoot(Intruder):
    privileged = True


class Outsider(SandboxCase):
    def test_no_tracing_without_root(self):
        """As the daemon's user, a session cannot be traced at all."""
        if not INJECT.exists():
            self.skipTest(f"needs {INJECT} (make units)")
        # the tree may be where only root can enter
        tool = shutil.copy(INJECT, self.server.dir)
        with self.server.logged_in():
            session = self.server.session()
            who = {}
            if os.geteuid() == 0:
                who = {"user": self.server.uid, "group": self.server.gid, "extra_groups": []}
            done = subprocess.run([tool, str(session), "getpid"], **who, capture_output=True,
                                  text=True, check=False)
            self.assertRegex(done.stderr, "Operation not permitted|Permission denied")


if __name__ == "__main__":
    harness.main()
