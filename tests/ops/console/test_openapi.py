"""The console against its own document, as staff, as somebody without a role and as a stranger."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import requests
from fastapi import FastAPI
from schemathesis import GenerationMode

from kit.clock import SystemClock
from kit.embedded import ServerUrls
from kit.identity import Identities, IdentitySettings
from kit.postgres import Postgres
from kit.redis import connect
from kit.settings import PostgresSettings, RedisSettings
from ops.console.app import Parts, create_app
from ops.desk.places import place_finder
from ops.desk.service import Desk
from tests.openapi_checks import address_of, check_operation, in_background, operations
from tests.patience import patient

KEYS = IdentitySettings(keys="k1:" + "s" * 40)


def app_of(postgres: Postgres, desk: Desk) -> FastAPI:
    return create_app(Parts(postgres, desk, Identities(KEYS, SystemClock())))


@asynccontextmanager
async def opened_console(servers: ServerUrls) -> AsyncIterator[tuple[FastAPI, str]]:
    postgres = Postgres(patient(servers.database))
    queue = connect(servers.redis_queue, RedisSettings(), purpose="queue")
    app = app_of(postgres, Desk(place_finder(queue)))
    async with address_of(app) as url:
        yield app, url
    await queue.aclose()
    await postgres.close()


@pytest.fixture(scope="module")
def served_console(servers: ServerUrls) -> Iterator[tuple[FastAPI, str]]:
    with in_background(lambda: opened_console(servers)) as opened:
        yield opened


def described() -> list[tuple[str, str]]:
    """What the document describes, asked of an app that is connected to nothing."""

    async def nowhere(_sale: str, _user: str) -> int | None:
        return None

    nothing = Postgres(PostgresSettings(database_url="postgresql://nobody@127.0.0.1:1/none"))
    return operations(app_of(nothing, Desk(nowhere)))


@pytest.mark.parametrize("roles", [{"cs_agent"}, set(), None], ids=["agent", "no-role", "stranger"])
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("method", "path"), described())
def test_every_answer_is_one_that_the_document_describes(
    served_console: tuple[FastAPI, str], method: str, path: str, mode: GenerationMode, roles: set[str] | None
) -> None:
    app, url = served_console
    with requests.Session() as session:
        session.trust_env = False
        if roles is not None:
            token = Identities(KEYS, SystemClock()).issue("mei", roles=frozenset(roles))
            session.headers["Authorization"] = f"Bearer {token}"
        check_operation(app, url, method, path, mode=mode, session=session, examples_max=30)


def test_the_desk_is_all_that_the_document_describes() -> None:
    assert described() == [("GET", "/v1/desk/search"), ("GET", "/v1/desk/users/{user}")]
