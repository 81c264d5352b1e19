"""`floodgate judge`: what must hold, judged now, for whoever sits at the terminal."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from flashsale.sales import get_sale
from kit.provider import ProviderClient, ProviderSettings
from kit.redis import connect
from kit.settings import PostgresSettings, RedisSettings, read_settings
from kit.web.languages import Language
from ops.invariants.book import ProviderBook
from ops.invariants.judge import judge, judging_settings
from ops.invariants.rows import Row
from ops.planning.language import terminal_language
from ops.terminal import terminal_postgres

EXIT_NOT_HELD: Final = 1

_TITLES: Final[dict[Language, tuple[str, str, str]]] = {
    "en": ("What must hold", "All of it holds.", "{count} do not hold: docs/runbooks/invariants.md says what to do."),
    "zh-CN": ("必须成立的事", "全部成立。", "{count} 项不成立：处置办法见 docs/runbooks/invariants.md。"),
}  # fmt: skip


def judge_command(
    sale: Annotated[
        str | None, typer.Argument(metavar="[SALE]", help="Only this sale; every sale where none is named.")
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="What shoppers were told: a crowd's history.jsonl."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The rows as JSON.")] = False,
) -> None:
    """Judges what must hold, now, as the keeper does every ten seconds. Exit code 1 where something does not hold.

    Looks only. Judges by PostgreSQL, and by Redis and the provider's book where REDIS_STOCK_URL, REDIS_QUEUE_URL and
    PROVIDER_URL name them.
    """
    rows = asyncio.run(_judge(sale, history))
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in rows], ensure_ascii=False, indent=2))
    else:
        print_rows(Console(), terminal_language(), rows)
    raise typer.Exit(0 if all(row.holds for row in rows) else EXIT_NOT_HELD)


async def _judge(sale_id: str | None, history: Path | None) -> list[Row]:
    settings = judging_settings(read_settings(PostgresSettings))
    async with terminal_postgres(settings) as postgres, _evidence() as (stock, queue, book):
        if sale_id is not None:
            async with postgres.read() as session:
                await get_sale(session, sale_id)
        return await judge(postgres, stock, queue, book, history, sale_id=sale_id)


@asynccontextmanager
async def _evidence() -> AsyncIterator[tuple[Redis | None, Redis | None, ProviderBook | None]]:
    """Of stock, queue and book those that the environment names."""
    settings, provider = read_settings(RedisSettings), read_settings(ProviderSettings)
    async with AsyncExitStack() as stack:
        redis: list[Redis | None] = []
        for purpose, url in (("stock", settings.redis_stock_url), ("queue", settings.redis_queue_url)):
            redis.append(connect(url, settings, purpose=purpose) if url else None)
            if (client := redis[-1]) is not None:
                stack.push_async_callback(client.aclose)
        book = None
        if provider.url:
            client_of_book = ProviderClient(provider)
            stack.push_async_callback(client_of_book.close)
            book = ProviderBook(client_of_book)
        yield redis[0], redis[1], book


def print_rows(console: Console, language: Language, rows: list[Row]) -> None:
    """A line a truth, and what to do."""
    title, good, bad = _TITLES[language]
    table = Table(title=title, title_justify="left", show_header=False)
    for row in rows:
        value = "?" if row.value is None else f"{row.value:g} {row.unit}"
        table.add_row("✓" if row.holds else "✗", row.id, row.what, value)
    console.print(table)
    broken = sum(not row.holds for row in rows)
    console.print(bad.format(count=broken) if broken else good, style="bold red" if broken else "bold green")
