"""An app against its own OpenAPI document: schemathesis makes the requests, valid and not, and judges the answers.

No answer may be a 5xx, none may have a status, header, media type or body that the document does not describe, and
what the document forbids must be refused. The app runs on a real socket in a thread with an event loop of its own, so
that generated requests travel as a stranger's would.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.serving import served

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    missing_required_header,
    unsupported_method,
    allow_header_conformance,
]
EXAMPLES_MAX: Final = 10  # an operation and a mode; the whole of a document takes well under a minute
START_SECONDS_MAX: Final = 60.0
ANSWER_SECONDS_MAX: Final = 15.0

Opened = TypeVar("Opened")
Prepare = Callable[[Case], None]


def operations(app: FastAPI) -> list[tuple[str, str]]:
    """(method, path) of everything the document describes; for parametrize."""
    return sorted((method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item)


@contextmanager
def in_background(opening: Callable[[], AbstractAsyncContextManager[Opened]]) -> Iterator[Opened]:
    """What `opening` yields, opened in a thread with its own event loop and closed there at the end."""
    opened: list[Opened] = []
    failures: list[BaseException] = []
    ready, done = threading.Event(), threading.Event()

    async def run() -> None:
        async with opening() as value:
            opened.append(value)
            ready.set()
            await asyncio.to_thread(done.wait)

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work, name="background-app", daemon=True)
    thread.start()
    assert ready.wait(START_SECONDS_MAX), "the app did not start"
    try:
        if not opened:
            raise failures[0]
        yield opened[0]
    finally:
        done.set()
        thread.join(START_SECONDS_MAX)
    if failures:
        raise failures[0]


@asynccontextmanager
async def address_of(app: FastAPI, *, running: bool = False) -> AsyncIterator[str]:
    """Where the app listens; for `opening` functions."""
    async with served(app, running=running) as url:
        yield url


def check_operation(
    app: FastAPI,
    url: str,
    method: str,
    path: str,
    *,
    mode: GenerationMode,
    session: requests.Session,
    prepare: Prepare = lambda _case: None,
    examples_max: int = EXAMPLES_MAX,
) -> None:
    """Sends up to `examples_max` generated requests to one operation and judges each answer.

    `session` brings the credentials; `prepare` may put what exists (ids, items) in the place of what was generated.
    """
    schema = schemathesis.openapi.from_dict(app.openapi())
    operation = schema[path][method]
    # An operation without anything to get wrong has no invalid requests.
    if mode is GenerationMode.NEGATIVE and not (
        operation.definition.raw.get("requestBody") or operation.path_parameters
    ):
        mode = GenerationMode.POSITIVE

    # The same requests in every run: a failure is a fact about the code, not about the dice.
    @seed(20261111)
    @settings(
        max_examples=examples_max,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), _any=st.none())
    def send(case: Case, _any: Any) -> None:
        prepare(case)
        response = case.call(base_url=url, session=session, timeout=ANSWER_SECONDS_MAX)
        case.validate_response(response, checks=CHECKS, transport_kwargs={"session": session})

    send()
