"""What surrounds the daemon, as containers arrange it: capabilities, namespaces, a
machine without /proc. It serves, or says at its start what is lacking.
"""
import functools
import os
import signal
import subprocess
import unittest

import harness
from harness import PATIENCE, children, needs_program, needs_root, wait_until
from processes import MAIL, ProcessCase

# what root has in a container, unless somebody takes more away
CONTAINER = ("chown", "dac_override", "fsetid", "fowner", "mknod", "net_raw", "setgid", "setuid",
             "setfcap", "setpcap", "net_bind_service", "sys_chroot", "kill", "audit_write")


def with_capabilities(names):
    return ["setpriv", "--bounding-set", ",".join(["-all", *(f"+{name}" for name in names)])]


def needs_namespace(option):
    def decorate(test):
        @functools.wraps(test)
        def run(self):
            if subprocess.run(["unshare", option, "true"], capture_output=True,
                              check=False).returncode != 0:
                self.skipTest(f"needs unshare {option}")
            test(self)
        return run
    return decorate


@needs_root
class Environment(ProcessCase):
    def inside(self, *wrapper):
        """A daemon that is started by another program, which becomes it or waits for it."""
        server = self.laid_out(MAIL, privileged=True)
        real, script = server.dir / "real", server.dir / "wrapper"
        server.binary.rename(real)
        script.write_text("#!/bin/sh\nexec " + " ".join(wrapper) + f' {real} "$@"\n')
        script.chmod(0o755)
        script.rename(server.binary)
        return server

    def assert_lacks(self, server, *words):
        code, text = self.run_to_end(server, "-F")
        self.assertEqual(code, 69, text)
        for word in words:
            self.assertIn(word, text)

    @needs_program("setpriv")
    def test_capabilities_of_a_container(self):
        server = self.inside(*with_capabilities(CONTAINER))
        server.start()
        self.assert_service(server)

    @needs_program("setpriv")
    def test_capabilities_that_are_needed(self):
        for name, words in (("sys_chroot", "sessions cannot enter their sandbox: an empty root"),
                            ("setgid", "sessions cannot enter their sandbox: the group of"),
                            ("setuid", "sessions cannot enter their sandbox: server.user"),
                            ("kill", "sessions cannot be ended")):
            with self.subTest(name):
                left = (other for other in CONTAINER if other != name)
                self.assert_lacks(self.inside(*with_capabilities(left)), words,
                                  f"CAP_{name.upper()}", "Operation not permitted")

    @needs_namespace("-Ur")
    def test_user_namespace_of_root_alone(self):
        self.assert_lacks(self.inside("unshare", "-Ur"), "in a user namespace, that it is mapped")

    @unittest.skipIf(harness.INSTRUMENTED, "the sanitizers cannot do without /proc either")
    @needs_namespace("-m")
    def test_without_proc(self):
        server = self.inside("unshare", "-m", "sh", "-c", "'umount -l /proc && exec \"$@\"'", "sh")
        self.assert_lacks(server, "/proc/self/fd: No such file or directory")

    @needs_namespace("-p")
    def test_process_1(self):
        """With the /proc of the namespace above, where processes have other numbers."""
        server = self.inside("unshare", "-p", "-f", "--kill-child")
        server.launch()
        wait_until(server._greets, what="the greeting")
        with server.logged_in() as client:
            client.quit()
        server.wait_log("end=quit")
        self.assertNotIn("error:", server.log())
        listener, = children(server.process.pid)
        os.kill(listener, signal.SIGTERM)
        self.assertEqual(server.process.wait(PATIENCE), 0)


if __name__ == "__main__":
    harness.main()
