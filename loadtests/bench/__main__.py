"""`python -m loadtests.bench`: measures, writes report.json and report.md, and exits 1 when a row does not hold.

Variables: BENCH_ROUNDS (5), BENCH_SECONDS (3 a run), BENCH_ONLY=row,row, BENCH_FOLDER (var/bench), BENCH_PROFILE (1),
BENCH_ROWS (1,000,000 sold rows).
"""

import sys
import time
from datetime import UTC, datetime

from loadtests.bench.bench import measure
from loadtests.bench.cores import TooFewCores
from loadtests.bench.launch import DoesNotStart
from loadtests.bench.options import OptionsWrong, from_environment

NOT_HELD = 1
REFUSED = 2


def main() -> int:
    try:
        options = from_environment()
        report = measure(options, began=datetime.now(UTC), started=time.monotonic())
    except (OptionsWrong, TooFewCores, DoesNotStart) as refused:
        sys.stderr.write(f"{refused}\n")
        return REFUSED
    return 0 if report.holds else NOT_HELD


if __name__ == "__main__":
    sys.exit(main())
