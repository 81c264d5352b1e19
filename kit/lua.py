"""Lua scripts from files beside the store that calls them, reloaded wherever Redis has forgotten them.

Redis drops its script cache on restart, failover and SCRIPT FLUSH; redis-py's pipelines do not reload. A script that
answers NOSCRIPT has not run, so loading it and sending the call again cannot double an effect.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, ResponseError

from kit import steps

Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class LuaScript:
    """One atomic step. `source` is the file's text, `sha` what Redis knows it by."""

    source: str
    name: str = "unnamed"  # the file's path in the repository
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)

    @classmethod
    def from_file(cls, package: str, name: str) -> "LuaScript":
        """The script `lua/<name>.lua` of `package`, read once at composition time."""
        file = resources.files(package).joinpath("lua", f"{name}.lua")
        return cls(file.read_text(encoding="utf-8"), f"{package.replace('.', '/')}/lua/{name}.lua")

    async def run(self, client: Redis, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """The script's answer; loads it first where Redis does not know it. Raises redis errors unchanged."""
        steps.reached("lua.before", self.name)
        try:
            answer = await client.evalsha(self.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            await client.script_load(self.source)
            answer = await client.evalsha(self.sha, len(keys), *keys, *arguments)
        steps.reached("lua.after", self.name)
        return answer


@dataclass(frozen=True, slots=True)
class LuaCall:
    """One call in a pipeline."""

    script: LuaScript
    keys: Sequence[str]
    arguments: Sequence[Argument]


async def run_all(client: Redis, calls: Sequence[LuaCall]) -> list[Any]:
    """The answers of `calls`, in order, in one round trip; those that met NOSCRIPT are loaded and sent once more.

    An answer may be a redis error of that call alone; the others are unaffected by it.
    """
    _reached("lua.before", calls)
    answers = await _send(client, calls)
    missing = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if missing:
        for source in {calls[place].script.source for place in missing}:
            await client.script_load(source)
        for place, answer in zip(missing, await _send(client, [calls[p] for p in missing]), strict=True):
            answers[place] = answer
    _reached("lua.after", calls)
    return answers


def _reached(kind: str, calls: Sequence[LuaCall]) -> None:
    """One step for each script of the round trip: nothing of ours lies between its calls."""
    if steps.armed is not None:
        for name in dict.fromkeys(call.script.name for call in calls):
            steps.reached(kind, name)


async def _send(client: Redis, calls: Sequence[LuaCall]) -> list[Any]:
    """One write, and an answer a call; beneath redis-py's pipelines, which cost more than the scripts."""
    pool = client.connection_pool
    connection = await pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        await connection.send_packed_command(
            connection.pack_commands(
                ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments) for call in calls
            )
        )
        return [await _read_answer(connection) for _ in calls]
    except asyncio.CancelledError:
        await connection.disconnect(nowait=True)  # what it has asked for must not be read by the next
        raise
    finally:
        await pool.release(connection)


async def _read_answer(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
