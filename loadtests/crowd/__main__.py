"""`python -m loadtests.crowd`: sends a crowd to a sale. Exit code 0 when it did its work, whatever it was told."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from loadtests.crowd.arrivals import PER_SECOND_MAX
from loadtests.crowd.crowd import CrowdRefused, Options, run
from loadtests.crowd.progress import Style, progress
from loadtests.crowd.wire import CONNECTIONS_MAX

REFUSED = 2
CUT_SHORT = 1


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.crowd", description=__doc__)
    parser.add_argument("--gateway", required=True, metavar="URL", help="where the public HTTP is")
    parser.add_argument("--sale", required=True, metavar="ID", help="which sale they come for")
    parser.add_argument("--shoppers", type=_positive, default=200, metavar="N", help="how many (200)")
    parser.add_argument("--seed", type=int, default=11, help="same seed, same crowd (11)")
    parser.add_argument("--history", type=Path, default=Path("var/crowd/history.jsonl"), metavar="FILE")
    parser.add_argument("--summary", type=Path, default=Path("var/crowd/summary.json"), metavar="FILE")
    parser.add_argument("--progress", choices=("rich", "json", "none"), default="rich")
    parser.add_argument("--connections", type=_positive, default=CONNECTIONS_MAX, metavar="N")
    parser.add_argument("--arrivals-per-second", type=_positive, default=PER_SECOND_MAX, metavar="N")
    parser.add_argument("--seconds-max", type=_positive, default=900, metavar="S", help="then all go home")
    return parser.parse_args(words)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


async def main(options: Options, style: Style) -> dict[str, Any]:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with progress(style) as show:
        return await run(options, show, stop)


def start(words: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 cut short by a signal or by --seconds-max, 2 it could not begin."""
    given = arguments(words)
    options = Options(
        gateway=given.gateway,
        sale_id=given.sale,
        shoppers=given.shoppers,
        seed=given.seed,
        history=given.history,
        summary=given.summary,
        connections=given.connections,
        arrivals_per_second=given.arrivals_per_second,
        seconds_max=given.seconds_max,
    )
    try:
        summary = uvloop.run(main(options, given.progress))
    except (CrowdRefused, OSError) as refused:
        sys.stderr.write(f"{refused}\n")
        return REFUSED
    return 0 if summary["complete"] else CUT_SHORT


if __name__ == "__main__":
    sys.exit(start())
