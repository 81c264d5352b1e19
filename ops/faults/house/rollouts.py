"""O2, O3: versions and keys change in mid-sale."""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import msgspec

from ops.faults.house.buyers import Buyer
from ops.faults.house.endings import dropped, looked_at, two_gateways
from ops.faults.house.house import KEEPERS
from ops.faults.house.shared import house_row
from ops.faults.house.shop import Shop
from ops.faults.matrix import Found

LOCK_SECONDS_MAX: Final = (
    0.5  # a migration that waits longer stands in the way of those who buy: it tries again
)
TRIES_MAX: Final = 40

EXPAND: Final = (
    "ALTER TABLE flashsale.reservations ADD COLUMN IF NOT EXISTS n_plus_1 text",
    "ALTER TABLE flashsale.items ADD COLUMN IF NOT EXISTS n_plus_1 bigint NOT NULL DEFAULT 0",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_n_plus_1 ON flashsale.reservations (n_plus_1)",
)
CONTRACT: Final = (
    "DROP INDEX CONCURRENTLY IF EXISTS flashsale.ix_n_plus_1",
    "ALTER TABLE flashsale.reservations DROP COLUMN IF EXISTS n_plus_1",
    "ALTER TABLE flashsale.items DROP COLUMN IF EXISTS n_plus_1",
)


async def _migrate(shop: Shop, statements: Sequence[str]) -> int:
    """Each statement as a migration sends it: with a short patience, again until it has got its lock; the tries."""
    connection = await asyncpg.connect(shop.house.urls.database)
    tries = 0
    try:
        await connection.execute(f"SET lock_timeout = '{int(LOCK_SECONDS_MAX * 1000)}ms'")
        for statement in statements:
            for _ in range(TRIES_MAX):
                tries += 1
                try:
                    await connection.execute(statement)
                    break
                except asyncpg.LockNotAvailableError:
                    await asyncio.sleep(shop.dice.uniform(0.0, 0.1))
    finally:
        await connection.close()
    return tries


@asynccontextmanager
async def _nobody_dropped(shop: Shop) -> AsyncIterator[None]:
    """Two gateways and people who look; whoever gets no answer inside is told of."""
    async with two_gateways(shop), looked_at(shop):
        known = dict(shop.door.answers)
        yield
        lost = dropped(shop, known)
    if lost:
        shop.wrong.append(f"dropped: {lost}")


async def expanded(shop: Shop) -> Found:
    """The tables of N+1 under processes of N, then both versions together, then the contraction."""
    async with _nobody_dropped(shop):
        before = await shop.wave(shop.take(6))
        wave = shop.beside(shop.wave(shop.take(6)))
        tries = await _migrate(shop, EXPAND)
        await wave
        shop.house.tell_to_end("gateway-2")
        await shop.house.ended("gateway-2")
        pid = await shop.house.again("gateway-2")  # planned its statements on the new tables
        after = await shop.wave(shop.take(6))
        late = shop.beside(shop.sell_out())
        tries += await _migrate(shop, CONTRACT)
        await late
    return await shop.found(
        f"{len(EXPAND) + len(CONTRACT)} changes of tables in {tries} tries in mid-sale; pid {pid} began between them",
        goodput=(before, after),
    )


async def rolled(shop: Shop) -> Found:
    """Every process is replaced by its successor, one after the other, while people buy."""
    async with _nobody_dropped(shop):
        before = await shop.wave(shop.take(6))
        pids = []
        for name in ("gateway-2", "gateway", "worker", *KEEPERS):
            old = shop.house.tell_to_end(name)
            buying = shop.beside(shop.wave(shop.take(2)))
            code = await shop.house.ended(name)
            if code != 0:
                shop.wrong.append(f"ended_badly: {name} {code}")
            pids.append(f"{old} -> {await shop.house.again(name)}")
            await buying
        after = await shop.wave(shop.take(4))
        await shop.sell_out()
    return await shop.found(f"replaced: {', '.join(pids)}", goodput=(before, after))


def _kid(token: str) -> str:
    """The key that a token was signed with: the first part of ours, or in a JWT's head."""
    head = token.split(".", maxsplit=1)[0]
    if len(head) < 20:
        return head
    return str(msgspec.json.decode(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


async def _restarted(shop: Shop, variable: str, keys: str) -> None:
    await shop.settle()
    shop.house.tell_to_end("gateway")
    await shop.house.ended("gateway")
    await shop.house.again("gateway", {variable: keys})
    await shop.until("the gateway shows the sale", lambda: _shows(shop))


async def _shows(shop: Shop) -> bool:
    return (await shop.door.once("GET", f"/v1/sales/{shop.sale_id}/queue")).ok


async def _rotated(shop: Shop, variable: str, old_refused: Callable[[Buyer], Awaitable[int]]) -> Found:
    """New keys sign, then both verify, then the new ones alone; holders of old rights are served until then."""
    old = shop.house.environment[variable]
    new = f"next:{shop.dice.getrandbits(256):064x}"
    before = await shop.wave(shop.take(6))
    await _restarted(shop, variable, f"{new},{old}")
    await shop.wave(shop.take(6))  # with rights of the old key
    keeps = shop.take(4)
    await shop.let_in(8)
    fresh = shop.take()[-8:]
    right = "admission" if variable == "QUEUEING_KEYS" else "token"
    kids = {_kid(getattr(buyer, right)) for buyer in keeps}, {_kid(getattr(buyer, right)) for buyer in fresh}
    if kids != ({"run"}, {"next"}):
        shop.wrong.append(f"signed_by_the_wrong_key: {kids}")
    await _restarted(shop, variable, new)
    answers = [await old_refused(buyer) for buyer in keeps]
    if set(answers) != {401}:
        shop.wrong.append(f"old_key_accepted: {answers}")
    after = await shop.wave(fresh[:4])
    for buyer in fresh[4:]:
        shop.give_back(buyer)
    for buyer in keeps:  # the same place again, signed anew
        buyer.ticket = ""
        await buyer.come_in()
        shop.give_back(buyer)
    await shop.sell_out()
    return await shop.found(
        f"{variable}: {kids[0]} and {kids[1]} together, then the old answered {answers}",
        goodput=(before, after),
    )


async def _old_admission(buyer: Buyer) -> int:
    path = f"{buyer.path}/reservations"
    body = {"sku": buyer.sku, "quantity": 1}
    answer = await buyer.door.once(
        "POST", path, bearer=buyer.admission, body=body, Idempotency_Key=buyer.new_key()
    )
    return answer.status


async def _old_token(buyer: Buyer) -> int:
    return (await buyer.door.once("GET", "/v1/me/reservations", bearer=buyer.token)).status


async def queue_keys_rotated(shop: Shop) -> Found:
    return await _rotated(shop, "QUEUEING_KEYS", _old_admission)


async def user_keys_rotated(shop: Shop) -> Found:
    return await _rotated(shop, "IDENTITY_KEYS", _old_token)


ROWS: Final = (
    house_row("O2.expanded", "the tables are expanded and contracted in mid-sale under old and new processes",
              "抢购中扩展、收缩表结构，新旧进程并存", expanded, "gateway-2"),
    house_row("O2.rolled", "every process is replaced in mid-sale, one after the other",
              "抢购中逐个替换所有进程", rolled, "gateway-2", shoppers=28),
    house_row("O3.queue_keys_rotated", "the keys of tickets and admissions are rotated in mid-sale",
              "抢购中轮换排队与入场密钥", queue_keys_rotated),
    house_row("O3.user_keys_rotated", "the keys of user tokens are rotated in mid-sale",
              "抢购中轮换用户令牌密钥", user_keys_rotated),
)  # fmt: skip
