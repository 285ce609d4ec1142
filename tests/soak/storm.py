"""The storms of tests/system/test_storm.py, for so many minutes each.

Usage: storm.py MINUTES [PART-OF-A-TEST'S-NAME...]
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import harness  # noqa: E402
from test_storm import Debian, OwnDeliverers  # noqa: E402

# what the programs may take to end, and the count of all messages
AFTERWARDS = 600


def lengthen(seconds):
    for case in (OwnDeliverers, Debian):
        case.seconds = seconds
        for name in dir(case):
            if name.startswith("test_F72"):
                getattr(case, name).seconds = int(seconds) + AFTERWARDS


if __name__ == "__main__":
    lengthen(float(sys.argv.pop(1)) * 60)
    harness.main()
