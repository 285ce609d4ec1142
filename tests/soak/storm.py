"""The storms of tests/system/test_storm.py, for so many minutes each.

Usage: storm.py [MINUTES [PART-OF-A-TEST'S-NAME...]]
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import harness  # noqa: E402
from test_storm import Debian, OwnDeliverers  # noqa: E402

# The longest storm of the test command takes about so many minutes.
SHORT = 1.2


def lengthen(minutes):
    for case in (OwnDeliverers, Debian):
        case.length = max(1, minutes / SHORT)
        for name in dir(case):
            if name.startswith("test_F72"):
                getattr(case, name).seconds = int(minutes * 60 * 3) + 600


if __name__ == "__main__":
    lengthen(float(sys.argv.pop(1)) if len(sys.argv) > 1 else 20)
    harness.main()
