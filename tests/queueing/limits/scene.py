"""Pieces that several tests of the limits put together."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.clock import SteppedClock
from kit.embedded.redis import EmbeddedRedis
from kit.errors import DomainError
from kit.redis import connect
from kit.settings import RedisSettings
from queueing.limits.decisions import Decision
from queueing.limits.lease import Lease
from queueing.limits.policy import Check
from queueing.limits.service import Limits
from queueing.limits.settings import LimitSettings

WAIT_SECONDS_MAX = 60.0


async def until(holds: Callable[[], bool], what: str) -> None:
    """Returns when `holds`; a test that waits in vain says for what."""
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not holds():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited in vain: {what}") from None


@dataclass
class Ear:
    """A sink that remembers what it was told."""

    told: list[Decision] = field(default_factory=list)
    refused: list[DomainError] = field(default_factory=list)

    def tell(self, answer: Decision) -> None:
        self.told.append(answer)

    def refuse(self, error: DomainError) -> None:
        self.refused.append(error)

    @property
    def heard(self) -> int:
        return len(self.told) + len(self.refused)


@dataclass
class Server:
    """A Redis that a test may stop and start again, on the same port with the same folder."""

    embedded: EmbeddedRedis
    url: str

    async def stop(self) -> None:
        await asyncio.to_thread(self.embedded.stop)

    async def start(self) -> None:
        self.embedded = EmbeddedRedis(self.embedded.folder, port=self.embedded.port)
        await asyncio.to_thread(self.embedded.start)


@dataclass
class Fleet:
    """Limits of several processes: a client, a lease and a local share each."""

    members: list[Limits]
    clients: list[Redis]
    clock: SteppedClock
    settings: LimitSettings

    @classmethod
    def on(cls, server: Server, processes: int, **changes: float) -> "Fleet":
        quick: dict[str, Any] = {
            "lease_renew_seconds": 0.05, "lease_seconds": 10.0, "probe_seconds": 0.05, "answer_seconds_max": 2.0,
            "waiting_seconds_max": 30.0,
        }  # fmt: skip
        settings = LimitSettings(**{**quick, **changes})
        clients = [connect(server.url, RedisSettings(), purpose="limits") for _ in range(processes)]
        clock = SteppedClock()
        return cls([Limits(client, settings, clock) for client in clients], clients, clock, settings)

    @property
    def leases(self) -> list[Lease]:
        return [member._lease for member in self.members]

    async def start(self) -> None:
        """Returns when every member has a lease that would count, and all know of all.

        They are made to be known for long: the test need not wait for it, nor fear a machine that stalls for a second.
        """
        await asyncio.gather(*(member.start() for member in self.members))
        await until(
            lambda: all(lease._processes == len(self.members) for lease in self.leases), "all to know of all"
        )
        for lease in self.leases:
            assert lease._known_since is not None
            lease._known_since -= self.settings.lease_seconds

    async def until_away(self) -> None:
        await until(lambda: all(lease.away for lease in self.leases), "everybody missing Redis")

    async def until_back(self) -> None:
        await until(lambda: not any(lease.away for lease in self.leases), "everybody finding Redis")

    async def take_all(self, checks: Sequence[Check], scope: str, tries: int = 1000) -> int:
        """How many requests pass when all members try until each is refused."""
        return sum(await asyncio.gather(*(take_all(one, checks, scope, tries) for one in self.members)))

    async def close(self) -> None:
        for member, client in zip(self.members, self.clients, strict=True):
            await member.stop()
            with suppress(RedisError, OSError):
                await client.aclose()


async def take_all(limits: Limits, checks: Sequence[Check], scope: str, tries: int = 1000) -> int:
    """How many requests pass before one is refused."""
    for passed in range(tries):
        if not (await limits.check(checks, scope=scope)).allowed:
            return passed
    return tries
