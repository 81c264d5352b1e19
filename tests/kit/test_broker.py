"""A message that nobody can read costs nobody else anything."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from kit.broker import DoorbellBroker, create_broker, is_readable, ring
from kit.settings import RedisSettings

UNREADABLE = (b"{not json", b"", b"\xff\xfe", b"[]", b'{"queue_name": "rewards"}')


@pytest.fixture
def broker(redis_settings: RedisSettings) -> Iterator[DoorbellBroker]:
    broker = create_broker(redis_settings.redis_broker_url, namespace=f"test-{uuid4().hex[:12]}")
    broker.declare_queue("rewards")
    yield broker
    broker.flush_all()
    broker.close()


def lay_poison(broker: RedisBroker) -> None:
    for message in UNREADABLE:
        kept_as = uuid4().hex
        broker.client.hset(f"{broker.namespace}:rewards.msgs", kept_as, message)
        broker.client.rpush(f"{broker.namespace}:rewards", kept_as)


def dead_letters(broker: RedisBroker) -> int:
    return broker.client.zcard(f"{broker.namespace}:rewards.XQ")


def test_what_cannot_be_read_is_put_aside_and_the_rest_is_fetched(broker: DoorbellBroker) -> None:
    lay_poison(broker)
    ring(broker, "grant_rewards", "rewards", event_id="one")

    fetched = broker.do_fetch("rewards", 16)

    assert [Message.decode(message).kwargs for message in fetched] == [{"event_id": "one"}]
    assert dead_letters(broker) == len(UNREADABLE)
    assert broker.client.hlen(f"{broker.namespace}:rewards.msgs") == 1


def test_dramatiqs_own_consumer_dies_of_it(broker: DoorbellBroker) -> None:
    lay_poison(broker)

    fetched = broker._dispatch("fetch")("rewards", 16)

    assert sorted(fetched) == sorted(UNREADABLE)
    assert dead_letters(broker) == 0


def test_a_bell_of_ours_is_readable(broker: DoorbellBroker) -> None:
    ring(broker, "grant_rewards", "rewards", event_id="one")

    (message,) = broker.do_fetch("rewards", 1)

    assert is_readable(message, "rewards")
    assert not is_readable(message, "payouts")  # it would be acknowledged to the queue it names
