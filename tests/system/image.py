"""File systems in a file, for tests of what a disk does: mounted where only
the test's own process and its children see them, gone when it ends, whatever
its end.
"""
import ctypes
import os
import pathlib
import shutil
import subprocess
import unittest

import harness

CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18

MEGA = 1 << 20
MAKE = {
    "ext4": (["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"], 96 * MEGA),
    "xfs": (["mkfs.xfs", "-q", "-f"], 320 * MEGA),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], 256 * MEGA),
}

# what a disk must write whole or not at all, for these to survive a power cut
SECTOR = {"ext4": 4096, "xfs": 512, "btrfs": 4096}


def enter_namespace():
    """Mounts of this process are its own from here on; skips where it may not."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("mounting needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE,
                                                    None) != 0:
        raise unittest.SkipTest(
            f"mounting is not permitted here: {os.strerror(ctypes.get_errno())}")


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, command))}: {done.stdout}")


def backing():
    """Where images lie: in memory where there is room, which saves time."""
    memory = pathlib.Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 1 << 30:
        return memory
    return None


def let_go(folder):
    """Unmounts. What works on it has been killed, but may take a moment to go."""
    def gone():
        return subprocess.run(["umount", folder], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0
    harness.wait_until(gone, what=f"umount {folder}")


class Mount:
    """A folder with a file system on it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.mounted = False

    def _mount(self, *arguments):
        run("mount", *arguments, self.folder)
        self.mounted = True

    def sync(self):
        """All that was written here is on the disk; other disks have time."""
        run("sync", "-f", self.folder)

    def umount(self):
        if self.mounted:
            let_go(self.folder)
        self.mounted = False


class Memory(Mount):
    """A tmpfs of so many octets."""

    def __init__(self, folder, size, options=""):
        super().__init__(folder)
        self._mount("-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs")


class Image(Mount):
    """A file system in a file, on a loop device that goes with the mount."""

    def __init__(self, kind, folder, size=None, file=None, options="", make=()):
        super().__init__(folder)
        command, normal = MAKE[kind]
        if shutil.which(command[0]) is None:
            raise unittest.SkipTest(f"needs the program {command[0]}")
        self.options = "loop" + options
        self.kind = kind
        self.file = pathlib.Path(file) if file else self.folder.with_suffix(".image")
        with open(self.file, "wb") as image:
            image.truncate(size or normal)
        run(*command, *make, self.file)
        try:
            self.mount()
        except OSError as error:
            reason = str(error).splitlines()[0]
            raise unittest.SkipTest(f"no loop mount of {kind} here: {reason}") from None

    def mount(self):
        self._mount("-t", self.kind, "-o", self.options, self.file)

    def remount(self):
        self.umount()
        self.mount()


class Disk(Image):
    """The same on a disk with a volatile cache, whose power can be cut."""

    tool = None

    def mount(self):
        shown = self.folder.with_suffix(".disk")
        shown.mkdir(exist_ok=True)
        self.tool = subprocess.Popen(
            [harness.BUILD / "tools" / "volatile", self.file, shown, str(SECTOR[self.kind])],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.disk, self.power = shown / "disk", shown / "power"
        harness.wait_until(lambda: self.disk.exists() or self.tool.poll() is not None,
                           what="the disk")
        if self.tool.poll() is not None:
            raise OSError(self.tool.communicate()[1])
        self._mount("-t", self.kind, "-o", self.options, self.disk)

    def umount(self):
        super().umount()
        if self.tool is not None:
            let_go(self.disk.parent)
            self.tool.communicate(timeout=harness.PATIENCE)
            self.tool = None

    def cut(self, seed):
        """The power fails: any part of what was not flushed is on the disk."""
        self.power.write_text(str(seed))
