"""A client for a Redis Cluster that asks each node once: `redis+cluster://host:port,host:port`.

redis-py knows the slots and follows them; its retries are off, and so is what repeats a command whose answer was lost.
What a node refuses unexecuted (MOVED, ASK) is sent on to the node that it names. A failover, planned or not, gives a
slot another server process, and what was loaded into the one before means nothing there (`run_id` in the scripts).
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

import hiredis
from redis.asyncio.cluster import ClusterNode, ClusterPipeline, ClusterPubSub, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, RedisClusterException, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.maint_notifications import MaintNotificationsConfig

from kit.settings import RedisSettings

SCHEMES: Final = ("redis+cluster", "rediss+cluster")
# A node that did not answer is not asked again for so long: its silence may cost a whole command time-out, and batches
# for the other nodes would wait for it.
NODE_REST_SECONDS: Final = 0.5

Command = tuple[str | bytes | int, ...]


class ClusterClient(RedisCluster):
    """One role's way to a cluster. Errors are those that a single server's client raises."""

    def __init__(self, url: str, settings: RedisSettings, *, purpose: str) -> None:
        """Connects at its first command. Raises `ValueError` for what is no address of a cluster."""
        parts = urlsplit(url)
        super().__init__(
            startup_nodes=[
                ClusterNode(host, port) for host, port in _places(parts.netloc.rpartition("@")[2])
            ],
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            ssl=parts.scheme == "rediss+cluster",
            client_name=f"floodgate-{purpose}",
            socket_connect_timeout=settings.redis_connect_seconds,
            socket_timeout=settings.redis_command_seconds,
            socket_keepalive=True,
            max_connections=settings.redis_connections_max,
            retry=Retry(NoBackoff(), 0),
            reinitialize_steps=0,  # it would close the connections that others are reading from
            require_full_coverage=False,  # a shard that is gone closes its own slots, not the others'
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._resting_until: dict[str, float] = {}

    async def send(self, commands: Sequence[Command], keys: Sequence[str]) -> list[Any]:
        """An answer a command, in order: one write a node, all nodes at once. `keys` say where each command belongs.

        An answer may be a redis error of that command alone. A node's absence is the answer of all its commands.
        """
        try:
            await self.initialize()
        except RedisError as error:
            return [error] * len(commands)
        by_node: dict[ClusterNode | None, list[int]] = defaultdict(list)
        for place, key in enumerate(keys):
            by_node[self._node(key)].append(place)
        answers: list[Any] = [ClusterDownError("no node serves the slot")] * len(commands)
        served = [(node, places) for node, places in by_node.items() if node is not None]
        told = await asyncio.gather(
            *(self._ask_node(node, [commands[place] for place in places]) for node, places in served)
        )
        for (_, places), each in zip(served, told, strict=True):
            for place, answer in zip(places, each, strict=True):
                answers[place] = answer
        for place, answer in enumerate(answers):
            if isinstance(answer, AskError):  # MOVED too: refused before it ran, so it may be sent again
                answers[place] = await self._send_on(commands[place])
        return answers

    async def initialize(self, *arguments: Any, **named: Any) -> "ClusterClient":
        """Learns who serves what, if that is not known. Raises redis errors."""
        try:
            await super().initialize(*arguments, **named)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
        return self

    async def execute_command(self, *arguments: Any, **named: Any) -> Any:
        try:
            return await super().execute_command(*arguments, **named)
        except RedisClusterException as error:
            raise ClusterDownError(str(error)) from error

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> "ClusterPipeline":
        """Commands for any nodes; none is sent twice."""
        return _Pipeline(self, transaction)  # type: ignore[abstract]  # redis-py sets the attribute at run time

    def pubsub(self, *arguments: Any, **named: Any) -> ClusterPubSub:
        """A subscription; one is made anew only after the last has broken, so who serves what is learnt again."""
        self.look_again()
        return super().pubsub(*arguments, **named)

    def look_again(self) -> None:
        """Has the next command learn first who serves what."""
        self._initialize = True

    def _node(self, key: str) -> ClusterNode | None:
        nodes = self.nodes_manager.slots_cache.get(key_slot(key.encode()))
        return nodes[0] if nodes else None

    async def _ask_node(self, node: ClusterNode, commands: Sequence[Command]) -> list[Any]:
        if time.monotonic() < self._resting_until.get(node.name, 0.0):
            return [RedisConnectionError(f"{node.name} did not answer a moment ago")] * len(commands)
        connection = node.acquire_connection()
        try:
            await node.disconnect_if_needed(connection)
            return await exchange(connection, commands)
        except (RedisError, OSError) as error:
            self._resting_until[node.name] = time.monotonic() + NODE_REST_SECONDS
            self.look_again()
            await node.disconnect_free_connections()  # the server behind them may be another by now
            return [error] * len(commands)
        finally:
            node.release(connection)

    async def _send_on(self, command: Command) -> Any:
        try:
            return await self.execute_command(*command)
        except (RedisError, OSError) as error:
            return error


class _Pipeline(ClusterPipeline):
    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        client = cast(ClusterClient, self.cluster_client)
        try:
            return await super().execute(raise_on_error, allow_redirections)
        except RedisClusterException as error:
            client.look_again()
            raise ClusterDownError(str(error)) from error
        except (RedisError, OSError):
            client.look_again()
            raise


async def exchange(connection: AbstractConnection, commands: Sequence[Command]) -> list[Any]:
    """One write, and an answer a command; those that are redis errors are returned in their place.

    Beneath redis-py's pipelines, which cost more than the scripts, and packed in C: a batch of hundreds of keys is packed
    seven times as fast. Raises redis errors when the connection breaks.
    """
    try:
        await connection.send_packed_command([hiredis.pack_command(each) for each in commands])  # type: ignore[arg-type]  # its stub takes one word
        return [await _read_answer(connection) for _ in commands]
    except asyncio.CancelledError:
        await connection.disconnect(nowait=True)  # what it has asked for must not be read by the next
        raise


async def _read_answer(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def is_cluster(url: str) -> bool:
    """Whether an address names nodes of a cluster."""
    return url.partition("://")[0] in SCHEMES


def _places(netloc: str) -> list[tuple[str, int]]:
    places = []
    for place in netloc.split(","):
        host, _, port = place.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("a cluster is named as redis+cluster://host:6379,host:6379")
        places.append((host.strip("[]"), int(port)))
    return places
