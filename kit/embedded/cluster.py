"""A Redis Cluster on this machine: three masters, a replica for each, failing over by themselves.

It begins empty each time: what Redis knows is rebuilt from PostgreSQL, and the addresses in an old nodes.conf are those
of another run.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import RedisError
from redis.retry import Retry

from kit.embedded.leftovers import end_leftover
from kit.embedded.ports import free_cluster_port
from kit.embedded.redis import EmbeddedRedis
from kit.errors import StartRefused

MASTERS: Final = 3
SLOTS: Final = 16_384
# How long a node may be silent before the others count it as gone. Redis's own default is fifteen seconds; on one
# machine silence is death, and two seconds still outlast a busy core.
NODE_TIMEOUT_MS: Final = 2000
AGREE_SECONDS_MAX: Final = (
    45.0  # meeting needs a second or two, an election the time-out and a vote; busy cores more
)
COMMAND_SECONDS_MAX: Final = 5.0
_POLL_SECONDS: Final = 0.05
_FIRST_SLOTS: Final = [SLOTS * place // MASTERS for place in range(MASTERS)]

_OPTIONS: Final = (
    "--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS),
    # A shard without a master closes its own slots, not the others'.
    "--cluster-require-full-coverage", "no",
    # A replica may stand for election however long it was cut off: the ledger, not Redis, knows what was sold.
    "--cluster-replica-validity-factor", "0",
)  # fmt: skip


class EmbeddedCluster:
    """Six servers below `folder`; started by `start`, stopped by `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: dict[str, EmbeddedRedis] = {}
        self._orphaned: dict[str, int] = {}  # a slot of each master that was killed
        self._frozen: dict[str, int] = {}  # the process ids of those that hear nothing

    def start(self) -> str:
        """The URL of the cluster once every slot is served and every replica follows. Raises `StartRefused`."""
        with ExitStack() as on_failure:
            on_failure.callback(self.stop)
            for place in range(2 * MASTERS):
                name = f"node-{place + 1}"
                self.nodes[name] = self._start_node(self.folder / name)
            try:
                self._form()
            except RedisError as error:
                raise StartRefused(f"The embedded Redis Cluster did not form ({error}).") from error
            on_failure.pop_all()
        return self.url

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes.values())

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the nodes that run."""
        return {f"redis-{name}": node.pid for name, node in self.nodes.items() if node.runs}

    def master_of(self, key: str) -> str:
        """The name of the node that serves `key`. Raises `StartRefused` while the nodes do not agree on one."""
        owner = self._owner(key_slot(key.encode()))
        if owner is None:
            raise StartRefused(f"No node of the embedded Redis Cluster serves {key}.")
        return owner

    def leave_behind(self, master: str) -> None:
        """From now on the replica of `master` hears nothing of what that acknowledges, until the master is killed."""
        node = self.nodes[master]
        if _ask(node, "WAIT", 1, round(COMMAND_SECONDS_MAX * 500)) < 1:
            raise StartRefused(f"{master} has no replica that follows.")
        port = int(_ask(node, "INFO", "replication")["slave0"]["port"])
        name = next(name for name, each in self.nodes.items() if each.port == port)
        self._frozen[name] = self.nodes[name].pid
        os.kill(self._frozen[name], signal.SIGSTOP)
        # What is on its way would be read after all once it runs again: the master itself ends the connection.
        _ask(node, "CLIENT", "KILL", "TYPE", "replica")

    def kill(self, name: str) -> None:
        """SIGKILL. Of a master the others elect the replica, which may lag behind what was acknowledged here."""
        served = [slot for slot in _FIRST_SLOTS if self._owner(slot) == name]
        self.nodes[name].kill()
        while self._frozen:
            os.kill(self._frozen.popitem()[1], signal.SIGCONT)
        if served:
            self._orphaned[name] = served[0]

    def wait_for_successor(self, dead: str) -> str:
        """The name of the node that has taken over from the killed master `dead`. Raises `StartRefused` if none does."""
        slot = self._orphaned[dead]
        _wait(lambda: self._owner(slot) not in {None, dead}, f"no replica has taken over from {dead}")
        return self._owner(slot) or ""

    def bring_back(self, name: str) -> None:
        """Starts a node that was killed; it follows whoever has taken over. Raises `StartRefused`."""
        killed = self.nodes[name]
        self.nodes[name] = EmbeddedRedis(killed.folder, port=killed.port, options=_OPTIONS)
        self.nodes[name].start()
        _wait(self._is_whole, f"{name} has not joined again")

    def stop(self) -> None:
        for node in self.nodes.values():
            node.stop()

    def _start_node(self, folder: Path) -> EmbeddedRedis:
        end_leftover(folder / "redis.pid", folder)
        shutil.rmtree(folder, ignore_errors=True)
        node = EmbeddedRedis(folder, choose_port=free_cluster_port, options=_OPTIONS)
        node.start()
        return node

    def _form(self) -> None:
        nodes = list(self.nodes.values())
        for place, node in enumerate(nodes):
            _ask(
                node, "CLUSTER", "SET-CONFIG-EPOCH", place + 1
            )  # else two masters may begin with the same, and quarrel
        for node, first, end in zip(nodes, _FIRST_SLOTS, [*_FIRST_SLOTS[1:], SLOTS], strict=False):
            _ask(node, "CLUSTER", "ADDSLOTS", *range(first, end))
        for node in nodes[1:]:
            _ask(nodes[0], "CLUSTER", "MEET", "127.0.0.1", node.port)
        everybody = {str(node.port) for node in nodes}
        _wait(lambda: all(_knows(node) == everybody for node in nodes), "the nodes have not met")
        for master, replica in zip(nodes[:MASTERS], nodes[MASTERS:], strict=True):
            _ask(replica, "CLUSTER", "REPLICATE", _ask(master, "CLUSTER", "MYID"))
        _wait(self._is_whole, "not every slot has a master and a replica")

    def _is_whole(self) -> bool:
        """Whether every node runs, agrees that all slots are served, and is a master or has caught up with its own."""
        return all(node.runs and _is_settled(node) for node in self.nodes.values()) and all(
            self._owner(slot) is not None for slot in _FIRST_SLOTS
        )

    def _owner(self, slot: int) -> str | None:
        """The node that serves `slot`, when all that run say the same; None while they do not."""
        asked = [node for name, node in self.nodes.items() if node.runs and name not in self._frozen]
        named = {_owner_port(node, slot) for node in asked}
        return next((name for name, node in self.nodes.items() if named == {node.port}), None)


def _ask(node: EmbeddedRedis, *command: str | bytes | int) -> Any:
    with Redis(port=node.port, socket_timeout=COMMAND_SECONDS_MAX, retry=Retry(NoBackoff(), 0)) as client:
        return client.execute_command(*command)


def _knows(node: EmbeddedRedis) -> set[str]:
    """The ports of the nodes that `node` has shaken hands with."""
    told = _ask(node, "CLUSTER NODES")
    return {place.rpartition(":")[2] for place, facts in told.items() if "handshake" not in facts["flags"]}


def _is_settled(node: EmbeddedRedis) -> bool:
    if _ask(node, "CLUSTER INFO")["cluster_state"] != "ok":
        return False
    replication = _ask(node, "INFO", "replication")
    return bool(replication["role"] == "master" or replication["master_link_status"] == "up")


def _owner_port(node: EmbeddedRedis, slot: int) -> int | None:
    for first, last, (_, port, *_), *_ in _ask(node, "CLUSTER SLOTS"):
        if first <= slot <= last:
            return int(port)
    return None


def _wait(done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + AGREE_SECONDS_MAX
    while time.monotonic() < deadline:
        with suppress(RedisError):  # a node that is only starting says so
            if done():
                return
        time.sleep(_POLL_SECONDS)
    raise StartRefused(f"The embedded Redis Cluster is not whole: {otherwise}.")
