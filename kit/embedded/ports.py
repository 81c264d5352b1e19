"""Free ports on loopback."""

import random
import socket
from contextlib import ExitStack
from typing import Final

# Below the ports that outgoing connections are given (32768 and up on Linux): a port chosen here can only be lost to
# another listener, not to any client that happens to connect somewhere.
FIRST_PORT: Final = 18_000
LAST_PORT: Final = 32_000
TRIES_MAX: Final = 500
# A node of a Redis Cluster listens to its peers at its port plus this much, and that port must lie below the outgoing
# ones too.
CLUSTER_BUS_OFFSET: Final = 10_000

_dice = random.SystemRandom()


def free_port() -> int:
    """A port that was free a moment ago. Whoever binds it next may lose the race and must say so."""
    return free_ports_in_a_row(1)


def free_ports_in_a_row(count: int, *, first_port: int = FIRST_PORT, last_port: int = LAST_PORT) -> int:
    """The first of `count` neighbouring ports that were free a moment ago. Raises `OSError` when there are none."""
    for _ in range(TRIES_MAX):
        first = _dice.randrange(first_port, last_port - count)
        if all(_is_free(first + place) for place in range(count)):
            return first
    raise OSError(f"no {count} free ports in a row between {first_port} and {last_port}")


def free_cluster_port() -> int:
    """A port for a node of a Redis Cluster: it and its bus's were free a moment ago. Raises `OSError` if none are."""
    for _ in range(TRIES_MAX):
        port = _dice.randrange(FIRST_PORT, LAST_PORT - CLUSTER_BUS_OFFSET)
        if _is_free(port) and _is_free(port + CLUSTER_BUS_OFFSET):
            return port
    raise OSError(f"no free cluster port between {FIRST_PORT} and {LAST_PORT - CLUSTER_BUS_OFFSET}")


def is_taken(host: str, port: int) -> bool:
    """Whether something already listens there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def _is_free(port: int) -> bool:
    with ExitStack() as held:
        try:
            held.enter_context(socket.create_server(("127.0.0.1", port)))
        except OSError:
            return False
    return True
