"""Group B with PAM: system users, and modules that misbehave. Makes throw-away
system users and PAM services, and removes both."""
import base64
import grp
import os
import pathlib
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time

import harness
import oracle
import secure
from client import as_bytes
from harness import needs_program, needs_root
from test_auth import hashed

MAIL = oracle.mbox_of(oracle.message_of(120), oracle.message_of(200, b"2"))
MODULE = harness.ROOT / "tests" / "pam" / "pam_poplar_test.c"
UNIX = "auth required pam_unix.so\naccount required pam_unix.so\n"
# as Debian's common-auth and common-account have it: pam_deny refuses, with one code for all
DEBIAN = "".join(f"{phase} [success=1 {mild}default=ignore] pam_unix.so\n"
                 f"{phase} requisite pam_deny.so\n"
                 f"{phase} required pam_permit.so\n"
                 for phase, mild in (("auth", ""), ("account", "new_authtok_reqd=done ")))


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True)


def free_system_uid():
    """One that is nobody's, below first_uid."""
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {g.gr_gid for g in grp.getgrall()}
    return next(uid for uid in range(998, 500, -1) if uid not in taken)


@needs_root
@needs_program("useradd")
class PamCase(harness.TestCase):
    def setUp(self):
        folder = tempfile.mkdtemp(prefix="poplar-pam-")
        self.addCleanup(shutil.rmtree, folder)
        self.folder = pathlib.Path(folder)

    def user(self, password=None, *options):
        """A system user; None: no password can be right."""
        name = f"pt{secrets.token_hex(4)}"
        if password is not None:
            options += ("-p", hashed(password))
        run("useradd", "-M", "-N", "-s", "/bin/false", "-d", "/nonexistent", *options, name)
        self.addCleanup(subprocess.run, ["userdel", name], capture_output=True)
        return name

    def service(self, text):
        """A PAM service of this text; its name, lower case as PAM asks for it."""
        path = pathlib.Path("/etc/pam.d", f"poplar-test-{secrets.token_hex(4)}")
        path.write_text(text)
        self.addCleanup(path.unlink)
        return path.name

    def module(self, auth="", account=""):
        """A service of our module, which does this for each name of a phase."""
        module, self.notes = self.folder / "pam_poplar_test.so", self.folder / "notes"
        run("cc", "-std=c17", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", str(module),
            str(MODULE), "-lpam")
        return self.service(f"auth required {module} note={self.notes} {auth}\n"
                            f"account required {module} {account}\n")

    def noted(self):
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def serve(self, service, *names, **options):
        server = self.daemon(users={}, privileged=True, options={
            "auth.backends": "users pam", "auth.pam_service": service, **options})
        for name in names:
            os.chown(server.put(MAIL, name), pwd.getpwnam(name).pw_uid, -1)
        return server

    def refused(self, server, name, password, code=None, reason=None):
        """One refused login on a connection of its own: its reply and time."""
        with server.client(timeout=60) as client:
            client.ok(f"USER {name}")
            begin = time.monotonic()
            reply = client.err(b"PASS " + as_bytes(password), code)
            took = time.monotonic() - begin
        if reason is not None:
            server.wait_log(rf"login=fail reason={reason} user={name}\b")
        return reply, took


class SystemUsers(PamCase):
    def test_login_and_mail(self):
        name = self.user("secret")
        server = self.serve(self.service(UNIX), name)
        with server.logged_in(name) as client:
            self.assert_served(client, oracle.parse(MAIL))
            client.ok("DELE 1")
            client.quit()
        self.assertEqual(os.stat(server.path(name)).st_uid, pwd.getpwnam(name).pw_uid)

    def test_B25_reasons_where_pam_deny_refuses(self):
        good, locked, expired = (
            self.user("secret"), self.user("secret"), self.user("secret", "-e", "1990-01-01"))
        run("usermod", "-L", locked)
        server = self.serve(self.service(DEBIAN), good, **{"auth.failure_delay": "10ms"})
        for name, password, reason in (
                (good, "wrong", "password"), ("ptnobody", "secret", "unknown"),
                (locked, "secret", "locked"), (expired, "secret", "locked"),
                (expired, "wrong", "password")):
            with self.subTest(password=password, reason=reason):
                self.refused(server, name, password, "[AUTH]", reason)
        server.logged_in(good).quit()

    def test_B25_one_text_for_all_reasons(self):
        good, locked, expired, low = (
            self.user("secret"), self.user("secret"), self.user("secret", "-e", "1990-01-01"),
            self.user("secret", "-u", str(free_system_uid())))
        nothing = self.user()
        run("usermod", "-L", locked)
        server = self.serve(self.service(UNIX), good, **{"auth.failure_delay": "400ms"})
        self.assert_refused_alike(
            lambda name, password, reason: self.refused(server, name, password, "[AUTH]", reason),
            ((good, "wrong", "password"), ("ptnobody", "secret", "unknown"),
             (locked, "secret", "locked"), (nothing, "secret", "locked"),
             (expired, "secret", "locked"), (expired, "wrong", "password"),
             (low, "secret", 'locked detail="uid"'), (low, "wrong", "password")), 0.4)
        server.logged_in(good).quit()

    def test_B28_passwords_byte_exact(self):
        name = self.user("secret")
        server = self.serve(self.service(UNIX), name, **{"auth.max_attempts": "20"})
        for password in (" before", "after ", " ", "in side", "\ttab\t", "50%s%n", "w\u00f6rter",
                         "a:b", "'\"`$(x)", "x" * 255):
            with self.subTest(password=password):
                run("usermod", "-p", hashed(password), name)
                for wrong in (password + " ", password[:-1], " " + password):
                    if wrong and len(wrong.encode()) <= 255:
                        self.refused(server, name, wrong)
                server.logged_in(name, password).quit()

    def test_B31_no_apop_for_system_users(self):
        name = self.user("secret")
        server = self.serve(self.service(UNIX), name)
        server.write_users({"other": "{APOP}secret"})
        with server.client() as client:
            client.err(f"APOP {name} {client.apop_digest('secret')}", "[AUTH]")
        server.wait_log(rf"login=fail reason=password detail=\"mechanism\" user={name}\b")

    def test_users_file_decides_before_pam(self):
        """Its line for a name decides, a locked or faulty one too."""
        name = self.user("secret")
        server = self.serve(self.service(UNIX), name)
        for line in (f"{name}:!:::::\n", f"{name}:{{PLAIN}}other:::::\n", f"{name}:\n"):
            with self.subTest(line=line):
                server.users_file.write_text(line)
                self.refused(server, name, "secret", "[AUTH]")
        server.wait_log(rf"{server.users_file}:1: ")
        server.users_file.write_text(f"{name}:{{PLAIN}}other:::::\n")
        server.logged_in(name, "other").quit()
        server.users_file.write_text("")
        server.logged_in(name).quit()

    def test_111_no_service_file(self):
        """PAM would take the rules of "other"; Poplar does not."""
        name = self.user("secret")
        server = self.serve("poplar-test-absent", name)
        self.assertIn("warning: auth.pam_service: no PAM service", server.log())
        self.refused(server, name, "secret", "[AUTH]", "unknown")
        self.refused(server, "nobody-at-all", "secret", "[AUTH]", "unknown")


@needs_program("cc")
class Modules(PamCase):
    def modules(self, **actions):
        """A service whose module does this for each of the names."""
        return self.module(" ".join(f"{name}={action}" for name, action in actions.items()))

    def test_what_a_module_is_given(self):
        name = self.user()
        server = self.serve(self.modules(**{name: "ok"}), name)
        server.logged_in(name, " p\u00e4ss % ").quit()
        self.assertEqual(self.noted(), [
            f"{name} 127.0.0.1 pop3 - " + " p\u00e4ss % ".encode().hex()])

    def test_B26_B29_pam_is_not_asked(self):
        server = self.serve(self.modules(x="ok"), **{"auth.max_attempts": "20"})
        with server.client() as client:
            for name in ("../x", "a/b", ".", "-x", "x.lock", "%u"):
                if client.command(f"USER {name}").startswith("+OK"):
                    client.err("PASS secret")
            if client.command("USER x").startswith("+OK"):
                client.err("PASS ")
        self.assertEqual(self.noted(), [])
        self.refused(server, "unheard-of", "secret")
        self.assertEqual(len(self.noted()), 1, "PAM is asked for unknown names")

    def test_B35_module_ends_the_process(self):
        good = self.user()
        names = {f"pt{action}": action
                 for action in ("crash", "abort", "exit", "daemon-crash", "question")}
        server = self.serve(self.modules(**{good: "ok"}, **names), good)
        with server.logged_in(good, "x") as other:
            for name in names:
                with self.subTest(name=name):
                    _, took = self.refused(server, name, "x", "[SYS/TEMP]", "trouble")
                    self.assertLess(took, 15)
            self.assertEqual(other.stat()[0], 2)
            other.quit()
        server.wait_idle()

    def test_B35_module_hangs(self):
        good = self.user()
        server = self.serve(self.modules(**{good: "ok"}, pthang="hang"), good)
        with server.client(timeout=50) as stuck:
            with server.client() as leaving:
                leaving.ok("USER pthang")
                leaving.send_line("PASS x")
            stuck.ok("USER pthang")
            begin = time.monotonic()
            stuck.send_line("PASS x")
            server.logged_in(good, "x").quit()
            self.assertTrue(stuck.status().startswith("-ERR [SYS/TEMP]"))
            self.assertGreater(time.monotonic() - begin, 10, "did it hang at all?")
            # that session goes on
            stuck.ok(f"USER {good}")
            stuck.ok("PASS x")
            stuck.quit()
        server.wait_idle()
        self.assertEqual(self.holders(), [], "a process with the module still runs")

    def test_B35_module_leaves_a_daemon(self):
        name = self.user()
        server = self.serve(self.modules(**{name: "daemon"}), name)
        with server.logged_in(name, "x") as client:
            tree = set(harness.children(server.process.pid))
            tree |= {p for pid in tree for p in harness.children(pid)}
            self.assertEqual(len(tree), 2, "monitor and session only")
            self.assertEqual(self.holders(), [], "a process with the module still runs")
            client.quit()

    def holders(self):
        """Processes that have the module mapped."""
        found = []
        for pid in harness.all_pids():
            try:
                if str(self.folder) in pathlib.Path(f"/proc/{pid}/maps").read_text():
                    found.append(pid)
            except OSError:
                continue
        return found

    def test_B37_account_that_is_gone(self):
        """The password was right, but there is no such account any more."""
        server = self.serve(self.modules(ptgone="ok"))
        self.refused(server, "ptgone", "x", "[AUTH]", "unknown")

    def test_B25_module_makes_the_user_root(self):
        name = self.user()
        server = self.serve(self.modules(**{name: "become-root", "root": "ok"}), name)
        self.refused(server, name, "x", "[AUTH]", 'locked detail="uid"')
        self.refused(server, "root", "x", "[AUTH]", 'locked detail="uid"')


@needs_program("cc")
class Certificates(PamCase):
    """AUTH EXTERNAL for system users: the certificate takes the password's place,
    and PAM's account phase is asked all the same."""

    daemon_class = secure.TlsDaemon

    def setUp(self):
        if secure.x509 is None:
            self.skipTest("needs the package python3-cryptography")
        super().setUp()

    def serve(self, service, *names, **options):
        return super().serve(service, *names, **{
            "tls.client_ca": secure.trusting_ca_file(), **options})

    def client(self, server, name):
        """A client whose certificate is of this name."""
        context = secure.trusting(client=secure.pair("of-" + name.replace("/", "-"), names=(), common=name))
        client = server.tls_client(context)
        self.addCleanup(client.close)
        return client

    def turned_away(self, server, name, reason, code="[AUTH]"):
        """One refused login: its reply and time."""
        client = self.client(server, name)
        begin = time.monotonic()
        reply = client.err("AUTH EXTERNAL =", code)
        took = time.monotonic() - begin
        server.wait_log(rf"auth=EXTERNAL login=fail reason={reason} user={name}$")
        return reply, took

    def test_login_and_mail(self):
        name, other = self.user("secret"), self.user("secret")
        server = self.serve(self.service(UNIX), name, other)
        client = self.client(server, name)
        client.err("AUTH EXTERNAL " + base64.b64encode(other.encode()).decode(), "[AUTH]")
        client.ok("AUTH EXTERNAL =")
        self.assert_served(client, oracle.parse(MAIL))
        client.ok("DELE 1")
        client.quit()
        server.wait_log(f"user={name} .*auth=EXTERNAL login=ok")
        self.assertEqual(os.stat(server.path(name)).st_uid, pwd.getpwnam(name).pw_uid)
        # whom no password lets in: `*`, as adduser --disabled-password leaves it
        run("usermod", "-p", "*", name)
        self.client(server, name).ok("AUTH EXTERNAL =")

    def test_B25_one_text_for_all_reasons(self):
        good, locked, expired, stale, low = (
            self.user("secret"), self.user("secret"), self.user("secret", "-e", "1990-01-01"),
            self.user("secret"), self.user("secret", "-u", str(free_system_uid())))
        nothing = self.user()
        run("usermod", "-L", locked)
        run("chage", "-d", "0", stale)
        server = self.serve(self.service(UNIX), good, **{"auth.failure_delay": "400ms"})
        reply = self.assert_refused_alike(
            lambda name, reason: self.turned_away(server, name, reason),
            ((locked, "locked"), (nothing, "locked"), (expired, "locked"), (stale, "locked"),
             (low, 'locked detail="uid"'), ("root", 'locked detail="uid"'),
             ("ptnobody", "unknown"), ("../" + good, "unknown"), (good + ".lock", "unknown")), 0.4)
        self.assertEqual(reply, "-ERR [AUTH] login failed")
        self.client(server, good).ok("AUTH EXTERNAL =")

    def test_what_the_account_phase_is_given(self):
        good, bad = self.user("secret"), self.user("secret")
        server = self.serve(self.module("", f"note={self.folder / 'notes'} {bad}=expire"), good, bad)
        self.client(server, good).ok("AUTH EXTERNAL =")
        self.turned_away(server, bad, "locked")
        self.turned_away(server, "ptgone", "unknown")  # PAM has nothing against him
        # one line each, none of the phase that would ask for a password
        self.assertEqual(self.noted(), [
            f"{name} 127.0.0.1 pop3 - -" for name in (good, bad, "ptgone")])

    def test_module_makes_the_user_another(self):
        name, other = self.user("secret"), self.user("secret")
        server = self.serve(self.module("", f"{name}=become-root"), name, other)
        self.turned_away(server, name, 'locked detail="uid"')

    def test_module_in_trouble(self):
        names = {f"pt{action}": action for action in ("crash", "exit", "question")}
        server = self.serve(self.module("", " ".join(f"{n}={a}" for n, a in names.items())))
        for name in names:
            self.turned_away(server, name, "trouble", "[SYS/TEMP]")

    def test_users_file_decides_before_pam(self):
        name = self.user("secret")
        server = self.serve(self.service(UNIX), name)
        for line in (f"{name}:!:::::\n", f"{name}:{{APOP}}other:::::\n", f"{name}:\n"):
            with self.subTest(line=line):
                server.users_file.write_text(line)
                self.client(server, name).err("AUTH EXTERNAL =", "[AUTH]")
        server.users_file.write_text("")
        self.client(server, name).ok("AUTH EXTERNAL =")

    def test_111_no_service_file(self):
        name = self.user("secret")
        server = self.serve("poplar-test-absent", name)
        self.turned_away(server, name, "unknown", "[AUTH]")


if __name__ == "__main__":
    harness.main()
