"""Lua scripts from files beside the store that calls them, reloaded wherever Redis has forgotten them.

Redis drops its script cache on restart, failover and SCRIPT FLUSH; redis-py's pipelines do not reload. A script that
answers NOSCRIPT has not run, so sending the call again cannot double an effect. It is sent with its source: a script that
was loaded first could be forgotten once more in between.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from kit import steps
from kit.cluster import ClusterClient, Command, exchange

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
        """The script's answer, whether Redis knows it yet or not. Raises redis errors unchanged."""
        (answer,) = await run_all(client, [LuaCall(self, keys, arguments)])
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass(frozen=True, slots=True)
class LuaCall:
    """One call in a pipeline."""

    script: LuaScript
    keys: Sequence[str]
    arguments: Sequence[Argument]


async def run_all(client: Redis, calls: Sequence[LuaCall]) -> list[Any]:
    """The answers of `calls`, in order, in one round trip; those that met NOSCRIPT are sent once more with their source.

    An answer may be a redis error of that call alone; the others are unaffected by it. Of a cluster each node is asked
    at once, and the absence of one is the answer of its calls alone.
    """
    _reached("lua.before", calls)
    commands: list[Command] = [
        ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.arguments) for call in calls
    ]
    answers = await _send(client, calls, commands)
    missing = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if missing:
        again = [calls[place] for place in missing]
        whole: list[Command] = [
            ("EVAL", call.script.source, *commands[place][2:])
            for place, call in zip(missing, again, strict=True)
        ]
        for place, answer in zip(missing, await _send(client, again, whole), strict=True):
            answers[place] = answer
    _reached("lua.after", calls)
    return answers


def _reached(kind: str, calls: Sequence[LuaCall]) -> None:
    """One step for each script of the round trip: nothing of ours lies between its calls."""
    if steps.armed is not None:
        for name in dict.fromkeys(call.script.name for call in calls):
            steps.reached(kind, name)


async def _send(client: Redis, calls: Sequence[LuaCall], commands: Sequence[Command]) -> list[Any]:
    """The answers of `commands`, each sent to where the first key of its call lies."""
    if isinstance(client, ClusterClient):
        return await client.send(commands, [call.keys[0] for call in calls])
    pool = client.connection_pool
    connection = await pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        return await exchange(connection, commands)
    finally:
        await pool.release(connection)
