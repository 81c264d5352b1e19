"""How a trial of the room stage goes: goodput before; the sale; at a seeded moment the fault; repair until it is open
again; goodput after; the sale to its end; rest; the judge.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import cycle
from typing import Final

from redis.exceptions import RedisError

from kit.errors import Unavailable
from ops.faults.matrix import Found, Ground
from ops.faults.process import Bounds, Process, Ways
from ops.faults.room import Room, opened_room
from ops.faults.verdict import GOODPUT_RATIO_MIN
from ops.invariants import judge
from ops.invariants.rows import Row

RECOVER_SECONDS_MAX: Final = 30.0
ASK_SECONDS: Final = 0.5  # bystanders ask from the opening on, so that every fault meets somebody
GOODPUT_SECONDS: Final = 0.15  # one measurement
BUYERS_AT_ONCE: Final = 16
REPAIR_SECONDS: Final = 0.1  # between two repairs; the keeper's are 2 s apart
QUIET_REPAIRS: Final = 2  # so many in a row that find nothing to do are rest
SELL_SECONDS_MAX: Final = 30.0
UNREPAIRED_SECONDS: Final = 6.0  # how long a control without repair goes on selling at most

# Breaks something, mends it, and says in one line what shows that it took place; empty if nothing does.
Fault = Callable[[Room], Awaitable[str]]


async def hold(
    ground: Ground,
    fault: Fault,
    ways: Ways | None = None,
    *,
    bounds: Bounds | None = None,
    repairing: bool = True,
) -> Found:
    """One trial. Without `repairing`, in a control, nobody brings Redis back to the ledger."""
    async with opened_room(ground, ways or Ways.straight(ground), bounds or Bounds()) as room:
        for _ in range(QUIET_REPAIRS):
            await room.processes[0].repair.run_once()
        offered, before = await _goodput_before(room)
        background = [asyncio.create_task(room.crowd.shop()), asyncio.create_task(room.ask(ASK_SECONDS))]
        if repairing:
            background.append(asyncio.create_task(_keep_repairing(room)))
        try:
            injected = await fault(room)
            ended = asyncio.get_running_loop().time()
            recovery, after, unsold = None, None, 0
            if repairing:
                recovery = await _recover(room, ended)
                after = await _goodput_after(room, offered, before, ended)
                unsold = await _sell_out(room)
            else:
                await _sell_all(room)
        finally:
            room.crowd.closed = True
            await asyncio.gather(*background)
        violations = await _judged(room, repairing=repairing)
        return Found(injected, violations, recovery, before, after, unsold)


async def _goodput_before(room: Room) -> tuple[float, float]:
    """The rate that is offered, half of what the processes can do, and how many of those were served a second.

    What they can do depends on what else the machine does at that moment; what becomes of half of it does not.
    """
    await room.bystanders.buy(GOODPUT_SECONDS, at_once=BUYERS_AT_ONCE)  # connections, plans, caches
    can = await room.bystanders.buy(GOODPUT_SECONDS, at_once=BUYERS_AT_ONCE)
    offered = max(can / 2, 1 / GOODPUT_SECONDS)
    return offered, await room.bystanders.offer(offered, GOODPUT_SECONDS)


async def _goodput_after(room: Room, offered: float, before: float, ended: float) -> float:
    """The first measurement that reaches what is asked for; the best one if none does in time."""
    loop, best = asyncio.get_running_loop(), 0.0
    while best < GOODPUT_RATIO_MIN * before and loop.time() < ended + RECOVER_SECONDS_MAX:
        best = max(best, await room.bystanders.offer(offered, GOODPUT_SECONDS))
    return best


async def _keep_repairing(room: Room) -> None:
    """By turns from each process: any keeper may be the one that leads."""
    for process in cycle(room.processes):
        if room.crowd.closed:
            return
        await _repair(process)
        await asyncio.sleep(REPAIR_SECONDS)


async def _repair(process: Process) -> bool:
    """Whether Redis was there and nothing was left to do."""
    try:
        report = await process.repair.run_once()
    except Unavailable:
        return False
    return not (report.away or report.reloaded or report.drifted or report.recovered)


async def _recover(room: Room, ended: float) -> float | None:
    """Seconds from the end of the fault until Redis is open under the ledger's epoch and a bystander is served."""
    loop = asyncio.get_running_loop()
    while loop.time() < ended + RECOVER_SECONDS_MAX:
        if await _is_open(room) and await room.bystanders.buy_one():
            return loop.time() - ended
        await asyncio.sleep(0.01)
    return None


async def _is_open(room: Room) -> bool:
    try:
        return all(view.redis_epoch == view.epoch for view in await room.views())
    except (Unavailable, RedisError):
        return False


async def _sell_out(room: Room) -> int:
    """Units that nobody could buy although more people wanted one than there were."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SELL_SECONDS_MAX
    free = 0
    while loop.time() < until:
        with suppress(Unavailable):
            free = await room.free_units()
            if free <= 0 and not room.crowd.busy:
                return 0
        await asyncio.sleep(0.02)
    return max(free, 0)


async def _sell_all(room: Room) -> None:
    """A control goes on selling to everybody who wants one, for so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(UNREPAIRED_SECONDS):
            await room.crowd.serves(len(room.crowd.shoppers))


async def _judged(room: Room, *, repairing: bool) -> tuple[str, ...]:
    """After everything has come to rest: what the judge finds, and who waited too long for an answer."""
    for process in room.processes:
        await process.reservations.stop()
    violations = [f"answered_in_time: {user_id}" for user_id in dict.fromkeys(room.witness.unanswered)]
    if repairing and not await _rest(room):
        violations.append("comes_to_rest: the repair still finds something to do")
    room.witness.close()
    found: list[Row] = await judge(
        room.truth,
        room.processes[0].redis.stock,
        book=room.till.book,
        history=room.witness.path,
        looks=1 if not repairing else 3,
    )
    violations += [
        f"{row.id}: {'?' if row.value is None else f'{row.value:g}'}" for row in found if not row.holds
    ]
    return tuple(violations)


async def _rest(room: Room) -> bool:
    loop = asyncio.get_running_loop()
    until, quiet = loop.time() + RECOVER_SECONDS_MAX, 0
    while quiet < QUIET_REPAIRS and loop.time() < until:
        quiet = quiet + 1 if await _repair(room.processes[0]) and await _is_level(room) else 0
        if quiet < QUIET_REPAIRS:
            await asyncio.sleep(REPAIR_SECONDS / 2)
    return quiet >= QUIET_REPAIRS


async def _is_level(room: Room) -> bool:
    """Whether Redis offers exactly what the ledger has left, and nothing is pending."""
    views = await room.views()
    return all(view.redis_available == view.total - view.taken and not view.redis_pending for view in views)
