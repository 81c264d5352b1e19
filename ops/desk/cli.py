"""`floodgate desk USER` and `floodgate staff-token`, to be registered by `ops.cli`:

    app.command("desk")(desk)
    app.command("staff-token")(staff_token)

The desk reads the stores directly; whoever sits at this terminal is the actor of the audit row.
"""

import asyncio
from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from kit.clock import SystemClock
from kit.errors import StartRefused
from kit.identity import ROLES, Identities, IdentitySettings
from kit.ids import is_user_id
from kit.redis import connect
from kit.settings import RedisSettings, read_settings
from kit.web.languages import Language
from ops.desk.audit import Viewer
from ops.desk.places import place_finder
from ops.desk.service import Answer, Desk
from ops.desk.view import SaleShown, ShopperShown, show
from ops.terminal import terminal_postgres, terminal_user

_COLUMNS: Final[dict[Language, tuple[str, str, str]]] = {
    "zh-CN": ("时间（UTC）", "经过", "编号"),
    "en": ("time (UTC)", "step", "id"),
}
_PLACES: Final[dict[Language, str]] = {
    "zh-CN": "排队号 {position}，入场线 {frontier}",
    "en": "place {position}, frontier {frontier}",
}
_NOTHING: Final[dict[Language, str]] = {
    "zh-CN": "没有与此用户有关的活动。",
    "en": "No sale concerns this shopper.",
}


class Lang(StrEnum):
    """The languages of the desk, as typed."""

    ZH = "zh"
    EN = "en"


def desk(
    user: Annotated[str, typer.Argument(help="The shopper's user id.")],
    sale: Annotated[str | None, typer.Option(help="Only this sale, whatever is known there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The console's answer as JSON.")] = False,
    lang: Annotated[Lang, typer.Option(help="Language of the texts.")] = Lang.ZH,
) -> None:
    """One state, one reason and every step of a shopper. Who asks is written to the audit."""
    _check_user(user, "USER")
    language: Language = "zh-CN" if lang is Lang.ZH else "en"
    shown = show(asyncio.run(_look_up(user, sale)), language)
    if as_json:
        typer.echo(shown.model_dump_json(indent=2))
    else:
        print_shopper(Console(), shown)


async def _look_up(user_id: str, sale_id: str | None) -> Answer:
    redis_settings = read_settings(RedisSettings)
    async with terminal_postgres() as postgres:
        queue = connect(redis_settings.redis_queue_url, redis_settings, purpose="queue")
        try:
            async with postgres.unit_of_work() as session:
                viewer = Viewer(actor=f"os/{terminal_user()}", door="cli")
                return await Desk(place_finder(queue)).look_up(session, viewer, user_id, sale_id=sale_id)
        finally:
            await queue.aclose()


def print_shopper(console: Console, shown: ShopperShown) -> None:
    """The answer for a person's eyes."""
    console.print(" · ".join([shown.user, *shown.phones]), style="bold", markup=False, highlight=False)
    if not shown.sales:
        console.print(_NOTHING[shown.language])
    for sale in shown.sales:
        _print_sale(console, sale, shown.language)


def _print_sale(console: Console, sale: SaleShown, language: Language) -> None:
    console.print()
    console.print(f"{sale.title} ({sale.sale_id})", style="cyan", markup=False, highlight=False)
    console.print(f"{sale.state.text} [{sale.state.code}]", style="bold", markup=False, highlight=False)
    console.print(f"{sale.reason.text} [{sale.reason.code}]", markup=False, highlight=False)
    if sale.place.position is not None:
        console.print(
            _PLACES[language].format(position=sale.place.position, frontier=sale.place.frontier),
            style="dim",
            highlight=False,
        )
    if not sale.steps:
        return
    table = Table(box=None, pad_edge=False)
    for title in _COLUMNS[language]:
        table.add_column(title, overflow="fold")
    for step in sale.steps:
        table.add_row(step.at, step.text, step.subject)
    console.print(table, markup=False)


def staff_token(
    role: Annotated[list[str], typer.Option(help="A role of the token; may be given several times.")],
    user: Annotated[str, typer.Option(help="Whose token it is; the audit names it.")] = "",
) -> None:
    """A token for the console, signed with IDENTITY_KEYS (embedded mode and drills; staff sign in at the issuer)."""
    unknown = sorted(set(role) - ROLES)
    if unknown:
        raise StartRefused(f"Unknown role {', '.join(unknown)}: the roles are {', '.join(sorted(ROLES))}.")
    name = user or f"staff-{terminal_user()}"
    _check_user(name, "--user")
    typer.echo(Identities(read_settings(IdentitySettings), SystemClock()).issue(name, roles=frozenset(role)))


def _check_user(user_id: str, what: str) -> None:
    if not is_user_id(user_id):
        raise StartRefused(
            f"{what} must be 1 to 64 letters, digits or _ . : @ + -, beginning with a letter or digit."
        )
