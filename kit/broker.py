"""Dramatiq's broker, tuned so that a killed worker's messages come back in seconds.

Dramatiq's defaults return them after 60 s plus a 0.1 % chance a poll, keep time limits of ten minutes, and retry
twenty-odd times. Here the rows are the truth and the message only the doorbell: the keeper rings again for whatever
is still due, so messages are short-lived, retries are few and a flushed broker costs seconds.
"""

from typing import Final

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import (
    AgeLimit,
    AsyncIO,
    Callbacks,
    Pipelines,
    Retries,
    ShutdownNotifications,
    TimeLimit,
)

from kit.steps import reached

HEARTBEAT_MS: Final = 5_000  # a dead worker's messages are given to another after this
MAINTENANCE_PER_MILLION: Final = (
    100_000  # one poll in ten looks for dead workers; a poll is about once a second
)
MESSAGE_AGE_MS_MAX: Final = 60_000  # older than this the keeper has rung again
ACTOR_MS_MAX: Final = 20_000  # two provider calls with their time-outs, and some


def create_broker(url: str, *, namespace: str = "floodgate") -> RedisBroker:
    """A broker on its own Redis instance (Dramatiq's script runs KEYS, so it must not share the stock's)."""
    return RedisBroker(
        url=url,
        namespace=namespace,
        heartbeat_timeout=HEARTBEAT_MS,
        maintenance_chance=MAINTENANCE_PER_MILLION,
        middleware=[
            AgeLimit(max_age=MESSAGE_AGE_MS_MAX),
            TimeLimit(time_limit=ACTOR_MS_MAX),
            ShutdownNotifications(),
            Callbacks(),
            Pipelines(),
            Retries(max_retries=2, min_backoff=200, max_backoff=2_000),
            AsyncIO(),
        ],
    )


def ring(broker: dramatiq.Broker, actor_name: str, queue_name: str, **ids: str) -> None:
    """Sends one doorbell: an actor's name and ids, nothing else."""
    reached("message.before", actor_name)
    broker.enqueue(
        dramatiq.Message(queue_name=queue_name, actor_name=actor_name, args=(), kwargs=ids, options={})
    )
    reached("message.after", actor_name)
