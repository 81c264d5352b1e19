"""The provider's own book: a SQLite file, each change on the disk before it is answered.

It is what the system is judged by: `effects` has one row for each time money, points or a coupon really moved.
Effects and the webhooks that announce them are written together, so a killed simulator forgets neither.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ops.simulator.misbehaviour import Misbehaviour

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS payments (
    payment_id TEXT PRIMARY KEY, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, title TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('created', 'succeeded', 'refused', 'refunded'))
) STRICT;
CREATE TABLE IF NOT EXISTS payouts (
    provider_key TEXT PRIMARY KEY, parameters TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('paid', 'declined')),
    reference TEXT, reason TEXT, retryable INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS effects (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL CHECK (kind IN ('payment', 'refund', 'payout')),
    key TEXT NOT NULL, user_id TEXT, reward_kind TEXT, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE TABLE IF NOT EXISTS deliveries (
    delivery INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, path TEXT NOT NULL, body TEXT NOT NULL,
    due_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'abandoned'))
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE TABLE IF NOT EXISTS misbehaviour (only INTEGER PRIMARY KEY CHECK (only = 1), plan TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Effect:
    """One real movement: a payment, a refund or a payout. `reward_kind` says what was paid out."""

    number: int
    kind: str
    key: str
    user_id: str | None
    reward_kind: str | None
    amount_minor: int
    currency: str
    at: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook to send (again)."""

    delivery: int
    event_id: str
    path: str
    body: str
    tries: int


class Book:
    """The book in one file. Used from the event loop's thread only; a change takes one fsync."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.row_factory = sqlite3.Row
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.executescript(SCHEMA)

    def close(self) -> None:
        self._file.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction, durable when the block ends well."""
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")

    def payment(self, payment_id: str) -> dict[str, Any] | None:
        return self._one("SELECT * FROM payments WHERE payment_id = ?", payment_id)

    def add_payment(self, payment_id: str, amount_minor: int, currency: str, title: str) -> None:
        self._file.execute(
            "INSERT INTO payments VALUES (?, ?, ?, ?, 'created')", (payment_id, amount_minor, currency, title)
        )

    def set_payment(self, payment_id: str, state: str) -> None:
        self._file.execute("UPDATE payments SET state = ? WHERE payment_id = ?", (state, payment_id))

    def payout(self, provider_key: str) -> dict[str, Any] | None:
        return self._one("SELECT * FROM payouts WHERE provider_key = ?", provider_key)

    def add_payout(
        self,
        parameters: dict[str, Any],
        *,
        state: str,
        reference: str | None,
        reason: str | None,
        retryable: bool,
    ) -> None:
        self._file.execute(
            "INSERT INTO payouts VALUES (?, ?, ?, ?, ?, ?)",
            (
                parameters["provider_key"],
                json.dumps(parameters, sort_keys=True),
                state,
                reference,
                reason,
                int(retryable),
            ),
        )

    def add_effect(
        self,
        kind: str,
        key: str,
        *,
        amount_minor: int,
        currency: str,
        user_id: str | None = None,
        reward_kind: str | None = None,
    ) -> None:
        # Deliberately without a unique key: were an effect to happen twice, the book must show it twice.
        self._file.execute(
            "INSERT INTO effects (kind, key, user_id, reward_kind, amount_minor, currency) VALUES (?, ?, ?, ?, ?, ?)",
            (kind, key, user_id, reward_kind, amount_minor, currency),
        )

    def effects(self, *, after: int, limit: int) -> list[Effect]:
        rows = self._file.execute(
            "SELECT * FROM effects WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
        )
        return [Effect(**row) for row in rows]

    def add_delivery(self, event_id: str, path: str, body: str, due_at: float) -> None:
        self._file.execute(
            "INSERT INTO deliveries (event_id, path, body, due_at) VALUES (?, ?, ?, ?)",
            (event_id, path, body, due_at),
        )

    def due_deliveries(self, now: float, limit: int) -> list[Delivery]:
        rows = self._file.execute(
            "SELECT delivery, event_id, path, body, tries FROM deliveries "
            "WHERE state = 'pending' AND due_at <= ? ORDER BY due_at LIMIT ?",
            (now, limit),
        )
        return [Delivery(**row) for row in rows]

    def settle_delivery(self, delivery: int, state: str, *, due_at: float) -> None:
        self._file.execute(
            "UPDATE deliveries SET state = ?, due_at = ?, tries = tries + 1 WHERE delivery = ?",
            (state, due_at, delivery),
        )

    def count_deliveries(self) -> dict[str, int]:
        return dict(
            tuple(row) for row in self._file.execute("SELECT state, count(*) FROM deliveries GROUP BY 1")
        )

    def misbehaviour(self) -> Misbehaviour:
        stored = self._one("SELECT plan FROM misbehaviour WHERE only = ?", 1)
        return Misbehaviour() if stored is None else Misbehaviour.model_validate_json(stored["plan"])

    def set_misbehaviour(self, plan: Misbehaviour) -> None:
        self._file.execute("INSERT OR REPLACE INTO misbehaviour VALUES (1, ?)", (plan.model_dump_json(),))

    def _one(self, statement: str, key: object) -> dict[str, Any] | None:
        row = self._file.execute(statement, (key,)).fetchone()
        return None if row is None else dict(row)
