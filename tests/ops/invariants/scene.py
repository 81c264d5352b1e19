"""A small sale in which everything went well, written straight into the tables, the book and the history.

One buyer reserved, paid and was rewarded; a second hold expired and its late money went back; a third shopper was told
that all was gone, when all was gone.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
from redis.asyncio import Redis
from sqlalchemy import insert, text

from flashsale import models as flashsale
from flashsale.events import outbox
from kit.ids import new_id
from kit.postgres import Postgres
from ops.invariants import Bounds, Row, judge
from ops.invariants.book import BookEntry
from ops.models import AuditEntry
from queueing import models as queueing
from rewards import models as rewards

BUYER, LATE, REFUSED = "buyer", "late-payer", "too-late"


@dataclass
class Scene:
    """The evidence, to be bent by a test before it is judged."""

    postgres: Postgres
    sale_id: str
    begun: datetime
    ids: dict[str, UUID]
    book: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    audit_ids: list[UUID] = field(default_factory=list)
    history_path: Path = Path()

    async def plant(self, statement: str) -> None:
        """Runs SQL in which :sale and the names of `ids` stand for this scene's."""
        async with self.postgres.unit_of_work() as session:
            wanted = {"sale": self.sale_id, **self.ids}
            clause = text(statement)
            await session.execute(clause, {name: wanted[name] for name in clause.compile().params})

    async def judge(self, stock: Redis | None = None, queue: Redis | None = None) -> dict[str, Row]:
        """The rows by id; one look suffices, for nothing moves."""
        self.history_path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in self.history))
        rows = await judge(
            self.postgres,
            stock,
            queue,
            [msgspec.convert(entry, BookEntry) for entry in self.book],
            self.history_path,
            sale_id=self.sale_id,
            audit_ids=self.audit_ids,
            bounds=Bounds.closing(),
            looks=1,
        )
        return {row.id: row for row in rows}


async def play(postgres: Postgres, sale_id: str) -> Scene:
    """Plays the sale and returns its evidence."""
    begun = datetime.now(UTC) - timedelta(seconds=100)
    ids = {name: new_id() for name in (
        "won", "lost", "payment", "late_payment", "grant", "payout", "event", "admission", "late_admission", "audit", "applied",
    )}  # fmt: skip
    scene = Scene(postgres, sale_id, begun, ids, audit_ids=[ids["audit"]])
    async with postgres.unit_of_work() as session:
        for table, row in _rows(scene):
            await session.execute(insert(table).values(row))
    _write_book(scene)
    _write_history(scene)
    return scene


def _rows(scene: Scene) -> list[tuple[Any, dict[str, Any]]]:
    sale_id, ids, begun = scene.sale_id, scene.ids, scene.begun
    opens, closes = begun - timedelta(seconds=20), begun + timedelta(hours=1)
    event = {"reservation_id": str(ids["won"]), "sale_id": sale_id, "user_id": BUYER}
    return [
        (flashsale.Sale, {
            "sale_id": sale_id, "campaign_id": "c", "opens_at": opens, "closes_at": closes, "hold_seconds": 30,
            "currency": "CNY", "texts": {}, "shown_rules": {}, "revision": 1,
            "applied_at": opens,
        }),
        (flashsale.Item, {
            "sale_id": sale_id, "sku": "mug", "price_minor": 990, "total": 1, "per_user_limit": 1, "texts": {},
        }),
        (flashsale.Bucket, {"sale_id": sale_id, "sku": "mug", "bucket": 0, "total": 1, "taken": 1}),
        (queueing.Room, {
            "sale_id": sale_id, "opens_at": opens, "closes_at": closes, "rate_per_second": 10, "frontier": 10,
            "position_mark": 1000, "issued": 3,
        }),
        (flashsale.Reservation, _reservation(scene, "lost", LATE, 0, ids["late_admission"], begun) | {
            "state": "expired", "end_reason": "hold_expired", "ended_at": begun + timedelta(seconds=30),
            "expires_at": begun + timedelta(seconds=30),
        }),
        (flashsale.Reservation, _reservation(scene, "won", BUYER, 1, ids["admission"], begun + timedelta(seconds=31)) | {
            "state": "confirmed", "end_reason": "paid", "ended_at": begun + timedelta(seconds=35),
            "expires_at": begun + timedelta(seconds=61),
        }),
        (flashsale.Payment, _payment(scene, "payment", "won", BUYER) | {
            "state": "paid", "serves": ids["won"], "paid_at": begun + timedelta(seconds=35),
        }),
        (flashsale.Payment, _payment(scene, "late_payment", "lost", LATE) | {
            "state": "refunded", "reason": "sold_out", "paid_at": begun + timedelta(seconds=40),
            "refunded_at": begun + timedelta(seconds=45),
        }),
        (outbox.table, {
            "event_id": ids["event"], "kind": "reservation_confirmed", "payload": event,
            "created_at": begun, "done_at": begun,
        }),
        *_reward_rows(scene),
    ]  # fmt: skip


def _reservation(
    scene: Scene, name: str, user: str, position: int, admission: UUID, at: datetime
) -> dict[str, Any]:
    return {
        "reservation_id": scene.ids[name], "sale_id": scene.sale_id, "sku": "mug", "user_id": user, "quantity": 1,
        "amount_minor": 990, "currency": "CNY", "held_at": at, "idempotency_key": str(uuid4()),
        "request_fingerprint": b"f", "admission_id": admission, "admission_position": position, "epoch": 0,
    }  # fmt: skip


def _payment(scene: Scene, name: str, reservation: str, user: str) -> dict[str, Any]:
    return {
        "payment_id": scene.ids[name], "reservation_id": scene.ids[reservation], "user_id": user,
        "amount_minor": 990, "currency": "CNY", "created_at": scene.begun + timedelta(seconds=1),
    }  # fmt: skip


def _reward_rows(scene: Scene) -> list[tuple[Any, dict[str, Any]]]:
    sale_id, ids, begun = scene.sale_id, scene.ids, scene.begun
    accounts = {"funding": -1000, "budget": 900, "promised": 0, "paid": 100}
    moves = [
        ("funding", "budget", 1000, "funded"),
        ("budget", "promised", 100, "promised"),
        ("promised", "paid", 100, "paid"),
    ]
    return [
        (rewards.Rule, {
            "sale_id": sale_id, "rule_id": "points", "kind": "points", "amount_minor": 100, "currency": "PTS",
            "first_n": 5, "budget_minor": 1000, "granted": 1,
        }),
        (rewards.Grant, {
            "grant_id": ids["grant"], "sale_id": sale_id, "rule_id": "points", "reservation_id": ids["won"],
            "user_id": BUYER, "kind": "points", "amount_minor": 100, "currency": "PTS", "state": "paid",
            "granted_at": begun, "ended_at": begun,
        }),
        (rewards.Payout, {"payout_id": ids["payout"], "grant_id": ids["grant"], "state": "paid", "attempts": 1}),
        (rewards.Attempt, {
            "payout_id": ids["payout"], "number": 1, "provider_key": f"{ids['payout']}:1", "parameters": {},
            "outcome": "paid",
        }),
        *((rewards.Account, {
            "account_id": f"{kind}/{sale_id}/points", "kind": kind, "currency": "PTS", "balance_minor": balance,
        }) for kind, balance in accounts.items()),
        *((rewards.Transfer, {
            "transfer_id": new_id(), "debit_account": f"{debit}/{sale_id}/points",
            "credit_account": f"{credit}/{sale_id}/points", "amount_minor": amount, "currency": "PTS",
            "reason": reason, "subject": str(ids["grant"]),
        }) for debit, credit, amount, reason in moves),
        (AuditEntry, {
            "entry_id": ids["audit"], "actor": "agent-7", "action": "desk_lookup", "subject": f"user/{BUYER}", "details": {},
        }),
        (AuditEntry, {
            "entry_id": ids["applied"], "actor": "lead-1", "action": "sale_applied", "subject": f"sale/{sale_id}",
            "details": {"revision": 1},
        }),
    ]  # fmt: skip


def _write_book(scene: Scene) -> None:
    ids = scene.ids
    for number, (kind, key, user, amount, currency) in enumerate(
        [
            ("payment", str(ids["payment"]), None, 990, "CNY"),
            ("payment", str(ids["late_payment"]), None, 990, "CNY"),
            ("refund", str(ids["late_payment"]), None, 990, "CNY"),
            ("payout", f"{ids['payout']}:1", BUYER, 100, "PTS"),
        ],
        start=1,
    ):
        scene.book.append(
            {
                "number": number, "kind": kind, "key": key, "user_id": user, "amount_minor": amount,
                "currency": currency, "at": (scene.begun + timedelta(seconds=40)).isoformat(),
            }
        )  # fmt: skip


def _write_history(scene: Scene) -> None:
    at, ids = scene.begun.timestamp(), scene.ids
    told = {"reservation_id": str(ids["won"]), "sku": "mug", "quantity": 1}
    lost = {"reservation_id": str(ids["lost"]), "sku": "mug", "quantity": 1}
    scene.history += [
        _told(at - 30, LATE, "joined", 201, position=0, asked_at=at - 31),
        _told(at - 29, BUYER, "joined", 201, position=1, asked_at=at - 29.5),
        _told(at - 28, REFUSED, "joined", 201, position=2, asked_at=at - 28.5),
        _told(at - 1, LATE, "admitted", 201, position=0, asked_at=at - 1.5),
        _told(at, LATE, "reserved", 201, key="k-late", **lost),
        _told(at + 15, REFUSED, "refused", 409, code="sold_out", sku="mug", quantity=1),
        _told(at + 31, BUYER, "reserved", 201, key="k-buyer", **told),
        _told(at + 35, BUYER, "confirmed", 200, **told),
        _told(at + 40, BUYER, "rewarded", 200, reward={"grant_id": str(ids["grant"]), "state": "paid"}),
        _told(at + 41, "forger-1", "forged_refused", 401) | {"persona": "forger"},
    ]


def _told(at: float, user: str, what: str, status: int, **facts: Any) -> dict[str, Any]:
    return {"at": at, "user": user, "persona": "buyer", "what": what, "status": status, **facts}
