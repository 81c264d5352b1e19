"""A siege: one sale is struck again and again between its first unit and its last.

When the next stroke falls is said by what has been sold, not by the clock: so that all fall in mid-sale, however fast
the machine is.
"""

import asyncio
from contextlib import suppress
from typing import Final

from kit.errors import DomainError
from kit.postgres import Postgres
from ops.run.plan import RunPlan
from ops.run.standing import read_standing
from ops.run.strike import Striker, Struck

LOOK_SECONDS: Final = 0.1
# A shopper that retries needs a moment between two deaths of the gateway; without one the sale would only stand still.
BREATH_SECONDS: Final = 1.0


class Siege:
    """The strokes of a plan, one after the other. `struck` grows as they fall."""

    def __init__(self, plan: RunPlan, striker: Striker, postgres: Postgres, sale_id: str) -> None:
        self._plan, self._striker, self._postgres, self._sale_id = plan, striker, postgres, sale_id
        self._over = asyncio.Event()
        self.struck: list[Struck] = []

    async def run(self, opens_in_seconds: float) -> None:
        """Strikes what `--kill` names so long after the opening, and the rest by what has been sold."""
        if self._plan.kill:
            await self._sleep(opens_in_seconds + self._plan.kill_after_seconds)
        for name in self._plan.kill:
            self.struck.append(await self._striker.strike(name))
        besieged = self._plan.besieged
        for number, name in enumerate(besieged, start=1):
            await self._until_taken(number * self._plan.units // (len(besieged) + 1))
            if self._over.is_set():
                return  # what was not done is missing in the report
            self.struck.append(await self._striker.strike(name))
            await self._sleep(BREATH_SECONDS)

    def end(self) -> None:
        """The crowd has gone: no further stroke falls; one that has fallen is watched to its end."""
        self._over.set()

    async def _until_taken(self, units: int) -> None:
        while not self._over.is_set():
            with suppress(DomainError):
                if (await read_standing(self._postgres, self._sale_id)).units_taken >= max(1, units):
                    return
            await self._sleep(LOOK_SECONDS)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._over.wait()
