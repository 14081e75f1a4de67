"""`python -m benchmarks.start`: seconds from the command to the first response of the page.

The first start creates the demo page; the others find it.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping

from benchmarks import servers

BARS = "Bar: 2 s for a second start."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--times", type=int, default=10, help="how often after the first start")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="statuspage-start-") as folder:
        environment = {"STATUSPAGE_DATA_DIR": folder, "STATUSPAGE_DEMO": "1"}
        first, *later = [_start(environment) for _ in range(1 + options.times)]
    print(
        f"First start {first:.2f} s, then median {statistics.median(later):.2f} s,"
        f" {min(later):.2f} to {max(later):.2f} s. {BARS} Load before: {busy:.1f}."
    )


def _start(environment: Mapping[str, str]) -> float:
    began = time.monotonic()
    with servers.product(environment):
        return time.monotonic() - began


if __name__ == "__main__":
    main()
