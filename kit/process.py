"""How every process begins: its logs first, and whatever keeps it from starting in one sentence."""

import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from kit.errors import StartRefused
from kit.logs import configure_logs
from kit.settings import LogSettings, read_settings

EXIT_REFUSED: Final = 2
# Net new containers until the youngest generation is looked at: some 5 MB. At the default of 700 that is every 25th
# request, and whatever is under way then is looked at once more in vain: a seventh of what a reservation costs.
YOUNG_OBJECTS_MAX: Final = 10_000
YOUNGER_ROUNDS: Final = 50  # of a generation before the next older one is looked at too


def run_process(name: str, main: Callable[[], object]) -> None:
    """Runs `main` until it returns or is interrupted; `StartRefused` becomes one sentence on stderr and exit code 2."""
    try:
        configure_logs(name, read_settings(LogSettings))
        with suppress(KeyboardInterrupt):
            main()
    except StartRefused as refused:
        print(refused, file=sys.stderr)  # noqa: T201 - for whoever started the process
        sys.exit(EXIT_REFUSED)


def calm_collector() -> None:
    """Once everything that lives as long as the process is made: the garbage collector never looks at that again, and at
    the rest less often. Cycles are few here; reference counts free nearly everything."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, YOUNGER_ROUNDS, YOUNGER_ROUNDS)
