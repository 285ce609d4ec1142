"""The manual and the programs say the same: keys, their defaults, subcommands.

Run as python3 tests/system/test_manual.py; POPLAR_BUILD names the build folder.
"""
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile
import unittest

import client
import harness
import runner

BUILD = os.path.abspath(os.environ.get("POPLAR_BUILD", "build"))
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POPLARCTL = os.path.join(BUILD, "poplarctl")


def page(name):
    with open(os.path.join(TREE, "man", name), encoding="utf-8") as file:
        return file.read()


def keys():
    said = subprocess.run([POPLARCTL, "keys"], stdout=subprocess.PIPE, check=True, timeout=60)
    return dict(line.partition(" ")[::2] for line in said.stdout.decode().splitlines())


class Keys(unittest.TestCase):
    def test_poplar_conf_documents_every_key_and_no_other(self):
        documented = re.findall(r"^\.It Ic ([a-z0-9_]+\.[a-z0-9_]+)\b", page("poplar.conf.5"),
                                re.MULTILINE)
        self.assertEqual(sorted(documented), sorted(keys()))

    def test_keys_are_documented_in_the_order_of_the_table(self):
        documented = re.findall(r"^\.It Ic ([a-z0-9_]+\.[a-z0-9_]+)\b", page("poplar.conf.5"),
                                re.MULTILINE)
        self.assertEqual(documented, list(keys()))

    def test_poplar_conf_tells_every_default(self):
        text = page("poplar.conf.5").split(".Sh USERS FILE")[0]
        parts = re.split(r"^\.It Ic (\S+)$", text, flags=re.MULTILINE)[1:]
        for key, item in zip(parts[::2], parts[1::2]):
            with self.subTest(key):
                said = re.search(r"^(?:.*\s)?(?:Default|Fixed):(?:\n\.Ql (.*) \.| empty\.)$",
                                 item, re.MULTILINE)
                self.assertIsNotNone(said)
                self.assertEqual(said[1] or "", keys()[key])


class Subcommands(unittest.TestCase):
    def test_poplarctl_documents_every_subcommand_and_option(self):
        usage = subprocess.run([POPLARCTL], stderr=subprocess.PIPE, timeout=60).stderr.decode()
        usage = re.sub(r"\n +", " ", usage)
        synopsis = page("poplarctl.8").split(".Sh DESCRIPTION")[0]
        self.assertIn("passwd", usage)
        for line in usage.splitlines():
            word, *rest = line.removeprefix("usage: poplarctl ").split(" ")
            if word == "-V":
                continue
            with self.subTest(word):
                part = re.search(rf"^\.Ic {word}$(.*?)(^\.Nm$|\Z)", synopsis,
                                 re.MULTILINE | re.DOTALL)
                self.assertIsNotNone(part)
                letters = "".join(re.findall(r"^\.(?:Op )?Fl (\w+)", part[1], re.MULTILINE))
                said = "".join(re.findall(r"-(\w+)", " ".join(rest)))
                self.assertEqual(sorted(letters), sorted(said))


class Diagnostics(unittest.TestCase):
    def test_poplard_explains_lines_that_are_written(self):
        sources = pathlib.Path(TREE, "src").glob("*/*.c")
        texts = re.sub(r'"\s*"', "", "\n".join(path.read_text() for path in sources))
        items = re.findall(r"^\.It Ql (.*)$", page("poplard.8").split(".Sh DIAGNOSTICS")[1],
                           re.MULTILINE)
        self.assertGreater(len(items), 15)
        for item in items:
            with self.subTest(item):
                self.assertRegex(texts, rf'"[^"\n]*{re.escape(item)}')


class Examples(unittest.TestCase):
    """What the pages tell people to type."""

    def example(self, name, words):
        """The literal block behind some words, as it is to be typed."""
        block = re.search(re.escape(words) + r"\n\.Bd [^\n]*\n(.*?)\.Ed", page(name), re.DOTALL)
        return block[1].replace("\\e\n", "\\\n").replace("\n$ ", "\n").removeprefix("$ ")

    def test_poplard_without_root(self):
        place = pathlib.Path(tempfile.mkdtemp(prefix="poplar-manual-"))
        self.addCleanup(shutil.rmtree, place, ignore_errors=True)
        who = {}
        if os.geteuid() == 0:
            who = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(place, "nobody", "nogroup")
        for program in ("poplard", "poplarctl"):
            shutil.copy(os.path.join(BUILD, program), place)
        port = harness.free_port()
        script = self.example("poplard.8", "Without root, for one's own mail:")
        self.assertIn("127.0.0.1:1110", script)
        script = script.replace("127.0.0.1:1110", f"127.0.0.1:{port}")
        script = script.replace("poplarctl passwd", "echo secret | poplarctl passwd -s")
        script = script.replace("poplard -F", "exec poplard -F -o auth.first_uid=1")
        with subprocess.Popen(["sh", "-e", "-c", script], cwd="/", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={"HOME": str(place), "PATH": f"{place}:/usr/bin:/bin"},
                              **who) as process:
            self.addCleanup(process.kill)
            for line in process.stdout:
                if b"ready" in line:
                    break
            else:
                self.fail(f"it ended with {process.wait(client.PATIENCE)}")
            name = "nobody" if who else pwd.getpwuid(os.getuid()).pw_name
            with client.Client(port) as session:
                self.assertRegex(session.login(name, "secret"), r"^\+OK \d+ messages")
            process.terminate()
            self.assertEqual(process.wait(client.PATIENCE), 0)


if __name__ == "__main__":
    runner.main()
