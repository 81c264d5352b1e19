"""`python -m ops.faults.sweep.nursery`: bears the processes of trials. It has imported everything, so that each begins in
milliseconds; what it bears are processes of their own, with connections of their own, that a signal kills for real.

Reads one life a line (`Life.as_json`) and answers with the exit code, negative for a signal; one life at a time.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kit import steps
from kit.process import run_process
from ops.faults.sweep.chain import Life, live
from ops.faults.sweep.controls import CONTROLS

LIFE_SECONDS_MAX: Final = 100  # a life takes a second or two; one that hangs is ended and counted as wrong


class Nursery:
    """A context: the nursery as its owner sees it."""

    def __init__(self, log: Path) -> None:
        self._log = log

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ops.faults.sweep.nursery",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def bear(self, life: Life) -> int:
        """Has a process live `life`; its exit code, negative for the signal that ended it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{life.as_json()}\n".encode())
        await self._process.stdin.drain()
        return int(await self._process.stdout.readline())


def main() -> None:
    """Bears one process after another until its input closes."""
    gc.freeze()  # what was imported is nobody's garbage; a collection in a child would copy every page of it
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _live(Life(**json.loads(line)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer to whoever asked


def _live(life: Life) -> None:
    """Never returns: the process ends with its life, as a killed one would, without tidying up."""
    signal.alarm(LIFE_SECONDS_MAX)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.environ |= {**life.environment, steps.VARIABLE: life.steps}
    code = 1
    try:
        if life.without:
            CONTROLS[life.without]()
        run_process("sweep", lambda: asyncio.run(live(life)))
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
