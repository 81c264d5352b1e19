"""The console: internal pages and API, under roles. Built from its parts, so that tests build it from theirs."""

from dataclasses import dataclass

from fastapi import FastAPI

from kit.identity import Identities
from kit.postgres import Postgres
from kit.web.problems import install_problems
from kit.web.telemetry import Telemetry
from ops.console.desk import ROLES, desk_routes
from ops.console.problems import TABLE
from ops.console.staff import require_role
from ops.desk.service import Desk


@dataclass(frozen=True, slots=True)
class Parts:
    """What the console is made of."""

    postgres: Postgres
    desk: Desk
    identities: Identities


def create_app(parts: Parts) -> FastAPI:
    """The app; connects nothing."""
    app = FastAPI(
        title="Floodgate console",
        version="1",
        description="Internal API of Floodgate: the customer-service desk. Staff tokens carry roles.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    install_problems(app, TABLE)
    app.add_middleware(Telemetry)
    app.include_router(desk_routes(parts.postgres, parts.desk, require_role(parts.identities, ROLES)))
    return app
