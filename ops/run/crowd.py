"""The crowd as a process of its own: it speaks HTTP only, and tells its progress as lines of JSON."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec

from ops.run.plan import RunPlan
from ops.run.programs import FOLDER_MARK

GO_HOME_SECONDS_MAX: Final = 15.0  # it writes its summary when it is told to stop
SECONDS_MAX: Final = 900  # far beyond a sale; the crowd goes home by itself then
LINE_BYTES_MAX: Final = 1 << 16


class Crowd:
    """A running crowd."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.snapshot: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        return 0 if self._process.returncode is not None else self._process.pid

    async def follow(self) -> AsyncIterator[dict[str, Any]]:
        """Its snapshots, about one a second, until it has ended."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            with suppress(msgspec.DecodeError):
                self.snapshot = msgspec.json.decode(line)
                yield self.snapshot

    async def exit_code(self) -> int:
        return await self._process.wait()

    async def send_home(self) -> None:
        """Ends it early, by pid."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(GO_HOME_SECONDS_MAX):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def send_crowd(plan: RunPlan, sale_id: str) -> AsyncIterator[Crowd]:
    """Sends `plan.crowd` shoppers to the sale; who is still there at the end of the block is sent home."""
    # In a session of its own, like everything else here: Ctrl-C reaches `floodgate run` alone, which ends things in order.
    with (plan.logs / "crowd.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "loadtests.crowd",
            "--gateway", plan.gateway_url, "--sale", sale_id, "--shoppers", str(plan.crowd), "--seed", str(plan.seed),
            "--history", str(plan.history), "--summary", str(plan.summary), "--progress", "json",
            "--seconds-max", str(SECONDS_MAX),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log, limit=LINE_BYTES_MAX,
            env={**os.environ, FOLDER_MARK: str(plan.folder.resolve())}, start_new_session=True,
        )  # fmt: skip
    crowd = Crowd(process)
    try:
        yield crowd
    finally:
        if process.returncode is None:
            await crowd.send_home()
