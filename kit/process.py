"""How every process begins: its logs first, and whatever keeps it from starting in one sentence."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from kit import steps
from kit.errors import StartRefused
from kit.logs import configure_logs
from kit.settings import LogSettings, read_settings

EXIT_REFUSED: Final = 2
EXIT_INTERRUPTED: Final = 130  # what shells have for SIGINT


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


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """For commands that start servers: SIGTERM ends them as Ctrl-C does, so that nothing they started is left behind.

    asyncio turns SIGINT into an orderly cancellation. Where SIGINT is ignored, as shells have it for what runs in the
    background, `KeyboardInterrupt` is raised at once.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, before)
