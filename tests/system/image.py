"""File systems in a file, for tests of what a disk does: mounted where only
the test's own process and its children see them, gone when it ends, whatever
its end.
"""
import ctypes
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import unittest

import harness

CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18

# EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number, and so are its flags
GOINGDOWN = 0x8004587D
SYNC, FLUSH_LOG, NO_LOG_FLUSH = 0, 1, 2

MEGA = 1 << 20
MAKE = {
    "ext4": (["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"], 96 * MEGA),
    "xfs": (["mkfs.xfs", "-q", "-f"], 320 * MEGA),
}


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


class Mount:
    """A folder with a file system on it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.mounted = False

    def _mount(self, *arguments):
        run("mount", *arguments, self.folder)
        self.mounted = True

    def umount(self):
        """What still works on it has been killed, but may take a moment to go."""
        if not self.mounted:
            return
        def gone():
            return subprocess.run(["umount", self.folder], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL).returncode == 0
        harness.wait_until(gone, 20, f"umount {self.folder}")
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
        self.mount()

    def mount(self):
        try:
            self._mount("-t", self.kind, "-o", self.options, self.file)
        except OSError as error:
            reason = str(error).splitlines()[0]
            raise unittest.SkipTest(f"no loop mount of {self.kind} here: {reason}") from None

    def cut(self, flags):
        """The power fails: nothing reaches the disk from here on."""
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, GOINGDOWN, struct.pack("I", flags))
        finally:
            os.close(fd)

    def remount(self):
        self.umount()
        run("mount", "-t", self.kind, "-o", self.options, self.file, self.folder)
        self.mounted = True
