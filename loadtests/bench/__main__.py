"""`python -m loadtests.bench`: measures, writes report.json and report.md, and exits 1 when a row does not hold.

Variables: BENCH_ROUNDS (5), BENCH_SECONDS (3 a run), BENCH_ONLY=row,row, BENCH_FOLDER (var/bench), BENCH_PROFILE (1),
BENCH_ROWS (1,000,000 sold rows). It takes no arguments.
"""

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from loadtests.bench.bench import measure
from loadtests.bench.cores import TooFewCores
from loadtests.bench.launch import DoesNotStart
from loadtests.bench.options import OptionsWrong, from_environment

NOT_HELD = 1
REFUSED = 2


def main(arguments: Sequence[str] = ()) -> int:
    if arguments:
        sys.stdout.write(f"{__doc__}")
        return 0 if set(arguments) <= {"-h", "--help"} else REFUSED
    try:
        options = from_environment()
        report = measure(options, began=datetime.now(UTC), started=time.monotonic())
    except (OptionsWrong, TooFewCores, DoesNotStart) as refused:
        sys.stderr.write(f"{refused}\n")
        return REFUSED
    return 0 if report.holds else NOT_HELD


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
