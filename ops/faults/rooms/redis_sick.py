"""R4 and R5: Redis is late, silent, cut off, full, read-only, busy, out of connections, or has forgotten its scripts.

Asking again under the same operation id has one effect; what Redis cannot say, PostgreSQL decides at a bounded rate.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.embedded.wire import Mishap, Wire
from ops.faults.course import hold
from ops.faults.matrix import FaultRow, Found, Ground, Trial
from ops.faults.ownredis import OwnRedis, on_its_own
from ops.faults.process import Ways
from ops.faults.room import Room
from ops.faults.rooms.wires import late, mishaps

ASK_SECONDS: Final = 0.3  # how long bystanders keep asking while something is broken
ASKS_MAX: Final = 10  # until somebody has met what is to be shown
SILENCE_SECONDS: Final = (0.3, 0.8)  # shorter and longer than the bound of one command
CONNECTIONS_LEFT: Final = 2  # with the connection of the one who looks

WireFault = Callable[[Room, Wire], Awaitable[str]]


async def _late_by_a_little(room: Room, wire: Wire) -> str:
    return await late(room, wire, 0.2, ask_seconds=2 * ASK_SECONDS)


async def _late_by_far(room: Room, wire: Wire) -> str:
    return await late(room, wire, 2.0, ask_seconds=2 * ASK_SECONDS)


async def _silent(room: Room, wire: Wire) -> str:
    served = await room.middle()
    seconds = room.dice.uniform(*SILENCE_SECONDS)
    wire.silence()
    await room.ask(seconds)
    wire.heal()
    held = wire.counts["silenced"]
    return f"{held} messages into a black hole for {seconds:.2f} s from {served} served on" if held else ""


async def _mishaps(room: Room, wire: Wire, mishap: Mishap, what: str) -> str:
    return await mishaps(room, wire, mishap, what, asked=b"EVALSHA", times=(2, 6), ask_seconds=ASK_SECONDS)


async def _reset(room: Room, wire: Wire) -> str:
    return await _mishaps(room, wire, "reset", "connections reset before the script ran")


async def _half_a_reply(room: Room, wire: Wire) -> str:
    return await _mishaps(room, wire, "half_reply", "answers cut in half")


async def _reply_lost(room: Room, wire: Wire) -> str:
    return await _mishaps(room, wire, "lost_reply", "answers lost after the script had run")


async def _out_of_memory(room: Room, redis: OwnRedis) -> str:
    served = await room.middle()
    before = await redis.refused()
    await redis.direct.config_set("maxmemory", 1)
    await room.ask(ASK_SECONDS)
    refused = await redis.refused() - before
    await redis.direct.config_set("maxmemory", 0)
    return f"maxmemory reached at {served} served, {refused} commands refused" if refused else ""


async def _read_only(room: Room, redis: OwnRedis) -> str:
    served = await room.middle()
    before = await redis.refused()
    await redis.follow("127.0.0.1", 1)
    await room.ask(ASK_SECONDS)
    refused = await redis.refused() - before
    await redis.lead()
    return f"a replica of nobody from {served} served on, {refused} writes refused" if refused else ""


async def _busy(room: Room, redis: OwnRedis) -> str:
    """A script that never ends is answered for with BUSY, until it is killed."""
    served = await room.middle()
    await redis.direct.config_set("lua-time-limit", 5)
    endless = asyncio.create_task(_run_endless(redis.url))
    await room.ask(ASK_SECONDS)
    with suppress(RedisError):
        await redis.direct.script_kill()
    ended = await endless
    refused = await redis.errors("BUSY")
    return f"an endless script at {served} served ({ended}), {refused} commands refused" if refused else ""


async def _run_endless(url: str) -> str:
    client = Redis.from_url(url, socket_timeout=None)
    try:
        await client.eval("while true do end", 0)
    except RedisError as error:
        return "killed" if "Script killed" in str(error) else type(error).__name__
    finally:
        await client.aclose()
    return "ended"


async def _no_connections(room: Room, redis: OwnRedis) -> str:
    served = await room.middle()
    await redis.direct.ping()
    before = int((await redis.info("stats"))["rejected_connections"])
    async with _idle_connections(redis):
        await redis.direct.config_set("maxclients", CONNECTIONS_LEFT)
        await redis.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        async with _idle_connections(redis):
            await room.ask(ASK_SECONDS)
            rejected = int((await redis.info("stats"))["rejected_connections"]) - before
            await redis.direct.config_set("maxclients", 1000)
    return f"maxclients reached at {served} served, {rejected} connections refused" if rejected else ""


@asynccontextmanager
async def _idle_connections(redis: OwnRedis) -> AsyncIterator[None]:
    """So many that nobody else finds one."""
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS_LEFT):
            client = Redis.from_url(redis.url)
            stack.push_async_callback(client.aclose)
            with suppress(RedisError, OSError):
                await client.ping()
        yield


async def _scripts_flushed(room: Room, redis: OwnRedis) -> str:
    served = await room.middle()
    for _ in range(3):
        await redis.direct.script_flush()
        await room.ask(ASK_SECONDS / 3)
    missed = await redis.errors("NOSCRIPT")
    return f"SCRIPT FLUSH three times from {served} served on, {missed} calls met none" if missed else ""


async def _restarted_without_scripts(room: Room, redis: OwnRedis) -> str:
    served = await room.middle()
    await redis.kill()
    await redis.start()
    for _ in range(ASKS_MAX):
        await room.ask(ASK_SECONDS)
        if missed := await redis.errors("NOSCRIPT"):
            break
    return f"restarted at {served} served, {missed} calls met no script" if missed else ""


def _by_wire(fault: WireFault) -> Trial:
    async def trial(ground: Ground) -> Found:
        async with Wire(ground.redis_url) as wire:

            async def inject(room: Room) -> str:
                return await fault(room, wire)

            return await hold(ground, inject, Ways([ground.database_url], [wire.url]))

    return trial


ROWS: Final = (
    FaultRow("R4.slow_200_ms", "each answer of Redis is 200 ms late",
             "Redis 的每个回复迟到 200 毫秒", "room", _by_wire(_late_by_a_little)),
    FaultRow("R4.slow_2_s", "each answer of Redis is 2 s late, later than anybody waits",
             "Redis 的每个回复迟到 2 秒，超过所有等待上限", "room", _by_wire(_late_by_far)),
    FaultRow("R4.black_hole", "Redis is silent and nobody is told",
             "Redis 陷入黑洞，无声无息", "room", _by_wire(_silent)),
    FaultRow("R4.reset", "connections to Redis are reset before the request arrives",
             "请求到达之前与 Redis 的连接被重置", "room", _by_wire(_reset)),
    FaultRow("R4.half_a_reply", "Redis's answers break off in the middle",
             "Redis 的回复只到一半", "room", _by_wire(_half_a_reply)),
    FaultRow("R4.reply_lost", "Redis has run the script and its answer is lost",
             "Redis 已执行脚本而回复丢失", "room", _by_wire(_reply_lost)),
    FaultRow("R4.out_of_memory", "Redis is out of memory and evicts nothing",
             "Redis 内存耗尽且不淘汰", "room", on_its_own(_out_of_memory)),
    FaultRow("R4.read_only", "Redis answers READONLY",
             "Redis 只读（READONLY）", "room", on_its_own(_read_only)),
    FaultRow("R4.busy_script", "a script that never ends keeps Redis busy",
             "永不结束的脚本占住 Redis（BUSY）", "room", on_its_own(_busy)),
    FaultRow("R4.max_clients", "Redis accepts no more connections",
             "Redis 不再接受连接（maxclients）", "room", on_its_own(_no_connections)),
    FaultRow("R5.scripts_flushed", "Redis forgets its scripts in mid-sale",
             "抢购中途 Redis 忘掉脚本", "room", on_its_own(_scripts_flushed)),
    FaultRow("R5.restarted_without_scripts", "Redis is restarted and knows no script",
             "Redis 重启后不认识任何脚本", "room", on_its_own(_restarted_without_scripts)),
)  # fmt: skip
