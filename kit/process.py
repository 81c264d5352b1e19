"""How every process begins: its logs first, and whatever keeps it from starting in one sentence."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from kit import steps
from kit.errors import StartRefused
from kit.logs import configure_logs
from kit.settings import LogSettings, read_settings

EXIT_REFUSED: Final = 2


def run_process(name: str, main: Callable[[], object]) -> None:
    """Runs `main` until it returns or is interrupted; `StartRefused` becomes one sentence on stderr and exit code 2."""
    try:
        configure_logs(name, read_settings(LogSettings))
        steps.arm(os.environ.get(steps.VARIABLE, ""))
        with suppress(KeyboardInterrupt):
            main()
    except StartRefused as refused:
        print(refused, file=sys.stderr)  # noqa: T201 - for whoever started the process
        sys.exit(EXIT_REFUSED)
