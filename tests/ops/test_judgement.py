"""`floodgate judge`: what holds, what does not and where to look, for a person and for a program."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import Result
from typer.testing import CliRunner

from kit.embedded import ServerUrls
from kit.errors import DomainError, StartRefused
from kit.postgres import Postgres
from ops.cli import app
from tests.ops.invariants.scene import play
from tests.patience import patient

BY_POSTGRESQL_ALONE = {
    "REDIS_STOCK_URL": "",
    "REDIS_QUEUE_URL": "",
    "PROVIDER_URL": "",
    "LANG": "en_US.UTF-8",
}


@pytest.fixture
def sale_id(servers: ServerUrls, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A sale in which everything went as promised, and its PostgreSQL named as for a person."""
    sale_id = f"sale-{uuid4().hex[:16]}"
    for name, value in {**BY_POSTGRESQL_ALONE, "DATABASE_URL": servers.database}.items():
        monkeypatch.setenv(name, value)

    async def prepare() -> None:
        postgres = Postgres(patient(servers.database))
        await play(postgres, sale_id)
        await postgres.close()

    asyncio.run(prepare())
    yield sale_id


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, ["judge", *words])


def test_where_everything_holds_it_says_so(sale_id: str) -> None:
    result = typed(sale_id)
    assert result.exit_code == 0, result.output
    assert "stock_within_total" in result.output
    assert "All of it holds." in result.output


def test_it_speaks_the_language_of_the_terminal(sale_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "全部成立。" in typed(sale_id).output


def test_evidence_that_is_away_does_not_hold_and_the_runbook_is_named(
    sale_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_STOCK_URL", "redis://127.0.0.1:1/0")
    result = typed(sale_id)
    assert result.exit_code == 1
    assert "2 do not hold: docs/runbooks/invariants.md" in result.output


def test_a_program_gets_the_rows(sale_id: str, tmp_path: Path) -> None:
    told = tmp_path / "history.jsonl"
    told.write_text("this is no history\n", encoding="utf-8")
    words = [sys.executable, "-m", "ops", "judge", sale_id, "--history", str(told), "--json"]
    result = subprocess.run(words, capture_output=True, text=True)
    rows = {row["id"]: row for row in json.loads(result.stdout)}
    assert rows["stock_within_total"]["holds"]
    assert (rows["told_fifo"]["value"], rows["told_fifo"]["holds"], result.returncode) == (None, False, 1)
    assert "history_unreadable" in result.stderr


def test_a_sale_that_is_none_and_a_database_that_is_none_are_refused(
    sale_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = typed("no-such-sale").exception
    assert isinstance(unknown, DomainError)
    assert unknown.code == "sale_unknown"
    monkeypatch.setenv("DATABASE_URL", "")
    assert isinstance(typed(sale_id).exception, StartRefused)
