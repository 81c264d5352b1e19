"""A duty of its own for every test: tests share a database, and each needs a leader nobody else competes with."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from kit.embedded import ServerUrls
from kit.settings import PostgresSettings
from ops.keeper.leadership import Leadership

Candidate = Callable[[str], Leadership]


@pytest.fixture
def duty_name() -> str:
    return f"duty-{uuid4().hex[:12]}"


@pytest.fixture
def postgres_settings(servers: ServerUrls) -> PostgresSettings:
    return PostgresSettings(database_url=servers.database)


@pytest.fixture
async def candidate(postgres_settings: PostgresSettings, duty_name: str) -> Iterator[Candidate]:
    """Makes keepers that compete for `duty_name`; their sessions end with the test."""
    made: list[Leadership] = []

    def make(leader: str) -> Leadership:
        made.append(Leadership(postgres_settings, duty=duty_name, leader=leader))
        return made[-1]

    yield make
    for leadership in made:
        leadership.resign()
