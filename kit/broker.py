"""Dramatiq's broker, tuned so that a killed worker's messages come back in seconds.

Dramatiq's defaults return them after 60 s plus a 0.1 % chance a poll, keep time limits of ten minutes, and retry
twenty-odd times. Here the rows are the truth and the message only the doorbell: the keeper rings again for whatever
is still due, so messages are short-lived, retries are few and a flushed broker costs seconds.
"""

from typing import Any, Final

import dramatiq
import msgspec
import structlog
import uvloop
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
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
from prometheus_client import Counter

from kit.steps import reached

log = structlog.get_logger()

HEARTBEAT_MS: Final = 5_000  # a dead worker's messages are given to another after this
MAINTENANCE_PER_MILLION: Final = (
    100_000  # one poll in ten looks for dead workers; a poll is about once a second
)
# Older than this the keeper has rung again. Far above what two machines' clocks differ by: a message carries the time
# of who sent it, and a worker whose clock runs ahead of the keeper's must not take every bell for an old one.
MESSAGE_AGE_MS_MAX: Final = 600_000
ACTOR_MS_MAX: Final = 20_000  # two provider calls with their time-outs, and some
LOOP_START_SECONDS_MAX: Final = 10.0  # a thread's start, on a machine where everything starts at once

UNREADABLE: Final = Counter(
    "floodgate_broker_unreadable_messages_total",
    "Messages put aside because nobody could read them",
    ["queue"],
)


class _Options(msgspec.Struct):
    redis_message_id: str


class _Readable(msgspec.Struct):
    """What a message must be for Dramatiq to survive it."""

    queue_name: str
    actor_name: str
    args: list[Any]
    kwargs: dict[str, Any]
    options: _Options
    message_id: str
    message_timestamp: int


_decoder = msgspec.json.Decoder(_Readable)


class FastLoop(AsyncIO):
    """Dramatiq's event loop for all its threads, as uvloop: one thread does the work of all of them."""

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        thread = EventLoopThread(self.logger)
        thread.loop.close()
        thread.loop = uvloop.new_event_loop()
        thread.start(timeout=LOOP_START_SECONDS_MAX)
        set_event_loop_thread(thread)


class DoorbellBroker(RedisBroker):
    """Dramatiq's broker, which puts aside what nobody can read.

    Dramatiq's consumer dies of such a message: three seconds for everybody behind it, whatever was fetched with it is in
    nobody's hands until the process ends, and then the next worker dies of it.
    """

    def do_fetch(self, queue_name: str, prefetch: int) -> list[bytes | None]:
        """Up to `prefetch` messages that can be read."""
        fetched: list[bytes | None] = self._dispatch("fetch")(queue_name, prefetch)
        readable = [message for message in fetched if message is None or is_readable(message, queue_name)]
        if len(readable) < len(fetched):
            self._put_aside(queue_name)
        return readable

    def _put_aside(self, queue_name: str) -> None:
        """Moves what cannot be read from this process's hands to the dead letters; at most a few dozen are there."""
        in_hand: Any = self.client.smembers(f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}")
        for message_id in in_hand:
            message: Any = self.client.hget(f"{self.namespace}:{queue_name}.msgs", message_id)
            if message is not None and not is_readable(message, queue_name):
                self.do_nack(queue_name, message_id)
                UNREADABLE.labels(queue_name).inc()
                log.error("message_unreadable", queue=queue_name, size_bytes=len(message))


def is_readable(message: bytes, queue_name: str) -> bool:
    """Whether Dramatiq can make a message of it, and would acknowledge it to the queue in which it lay."""
    try:
        return _decoder.decode(message).queue_name == queue_name
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def create_broker(url: str, *, namespace: str = "floodgate") -> RedisBroker:
    """A broker on its own Redis instance (Dramatiq's script runs KEYS, so it must not share the stock's)."""
    return DoorbellBroker(
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
            FastLoop(),
        ],
    )


def ring(broker: dramatiq.Broker, actor_name: str, queue_name: str, **ids: str) -> None:
    """Sends one doorbell: an actor's name and ids, nothing else."""
    reached("message.before", actor_name)
    broker.enqueue(
        dramatiq.Message(queue_name=queue_name, actor_name=actor_name, args=(), kwargs=ids, options={})
    )
    reached("message.after", actor_name)
