"""Runbooks are read at three in the morning: what they name must exist and what they tell to type must run."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from kit.postgres import Postgres
from ops.invariants.idle import IDLE_TRUTH
from ops.invariants.queue import QUEUE_TRUTH
from ops.invariants.stock import STOCK_TRUTH
from ops.invariants.told import TOLD_TRUTHS
from ops.invariants.truths import TRUTHS

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
ROOMS = ("gateway", "flashsale", "queueing", "rewards", "ops", "kit")
STATEMENTS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    )
]


def source() -> str:
    return "\n".join(
        path.read_text(encoding="utf-8") for room in ROOMS for path in (ROOT / room).rglob("*.py")
    )


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_statement_of_a_runbook_runs_on_the_real_tables(postgres: Postgres, statement: str) -> None:
    async with postgres.engine.connect() as connection:
        await connection.execute(text(statement.strip().rstrip(";")))
        await connection.rollback()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_metrics_settings_and_log_events_of_a_runbook_exist(page: Path) -> None:
    words = page.read_text(encoding="utf-8")
    code = source()
    for metric in set(re.findall(r"floodgate_\w+", words)):
        assert f'"{metric}"' in code, metric
    for event in set(re.findall(r"`((?:duty|stock|queue|payout|actor)_\w+)`", words)) - {"payout_id"}:
        assert f'"{event}"' in code, event
    for setting in set(re.findall(r"`(?:FLASHSALE|POSTGRES)_\w+`", words)):
        name = setting.strip("`").removeprefix("FLASHSALE_").lower()
        assert f"{name}:" in code, setting


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_runbook_begins_with_a_summary_in_chinese_and_links_to_pages_that_are_there(page: Path) -> None:
    words = page.read_text(encoding="utf-8")
    assert re.match(r"# .+\n\n> \*\*摘要\*\*：", words)
    for target in re.findall(r"\]\(([^)#]+\.md)\)", words):
        assert (page.parent / target).exists(), target


def test_each_truth_has_its_paragraph_in_the_runbook_and_no_paragraph_is_of_another() -> None:
    words = (ROOT / "docs" / "runbooks" / "invariants.md").read_text(encoding="utf-8")
    judged = {truth.truth_id for truth in TRUTHS} | {truth_id for truth_id, _, _ in TOLD_TRUTHS}
    paragraphs = re.findall(r"^`(\w+)`: \S", words, re.MULTILINE)
    assert sorted(paragraphs) == sorted(judged | {STOCK_TRUTH[0], IDLE_TRUTH[0], QUEUE_TRUTH[0]})
