"""Whatever Redis does while people reserve in the lane: each gets an answer in time, and each key has one effect.

The faults are real ones, on a server of the test's own behind a wire that can be slowed, muted and cut.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from flashsale.settings import FlashsaleSettings
from flashsale.upkeep import StockRepair
from gateway.limiting import Limiting
from gateway.settings import GatewaySettings
from kit.embedded.ports import free_port
from kit.embedded.redis import EmbeddedRedis
from kit.embedded.wire import ALWAYS, Wire
from kit.postgres import Postgres
from kit.redis import RedisRoles, connect
from kit.settings import RedisSettings
from kit.signing import Keyring
from queueing.admissions import AdmissionFacts, sign_admission
from queueing.limits.service import Limits
from queueing.limits.settings import LimitSettings
from tests.gateway.lane.conftest import Served, serving
from tests.gateway.lane.wire import Answer, request
from tests.gateway.scene import QUEUEING, SKU, Scene, opened_scene

UNITS, SHOPPERS = 40, 12
# Connecting, a claim and its repeat may each take their bound, then the ledger alone; the deadline of the gate is 9 s.
ANSWER_SECONDS_MAX = 12.0


@dataclass
class Ground:
    """A served gateway whose Redis a test may spoil."""

    served: Served
    wire: Wire
    direct: Redis
    embedded: EmbeddedRedis

    def wishes(self) -> list[bytes]:
        """One a shopper, each with a key of its own; sent again they are repeats."""
        return [self._wish(f"shopper-{uuid4().hex[:12]}") for _ in range(SHOPPERS)]

    def _wish(self, user_id: str) -> bytes:
        scene = self.served.scene
        facts = AdmissionFacts(
            scene.sale_id, user_id, uuid4().bytes, 0, int(scene.parts.clock.seconds()) + 300
        )
        token = sign_admission(Keyring.parse(QUEUEING.keys, variable="QUEUEING_KEYS"), facts)
        fields = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}
        return request("POST", f"{scene.path}/reservations", fields, {"sku": SKU, "quantity": 1})

    async def ask(self, wishes: list[bytes]) -> list[Answer]:
        """All on one connection, in one piece."""
        async with self.served.line() as line:
            line.send(b"".join(wishes))
            return [await line.answer(seconds_max=ANSWER_SECONDS_MAX) for _ in wishes]

    async def load(self) -> None:
        """What the keeper does every few seconds."""
        scene = self.served.scene
        await StockRepair(scene.parts.postgres, self.direct, FlashsaleSettings()).run_once()

    async def sold(self) -> tuple[int, int]:
        """Units taken, and reservations, by the ledger."""
        async with self.served.scene.parts.postgres.read() as session:
            row = (
                await session.execute(
                    text(
                        "SELECT taken, (SELECT count(*) FROM flashsale.reservations r WHERE r.sale_id = i.sale_id)"
                        " FROM flashsale.buckets i WHERE sale_id = :sale_id"
                    ),
                    {"sale_id": self.served.scene.sale_id},
                )
            ).one()
        return row[0], row[1]


@pytest.fixture
async def ground(postgres: Postgres, sale_id: str, tmp_path: Path) -> AsyncIterator[Ground]:
    embedded = EmbeddedRedis(tmp_path / "redis", port=free_port())  # the same after a restart
    url = embedded.start()
    async with Wire(url) as wire:
        settings = RedisSettings(redis_connect_seconds=1.0, redis_command_seconds=1.0)
        roles = RedisRoles(
            *(connect(wire.url, settings, purpose=role) for role in ("queue", "stock", "limits"))
        )
        direct = connect(url, settings, purpose="direct")
        async with _gateway(postgres, roles, sale_id) as scene, serving(scene) as served:
            yield Ground(served, wire, direct, embedded)
            wire.heal()
        await direct.aclose()
        await roles.close()
    embedded.stop()


@asynccontextmanager
async def _gateway(postgres: Postgres, roles: RedisRoles, sale_id: str) -> AsyncIterator[Scene]:
    async with opened_scene(postgres, roles, sale_id) as scene:
        await scene.open_sale(total=UNITS)
        # A lease that counts after a quarter of a second: the sale goes on without Redis from then on.
        lease = LimitSettings(lease_seconds=0.25, lease_renew_seconds=0.1)
        limits = Limits(roles.limits, lease, scene.parts.clock)
        object.__setattr__(scene.parts, "limiting", Limiting(limits, GatewaySettings()))
        await limits.start()
        await asyncio.sleep(0.6)
        yield scene
        await limits.stop()


async def _slow_by_200_ms(ground: Ground) -> None:
    ground.wire.delay_seconds = 0.2


async def _slow_by_2_s(ground: Ground) -> None:
    ground.wire.delay_seconds = 2.0


async def _half_open(ground: Ground) -> None:
    ground.wire.silence()


async def _answers_lost(ground: Ground) -> None:
    ground.wire.next("lost_reply", times=ALWAYS)


async def _restarted(ground: Ground) -> None:
    ground.embedded.stop()
    ground.embedded.start()


async def _read_only(ground: Ground) -> None:
    await ground.direct.execute_command("REPLICAOF", "127.0.0.1", "1")


async def _out_of_memory(ground: Ground) -> None:
    await ground.direct.config_set("maxmemory", 1)


async def _without_scripts(ground: Ground) -> None:
    await ground.direct.script_flush()


async def _flushed(ground: Ground) -> None:
    await ground.direct.flushall()


FAULTS: dict[str, Callable[[Ground], Awaitable[None]]] = {
    "slow by 200 ms": _slow_by_200_ms,
    "slow by 2 s": _slow_by_2_s,
    "half open": _half_open,
    "answers lost": _answers_lost,
    "restarted": _restarted,
    "read-only": _read_only,
    "out of memory": _out_of_memory,
    "without scripts": _without_scripts,
    "flushed": _flushed,
}


async def _mended(ground: Ground) -> None:
    ground.wire.heal()
    await ground.direct.execute_command("REPLICAOF", "NO", "ONE")
    await ground.direct.config_set("maxmemory", 0)


@pytest.mark.parametrize("fault", FAULTS)
async def test_everybody_is_answered_in_time_and_each_key_has_one_effect(ground: Ground, fault: str) -> None:
    wishes = ground.wishes()
    await FAULTS[fault](ground)
    first = await ground.ask(wishes)
    assert {answer.status for answer in first} <= {201, 503}
    assert all(answer.field("retry-after") for answer in first if answer.status == 503)
    await _mended(ground)
    await ground.load()
    told = [{answer.document["reservation_id"]} if answer.status == 201 else set() for answer in first]
    left = list(range(SHOPPERS))
    for _ in range(20):  # whoever is told to come back does so with the same key
        answers = await ground.ask([wishes[number] for number in left])
        for number, answer in zip(left, answers, strict=True):
            assert answer.status in {201, 409, 503}, answer
            if answer.status == 201:
                told[number].add(answer.document["reservation_id"])
        left = [number for number, answer in zip(left, answers, strict=True) if answer.status != 201]
        if not left:
            break
        await asyncio.sleep(0.5)
        await ground.load()
    assert not left
    assert [len(ids) for ids in told] == [1] * SHOPPERS
    assert await ground.sold() == (SHOPPERS, SHOPPERS)


async def test_control_two_keys_of_one_wish_have_two_effects(ground: Ground) -> None:
    """What the operation id is for: without it a repeat is another purchase."""
    wish = ground.wishes()[0]
    answers = await ground.ask([wish, wish.replace(b"Idempotency-Key: ", b"Idempotency-Key: x")])
    assert Counter(answer.status for answer in answers) == {201: 2}
    assert await ground.sold() == (2, 2)
