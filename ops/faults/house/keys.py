"""Dramatiq's keys in the broker (brokers/redis/dispatch.lua), for who looks at it from outside."""

from typing import Final

NAMESPACE: Final = "floodgate"
QUEUES: Final = ("rewards", "payouts")


def waiting(queue: str) -> str:
    """The list of the ids of messages that wait."""
    return f"{NAMESPACE}:{queue}"


def messages(queue: str) -> str:
    """The hash of messages that wait or are under way, by id."""
    return f"{NAMESPACE}:{queue}.msgs"


def in_hand(queue: str) -> str:
    """The pattern of the sets of ids that workers have fetched, one a worker."""
    return f"{NAMESPACE}:__acks__.*.{queue}"
