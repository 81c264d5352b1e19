"""B2: messages that nobody can read or do. They are put aside, and hold nobody up."""

from typing import Any, Final

import msgspec
from dramatiq import Message

from ops.faults.house import keys
from ops.faults.house.shared import house_row
from ops.faults.house.shop import Shop
from ops.faults.house.workers import nothing_left
from ops.faults.matrix import Found

HUGE_CHARACTERS: Final = 1_000_000
UNREADABLE: Final = (b"{not json", b"", b"\xff\xfe\x00", b"[]", b'{"queue_name": "rewards"}')
POISON_SECONDS_MAX: Final = 12.0


def _poison(shop: Shop, mark: str) -> list[tuple[str, bytes]]:
    """Messages that no actor can make anything of, each with the id under which the broker keeps it."""
    good: Message[Any] = Message(
        queue_name="rewards", actor_name="grant_rewards", args=(), kwargs={}, options={}
    )
    fields = msgspec.json.decode(good.encode())
    odd: list[dict[str, Any]] = [
        {"actor_name": "no_such_actor"},
        {"kwargs": {"event_id": "not an id"}},
        {"kwargs": {"event_id": "x" * HUGE_CHARACTERS}},
        {"kwargs": {"unheard_of": 1}},
        {"args": ["one", "too", "many"]},
    ]
    poison = [
        (kept_as, msgspec.json.encode(fields | {"options": {"redis_message_id": kept_as}} | change))
        for change in odd
        for kept_as in [f"{mark}-{shop.dice.getrandbits(32):x}"]
    ]
    poison += [(f"{mark}-{shop.dice.getrandbits(32):x}", unreadable) for unreadable in UNREADABLE]
    shop.dice.shuffle(poison)
    return poison


async def poisoned(shop: Shop) -> Found:
    """What cannot be read or done lies before and between the bells of real rewards."""
    before = await shop.wave(shop.take(6))
    await shop.settle()
    shop.house.pause("worker")
    mark = f"{shop.dice.getrandbits(64):x}"
    poison = _poison(shop, mark)
    for kept_as, message in poison:
        queue = shop.dice.choice(keys.QUEUES)
        await shop.broker.hset(keys.messages(queue), kept_as, message)
        await shop.broker.rpush(keys.waiting(queue), kept_as)
    await shop.wave(shop.take(6))
    await shop.settle()
    shop.house.resume("worker")
    took = await shop.until("real rewards are paid", lambda: nothing_left(shop))
    if took > POISON_SECONDS_MAX:
        shop.wrong.append(f"poison_held_others_up: {took:.1f} s")

    async def put_aside() -> bool:
        left = [await shop.broker.hkeys(keys.messages(queue)) for queue in keys.QUEUES]
        return not any(mark in str(kept_as) for held in left for kept_as in held)

    await shop.until("the poison is put aside", put_aside)
    pid = shop.house.pid("worker")
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    injected = f"{len(poison)} messages nobody can read or do; pid {pid} put them all aside"
    return await shop.found(injected, recovery_seconds=took, goodput=(before, after))


ROWS: Final = (
    house_row("B2.poisoned", "messages nobody can read or do lie among the real ones",
              "消息队列混入无法解析、未知或超大的消息", poisoned),
)  # fmt: skip
