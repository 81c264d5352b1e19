"""`floodgate sale apply | list | show`: a sale from a file into all rooms, and what is there now."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from flashsale.sales import SaleFacts, get_sale, list_sales
from flashsale.upkeep import StockView, stock_views
from kit.errors import StartRefused
from kit.postgres import Postgres, ReadSession
from kit.redis import connect
from kit.settings import RedisSettings, read_settings
from ops.planning.errors import SaleFileInvalid
from ops.planning.language import terminal_language
from ops.planning.messages import problem
from ops.planning.salefile import SaleFile, apply, parse
from ops.planning.tree import CHARACTERS_MAX
from ops.terminal import terminal_postgres, terminal_user
from queueing.rooms import RoomFacts, list_rooms

OPENS_IN_SECONDS_MAX: Final = (
    30 * 86_400
)  # a rehearsal is moved by minutes; more than a month is a typing error
T = TypeVar("T")

sale = typer.Typer(
    no_args_is_help=True,
    help="Plan sales from files. Begin with: floodgate sale apply examples/double11.yaml --opens-in-seconds 30",
)


@sale.command("apply")
def apply_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The sale file; examples/ has two to start from.")
    ],
    opens_in_seconds: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=OPENS_IN_SECONDS_MAX,
            help="Open so many seconds from now instead; the window keeps its length.",
        ),
    ] = None,
) -> None:
    """Check FILE and apply it: sale, waiting room and rewards, all or nothing. Applying it again changes nothing.

    Next: `floodgate sale show ID`, and the shoppers' page at the gateway's address.
    """
    sale_file = parse(read_file(file))
    facts = asyncio.run(_with_postgres(lambda postgres: _apply(postgres, sale_file, opens_in_seconds)))
    console = _console()
    console.print(
        f"Applied {facts.sale_id}, revision {facts.revision}: {_moment(facts.opens_at)} to {_moment(facts.closes_at)}, "
        f"{sum(item.total for item in facts.items)} units of {len(facts.items)} items."
    )
    console.print(f"Next: floodgate sale show {facts.sale_id}")


@sale.command("list")
def list_all() -> None:
    """List the sales there are, the latest last. Next: `floodgate sale show ID`."""
    now, sales = asyncio.run(_with_postgres(_list))
    if not sales:
        _console().print(
            "No sales yet. Next: floodgate sale apply examples/double11.yaml --opens-in-seconds 30"
        )
        return
    table = Table(title="Sales", title_justify="left")
    for column in ("sale", "campaign", "state", "opens", "closes"):
        table.add_column(column, overflow="fold")
    for column in ("items", "units", "revision"):
        table.add_column(column, justify="right")
    for one in sorted(sales, key=lambda facts: facts.opens_at):
        units = sum(item.total for item in one.items)
        table.add_row(
            one.sale_id, one.campaign_id, _state(one, now), _moment(one.opens_at), _moment(one.closes_at),
            str(len(one.items)), str(units), str(one.revision),
        )  # fmt: skip
    _console().print(table)


@sale.command("show")
def show_one(
    sale_id: Annotated[str, typer.Argument(metavar="ID", help="The sale's id, as `sale list` names it.")],
) -> None:
    """Show one sale: window, waiting room, items with what is taken, rewards. Next: `floodgate desk USER`."""
    now, facts, room, stock = asyncio.run(_with_postgres(lambda postgres: _show(postgres, sale_id)))
    console, language = _console(), terminal_language()
    title = facts.texts.get(language, {}).get("title", "")
    console.print(f"{facts.sale_id}  {title}", style="bold")
    console.print(
        f"{_state(facts, now)}; {_moment(facts.opens_at)} to {_moment(facts.closes_at)}; campaign {facts.campaign_id}; "
        f"{facts.hold_seconds} s to pay; revision {facts.revision}"
    )
    if room is not None:
        console.print(
            f"waiting room: {room.rate_per_second} a second, frontier {room.frontier}, tickets up to {room.issued}"
            + (", paused" if room.paused else "")
        )
    console.print(_items_table(facts, stock, language))
    if rules := facts.shown_rules.get("rewards"):
        console.print(_rewards_table(rules))


def read_file(file: Path) -> str:
    """The text of a sale file. Raises `StartRefused` where there is none to read, `SaleFileInvalid` where it is no text."""
    try:
        with file.open("rb") as stream:
            content = stream.read(4 * CHARACTERS_MAX + 1)  # UTF-8 takes at most four bytes a character
        return content.decode("utf-8-sig")
    except OSError as error:
        raise StartRefused(
            f"Cannot read {file}: {error.strerror}. Start from examples/double11.yaml."
        ) from error
    except UnicodeDecodeError:
        if len(content) > 4 * CHARACTERS_MAX:
            facts = {"size": file.stat().st_size, "most": CHARACTERS_MAX}
            raise SaleFileInvalid([problem("too_large", 1, "", **facts)]) from None
        raise SaleFileInvalid([problem("not_utf8", 1, "")]) from None


async def _with_postgres(action: Callable[[Postgres], Awaitable[T]]) -> T:
    async with terminal_postgres() as postgres:
        return await action(postgres)


async def _apply(postgres: Postgres, sale_file: SaleFile, opens_in_seconds: int | None) -> SaleFacts:
    async with postgres.unit_of_work() as session:
        if opens_in_seconds is not None:
            sale_file = sale_file.opening_in(opens_in_seconds, await _now(session))
        return await apply(session, sale_file, actor=f"os/{terminal_user()}")


async def _list(postgres: Postgres) -> tuple[datetime, list[SaleFacts]]:
    async with postgres.read() as session:
        return await _now(session), await list_sales(session)


async def _show(
    postgres: Postgres, sale_id: str
) -> tuple[datetime, SaleFacts, RoomFacts | None, list[StockView]]:
    settings = read_settings(RedisSettings)
    stock = connect(settings.redis_stock_url, settings, purpose="stock") if settings.redis_stock_url else None
    async with postgres.read() as session:
        facts = await get_sale(session, sale_id)
        room = next((room for room in await list_rooms(session) if room.sale_id == sale_id), None)
        views = await stock_views(session, stock, sale_id) if stock is not None else []
        now = await _now(session)
    if stock is not None:
        await stock.aclose()
    return now, facts, room, views


async def _now(session: ReadSession) -> datetime:
    """PostgreSQL's time: the sale runs by it, not by this terminal's."""
    now: datetime = (await session.execute(select(func.now()))).scalar_one()
    return now


def _items_table(facts: SaleFacts, stock: list[StockView], language: str) -> Table:
    table = Table(title="Items", title_justify="left")
    table.add_column("sku", overflow="fold")
    table.add_column("title", overflow="fold")
    for column in (f"price ({facts.currency}, minor)", "a person", "stock", "taken", "free in Redis"):
        table.add_column(column, justify="right")
    for item in facts.items:
        views = [view for view in stock if view.sku == item.sku]
        seen = [view.redis_available for view in views if view.redis_available is not None]
        free = str(sum(seen)) if views and len(seen) == len(views) else "-"
        taken = str(sum(view.taken for view in views)) if views else "-"
        title = item.texts.get(language, {}).get("title", "")
        table.add_row(
            item.sku, title, str(item.price_minor), str(item.per_user_limit), str(item.total), taken, free
        )
    return table


def _rewards_table(rules: list[dict[str, object]]) -> Table:
    table = Table(title="Rewards", title_justify="left")
    for column in ("rule", "kind", "amount", "currency", "for"):
        table.add_column(column, overflow="fold")
    for rule in rules:
        whom = "every buyer" if rule["first_n"] is None else f"the first {rule['first_n']}"
        table.add_row(
            str(rule["rule_id"]), str(rule["kind"]), str(rule["amount_minor"]), str(rule["currency"]), whom
        )
    return table


def _state(facts: SaleFacts, now: datetime) -> str:
    if now >= facts.closes_at:
        return "ended"
    return "open" if now >= facts.opens_at else "to come"


def _moment(instant: datetime) -> str:
    return instant.astimezone().isoformat(sep=" ", timespec="seconds")


def _console() -> Console:
    return Console(markup=False, highlight=False)  # titles may hold brackets
