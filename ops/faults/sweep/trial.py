"""One trial: a sale is opened, its process dies or raises at a step, another one finishes the sale, and it is judged."""

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from typing import Final, Literal

from kit.postgres import Postgres
from kit.provider import ProviderClient
from kit.redis import RedisRoles
from kit.settings import PostgresSettings, RedisSettings
from ops.faults.sweep import scene
from ops.faults.sweep.chain import Life, read_verdict
from ops.faults.sweep.nursery import Nursery
from ops.faults.sweep.provider import running_provider
from ops.invariants import Bounds, ProviderBook, judge

How = Literal["kill", "raise"]

# At rest nothing may be late at all: whatever waits longer was made due. Only "sold out" may be said a little early, while
# the units that a dead process had claimed are on their way back.
_AT_REST: Final = Bounds(overdue_seconds=0, grant_seconds=0, outbox_seconds=0, notice_seconds=0)
_STAGE: Final = f"/{scene.__name__}."  # what the trial itself does to let time pass is no step of the sale
_LOOKS: Final = 2  # at what trails: the sale is at rest, so what is seen twice lasts


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a trial. `reached`: the process did die, or raise, at the step."""

    step: str
    how: How
    reached: bool
    wrong: tuple[str, ...]
    recovery_seconds: float

    @property
    def holds(self) -> bool:
        return self.reached and not self.wrong


class ChainBroken(Exception):
    """The chain does not even hold while nothing is broken."""


@dataclass(frozen=True, slots=True)
class Places:
    """The servers that a sweep's trials share."""

    database_url: str
    redis_url: str
    broker_url: str


@dataclass(slots=True)
class Bench:
    """What trials stand on: servers, the provider, the nursery. `without` takes a guard away from every process."""

    folder: Path
    environment: Mapping[str, str]
    nursery: Nursery
    postgres: Postgres
    redis: RedisRoles
    book: ProviderBook
    log: Path
    without: str = ""
    _lives: int = field(default=0)

    async def record(self) -> list[str]:
        """The steps of a whole chain in which nothing dies, in the order in which they are first reached."""
        file = self.folder / f"steps-{secrets.token_hex(4)}"
        sale_id = await self._open()
        code = await self.nursery.bear(self._life(sale_id, steps=f"record:{file}"))
        wrong = read_verdict(self._verdict(sale_id))[0] if code == 0 else [f"it ended with {code}"]
        wrong += await self._judge(sale_id)
        await scene.put_away(self.postgres, sale_id)
        if wrong:
            raise ChainBroken(f"nothing was broken on purpose, and yet: {'; '.join(wrong)}; see {self.log}")
        steps = file.read_text(encoding="utf-8").split()
        return [step for step in steps if _STAGE not in step]

    async def run(self, step: str, how: How) -> Verdict:
        """One trial."""
        sale_id = await self._open()
        said = self.log.stat().st_size
        code = await self.nursery.bear(self._life(sale_id, steps=f"{how}:{step}"))
        reached = code == -SIGKILL if how == "kill" else self._raised_since(said)
        wrong = [] if reached or code == 0 else [f"first_process ended with {code}"]
        began = time.monotonic()
        code = await self.nursery.bear(self._life(sale_id, last=True))
        seconds = time.monotonic() - began
        if code == 0:
            found, seconds = read_verdict(self._verdict(sale_id))
            wrong += found
        else:
            wrong.append(f"last_process ended with {code}")
        wrong += await self._judge(sale_id)
        await scene.put_away(self.postgres, sale_id)
        return Verdict(step, how, reached, tuple(wrong), round(seconds, 3))

    async def _open(self) -> str:
        sale_id = f"sweep-{secrets.token_hex(8)}"
        await scene.open_sale(self.postgres, sale_id)
        return sale_id

    def _verdict(self, sale_id: str) -> Path:
        return self.folder / f"{sale_id}.verdict"

    def _life(self, sale_id: str, *, steps: str = "", last: bool = False) -> Life:
        patience = {"FLASHSALE_PENDING_SECONDS_MAX": "1e-9", "FLASHSALE_DRIFT_RECHECK_SECONDS": "0"}
        return Life(
            sale_id=sale_id,
            history=str(self.folder / f"{sale_id}.history"),
            verdict=str(self._verdict(sale_id)),
            # Nobody else is alive when the last one finds a claim: it need not wait until that is sure.
            environment={**self.environment, **(patience if last else {})},
            steps=steps,
            without=self.without,
        )

    def _raised_since(self, offset: int) -> bool:
        with self.log.open("rb") as log:
            log.seek(offset)
            return b"step_raised" in log.read()

    async def _judge(self, sale_id: str) -> list[str]:
        rows = await judge(
            self.postgres,
            self.redis.stock,
            self.redis.queue,
            self.book,
            self.folder / f"{sale_id}.history",
            sale_id=sale_id,
            bounds=_AT_REST,
            looks=_LOOKS,
        )
        return [f"{row.id} {row.value}" for row in rows if not row.holds]


@asynccontextmanager
async def open_bench(places: Places, folder: Path, *, without: str = "") -> AsyncIterator[Bench]:
    """A bench over servers whose database is migrated; its files lie in `folder`."""
    log = folder / "processes.log"
    async with running_provider(folder) as provider_settings, Nursery(log) as nursery:
        postgres = Postgres(PostgresSettings(database_url=places.database_url))
        redis = RedisRoles.connect(
            RedisSettings(
                redis_queue_url=places.redis_url,
                redis_stock_url=places.redis_url,
                redis_limits_url=places.redis_url,
            )
        )
        provider = ProviderClient(provider_settings)
        environment = {
            "DATABASE_URL": places.database_url,
            "REDIS_QUEUE_URL": places.redis_url,
            "REDIS_STOCK_URL": places.redis_url,
            "REDIS_LIMITS_URL": places.redis_url,
            "REDIS_BROKER_URL": places.broker_url,
            "PROVIDER_URL": provider_settings.url,
            "PROVIDER_API_KEY": provider_settings.api_key,
            "PROVIDER_WEBHOOK_SECRET": provider_settings.webhook_secret,
            "QUEUEING_KEYS": f"sweep:{'k' * 32}",
            "WORKER_THREADS": "2",
            "WORKER_POLL_MS": "50",
            "LOG_LEVEL": "WARNING",
        }
        try:
            yield Bench(folder, environment, nursery, postgres, redis, ProviderBook(provider), log, without)
        finally:
            await provider.close()
            await redis.close()
            await postgres.close()
