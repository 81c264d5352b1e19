"""The routes of the customer-service desk. Each answer and its audit row are one transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from kit.errors import DomainError
from kit.ids import SLUG_PATTERN, USER_ID_PATTERN
from kit.postgres import Postgres, WriteSession
from kit.web.languages import Language, preferred_language
from ops.console.metrics import DESK_ANSWERS
from ops.console.problems import answers
from ops.desk.audit import Viewer
from ops.desk.errors import SearchUnclear
from ops.desk.service import Desk, Found
from ops.desk.view import SearchShown, ShopperShown, show, show_found

ROLES: Final = frozenset({"cs_agent", "cs_lead", "lead", "auditor"})
PHONE_PATTERN: Final = (
    r"^\+?[0-9]{5,19}$"  # exact match with what shoppers' tokens carry: no spaces, no dashes
)

_EVERY: Final = (
    "token_missing",
    "token_invalid",
    "role_missing",
    "invalid_request",
    "unavailable",
    "internal",
)

UserId = Annotated[str, Path(pattern=USER_ID_PATTERN, description="The shopper's user id.")]


class UserQuery(BaseModel):
    """What a lookup may ask beside the user. An unknown parameter is refused: ignored, it would widen the answer."""

    model_config = ConfigDict(extra="forbid")

    sale_id: str | None = Field(default=None, pattern=SLUG_PATTERN, description="Only this sale.")


class SearchQuery(BaseModel):
    """What a search goes by: exactly one of the two."""

    model_config = ConfigDict(extra="forbid")

    phone: str | None = Field(default=None, pattern=PHONE_PATTERN, description="The whole phone number.")
    reservation_id: UUID | None = Field(default=None, description="The whole reservation id.")


Languages = Annotated[str | None, Header(alias="accept-language")]


def desk_routes(postgres: Postgres, desk: Desk, viewer: Callable[..., Viewer]) -> APIRouter:
    """`/v1/desk`."""
    routes = APIRouter(prefix="/v1/desk", tags=["desk"])

    @routes.get("/users/{user}", responses=answers("sale_unknown", *_EVERY))
    async def read_user(
        response: Response,
        user: UserId,
        who: Annotated[Viewer, Depends(viewer)],
        query: Annotated[UserQuery, Query()],
        accept_language: Languages = None,
    ) -> ShopperShown:
        """One state and one reason of a shopper in each sale that concerns them, with every step and its time."""
        with _counted("user"):
            async with postgres.unit_of_work() as session:
                answer = await desk.look_up(session, who, user, sale_id=query.sale_id)
        return show(answer, _private(response, accept_language))

    @routes.get("/search", responses=answers("reservation_unknown", "search_unclear", *_EVERY))
    async def search(
        response: Response,
        who: Annotated[Viewer, Depends(viewer)],
        query: Annotated[SearchQuery, Query()],
        accept_language: Languages = None,
    ) -> SearchShown:
        """Shoppers by exactly this phone, or by a reservation of theirs."""
        with _counted("search"):
            async with postgres.unit_of_work() as session:
                found = await _search(desk, session, who, query)
        return show_found(found, _private(response, accept_language))

    return routes


async def _search(desk: Desk, session: WriteSession, who: Viewer, query: SearchQuery) -> Found:
    if query.phone is not None and query.reservation_id is None:
        return await desk.search_phone(session, who, query.phone)
    if query.reservation_id is not None and query.phone is None:
        return await desk.search_reservation(session, who, query.reservation_id)
    raise SearchUnclear


def _private(response: Response, accept_language: str | None) -> Language:
    """The language of the answer; which must stay in no cache, for it is about a person."""
    language = preferred_language(accept_language)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"
    return language


@contextmanager
def _counted(question: str) -> Iterator[None]:
    try:
        yield
    except DomainError as error:
        DESK_ANSWERS.labels(question=question, outcome=error.code).inc()
        raise
    DESK_ANSWERS.labels(question=question, outcome="answered").inc()
