"""The one checker: run by the keeper on a schedule, by `floodgate run` for its report, and by tests.

What is not handed in is not judged; what is handed in and cannot be read is a row that does not hold.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.errors import DomainError
from kit.postgres import Postgres
from kit.settings import PostgresSettings
from ops.invariants.book import BookEntry, ProviderBook, book_json
from ops.invariants.history import History, HistoryUnreadable
from ops.invariants.idle import IDLE_TRUTH, find_idle
from ops.invariants.queue import QUEUE_TRUTH, find_beyond_mark
from ops.invariants.rows import Row, unjudged, violations
from ops.invariants.stock import STOCK_TRUTH, find_above_ledger
from ops.invariants.told import TOLD_TRUTHS
from ops.invariants.truths import TRUTHS, Bounds, Truth, find_violations

log = structlog.get_logger()

LOOKS: Final = 4  # at evidence from two stores, before a difference counts as one that lasts
LOOK_SECONDS: Final = 1.0  # between them: a repair, a mark or a settled claim takes about as long
# A truth reads all that was sold. Five million reservations were judged by most truths within ten seconds, and not by all.
STATEMENT_SECONDS: Final = 60.0
SUBJECTS_LOGGED: Final = 5  # enough to start looking; the count says how many there are

Book = ProviderBook | Sequence[BookEntry]
Found = Sequence[str]  # what breaks a truth; ids, never people


def judging_settings(settings: PostgresSettings) -> PostgresSettings:
    """The same PostgreSQL for who judges: it holds no lock that a sale waits for, so its statements may take longer."""
    patience = max(settings.postgres_statement_seconds, STATEMENT_SECONDS)
    return settings.model_copy(update={"postgres_statement_seconds": patience})


async def judge(
    postgres: Postgres,
    stock: Redis | None = None,
    queue: Redis | None = None,
    book: Book | None = None,
    history: Path | None = None,
    *,
    sale_id: str | None = None,
    audit_ids: Sequence[UUID] = (),
    bounds: Bounds | None = None,
    looks: int = LOOKS,
) -> list[Row]:
    """One row a truth, in a fixed order; `sale_id` None judges every sale. `audit_ids` are those that answers of the
    desk carried.

    Raises nothing of a store that is away: what it would have shown is a row without a value that does not hold.
    """
    case = _Case(postgres, book, history, looks)
    given = {"sale_id": sale_id, "audit_ids": list(audit_ids)}
    rows = [
        await case.judge_truth(truth, bounds or Bounds(), given)
        for truth in TRUTHS
        if case.has_evidence(truth, given)
    ]
    if stock is not None:
        rows.append(await case.judge_by(*STOCK_TRUTH, lambda: find_above_ledger(postgres, stock, sale_id)))
        rows.append(await case.judge_by(*IDLE_TRUTH, lambda: find_idle(postgres, stock, sale_id)))
    if queue is not None:
        rows.append(await case.judge_by(*QUEUE_TRUTH, lambda: find_beyond_mark(postgres, queue, sale_id)))
    if history is not None:
        rows.extend(case.judge_told())
    return rows


class _Case:
    """One judgement: the stores that are asked and the history that was read."""

    def __init__(self, postgres: Postgres, book: Book | None, history: Path | None, looks: int) -> None:
        self._postgres, self._book, self._looks = postgres, book, looks
        self._history_given = history is not None
        self._history = _read_history(history)
        self._told = {} if self._history is None else self._history.evidence()

    def has_evidence(self, truth: Truth, given: dict[str, Any]) -> bool:
        here = {"book": self._book is not None, "history": self._history_given}
        return all(here.get(need, given.get(need) is not None) for need in truth.needs)

    async def judge_truth(self, truth: Truth, bounds: Bounds, given: dict[str, Any]) -> Row:
        if "history" in truth.needs and self._history is None:
            return unjudged(truth.truth_id, truth.what)

        async def find() -> Found:
            evidence = given | self._told
            if "book" in truth.needs:
                evidence["book"] = await self._read_book()
            async with self._postgres.read_snapshot() as session:
                return await find_violations(session, truth.truth_id, bounds, evidence)

        return await self.judge_by(truth.truth_id, truth.what, find, trails=truth.trails)

    async def judge_by(
        self, truth_id: str, what: str, find: Callable[[], Awaitable[Found]], *, trails: bool = True
    ) -> Row:
        """The row of a truth. Where two stores trail each other, only what is found at every look counts."""
        try:
            found = await find()
            for _ in range(self._looks - 1 if trails else 0):
                if not found:
                    break
                await asyncio.sleep(LOOK_SECONDS)
                found = sorted(set(found) & set(await find()))
        except (DomainError, RedisError, OSError) as error:
            log.warning("invariant_not_judged", invariant=truth_id, error=type(error).__name__)
            return unjudged(truth_id, what)
        return _row(truth_id, what, found)

    def judge_told(self) -> list[Row]:
        if self._history is None:
            return [unjudged(truth_id, what) for truth_id, what, _ in TOLD_TRUTHS]
        return [_row(truth_id, what, find(self._history.lines)) for truth_id, what, find in TOLD_TRUTHS]

    async def _read_book(self) -> str:
        entries = await self._book.entries() if isinstance(self._book, ProviderBook) else self._book
        return book_json(entries or ())


def _row(truth_id: str, what: str, found: Found) -> Row:
    if found:
        shown = list(found[:SUBJECTS_LOGGED])
        log.warning("invariant_violated", invariant=truth_id, count=len(found), subjects=shown)
    return violations(truth_id, what, len(found))


def _read_history(path: Path | None) -> History | None:
    if path is None:
        return None
    try:
        return History.read(path)
    except (OSError, HistoryUnreadable) as error:
        log.warning("history_unreadable", error=str(error))
        return None
