"""Runs the tests of a file and prints one TAP line for each: "ok", "not ok",
or "ok ... # SKIP reason", then the plan. A failed test's output stands before
its line, each line begun with "# ".

A test that runs out of time, or is interrupted, fails and is cleaned up after
like any other; after an interruption no further test is begun.
"""
import os
import signal
import sys
import time
import unittest

# No test may run longer than this many seconds, unless it says so itself
# with an attribute `seconds`.
TEST_SECONDS = 120

INTERRUPTIONS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Ended(BaseException):
    """The test must end now: nothing that expects errors may catch it."""


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.number = 0
        self.faults, self.reason = [], None

    def startTest(self, test):
        super().startTest(test)
        self.faults, self.reason = [], None
        self.begin = time.monotonic()
        method = getattr(test, test._testMethodName)
        signal.alarm(getattr(method, "seconds", TEST_SECONDS))

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)
        self._tell(test.id(), time.monotonic() - self.begin)

    def _tell(self, name, seconds):
        self.number += 1
        for fault in self.faults:
            print("".join(f"# {line}\n" for line in fault.splitlines()), end="")
        name = name.removeprefix("__main__.")
        file = os.path.basename(sys.argv[0])
        word = "not ok" if self.faults else "ok"
        skip = f" # SKIP {self.reason}" if self.reason and not self.faults else ""
        print(f"{word} {self.number} - {file} {name} ({seconds:.1f} s){skip}", flush=True)

    def _fault(self, test, error):
        self.faults.append(self._exc_info_to_string(error, test))
        if not hasattr(test, "_testMethodName"):  # a class's or module's set-up
            self._tell(test.id(), 0)
            self.faults = []

    def addError(self, test, err):
        super().addError(test, err)
        self._fault(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._fault(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None and isinstance(err[1], Ended):
            raise err[1]  # or the next subtest would begin
        if err is not None:
            self.faults.append(subtest.id() + "\n" + self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.reason = reason
        if not hasattr(test, "_testMethodName"):
            self._tell(test.id(), 0)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.faults.append("unexpected success")


def out_of_time(number, frame):
    raise Ended("the test ran out of time")


def heed_signals(result):
    def interrupted(number, frame):
        for other in (*INTERRUPTIONS, signal.SIGALRM):  # let it clean up in peace
            signal.signal(other, signal.SIG_IGN)
        result.stop()
        raise Ended(f"interrupted by {signal.Signals(number).name}")

    signal.signal(signal.SIGALRM, out_of_time)
    for number in INTERRUPTIONS:
        signal.signal(number, interrupted)


def pick(suite, words):
    """The tests whose name holds one of the words; all without words."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from pick(test, words)
        elif not words or any(word in test.id() for word in words):
            yield test


def main():
    """Runs the calling file's tests; arguments pick by parts of names."""
    sys.stdout.reconfigure(errors="backslashreplace")
    loaded = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = TapResult()
    heed_signals(result)
    unittest.TestSuite(pick(loaded, sys.argv[1:])).run(result)
    print(f"1..{result.number}", flush=True)
    sys.exit(0 if result.wasSuccessful() else 1)
