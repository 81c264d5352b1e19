"""Every truth holds where all went well, and each can fail: its violation is planted and its row seen not to hold."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from kit.postgres import Postgres
from kit.provider import ProviderClient, ProviderSettings
from kit.redis import connect
from kit.settings import PostgresSettings, RedisSettings
from ops.invariants import ProviderBook, judge
from ops.invariants.idle import IDLE_TRUTH
from ops.invariants.queue import QUEUE_TRUTH
from ops.invariants.stock import STOCK_TRUTH
from ops.invariants.told import TOLD_TRUTHS
from ops.invariants.truths import TRUTHS
from tests.ops.invariants.scene import BUYER, REFUSED, Scene

SET_WON = "UPDATE flashsale.reservations SET {} WHERE reservation_id = :won"
SET_LOST = "UPDATE flashsale.reservations SET {} WHERE reservation_id = :lost"
SET_GRANT = "UPDATE rewards.grants SET {} WHERE grant_id = :grant"
ANOTHER = "0190c2f0-7e00-7000-8000-000000000001"

# Truth → SQL that breaks it. Several lines of one truth are several ways to break it.
PLANTED_ROWS = [
    ("stock_within_total", "UPDATE flashsale.items SET total = 0 WHERE sale_id = :sale"),
    ("stock_taken_is_sum", "UPDATE flashsale.buckets SET taken = 0 WHERE sale_id = :sale"),
    ("stock_taken_is_sum", SET_WON.format("sku = 'no-such-item'")),
    ("stock_taken_is_sum", SET_WON.format("bucket = 1")),
    ("stock_buckets_are_total", "UPDATE flashsale.buckets SET total = 2 WHERE sale_id = :sale"),
    ("stock_buckets_are_total", "UPDATE flashsale.items SET buckets = 2 WHERE sale_id = :sale"),
    ("stock_buckets_are_total", "DELETE FROM flashsale.buckets WHERE sale_id = :sale"),
    ("users_within_limit", SET_WON.format("quantity = 2")),
    ("holds_end_once", SET_WON.format("ended_at = NULL")),
    ("holds_end_once", SET_WON.format("end_reason = NULL")),
    ("holds_end_once", SET_WON.format("end_reason = 'hold_expired'")),
    ("holds_end_once", SET_WON.format("end_reason = 'late_payment', regrant_of = :won")),
    ("holds_end_once", SET_LOST.format("state = 'held'")),
    ("holds_end_once", SET_LOST.format("state = 'gone'")),
    ("holds_end_in_time", SET_LOST.format("state = 'held', end_reason = NULL, ended_at = NULL")),
    ("money_serves_or_returns", "UPDATE flashsale.payments SET serves = NULL WHERE payment_id = :payment"),
    ("money_serves_or_returns", "UPDATE flashsale.payments SET serves = :lost WHERE payment_id = :payment"),
    ("money_serves_or_returns", "UPDATE flashsale.payments SET state = 'created' WHERE payment_id = :payment"),
    ("money_serves_or_returns", "UPDATE flashsale.payments SET state = 'refused' WHERE payment_id = :late_payment"),
    ("money_serves_or_returns", "UPDATE flashsale.payments SET serves = :won WHERE payment_id = :late_payment"),
    ("money_serves_or_returns", "UPDATE flashsale.payments SET state = 'refunded' WHERE payment_id = :payment"),
    ("money_serves_or_returns", "UPDATE flashsale.payments SET paid_at = NULL WHERE payment_id = :payment"),
    ("money_serves_or_returns", "DELETE FROM flashsale.payments WHERE payment_id = :payment"),
    ("money_serves_or_returns", SET_LOST.format("state = 'confirmed', end_reason = 'paid'")),
    ("money_serves_or_returns", SET_WON.format("state = 'expired', end_reason = 'hold_expired'")),
    (
        "money_serves_or_returns",
        """WITH told AS (
            INSERT INTO flashsale.payment_notices (event_id, payment_id, kind, outcome, amount_minor, currency)
            VALUES (gen_random_uuid(), :late_payment, 'payment.succeeded', 'confirmed', 990, 'CNY'))
        UPDATE flashsale.payments SET state = 'created', paid_at = NULL WHERE payment_id = :late_payment""",
    ),
    ("confirmed_once_announced", "DELETE FROM flashsale.outbox WHERE event_id = :event"),
    ("confirmed_once_announced", SET_WON.format("state = 'released', end_reason = 'by_user'")),
    (
        "confirmed_once_announced",
        """INSERT INTO flashsale.outbox (event_id, kind, payload, done_at)
        SELECT gen_random_uuid(), kind, payload, now() FROM flashsale.outbox WHERE event_id = :event""",
    ),
    ("nobody_before_turn", "UPDATE queueing.rooms SET frontier = 1 WHERE sale_id = :sale"),
    ("nobody_before_turn", "DELETE FROM queueing.rooms WHERE sale_id = :sale"),
    ("bought_with_admission", SET_WON.format("admission_id = '00000000-0000-0000-0000-000000000000'")),
    ("bought_with_admission", SET_WON.format("held_at = held_at - interval '1 hour'")),
    ("bought_with_admission", SET_WON.format("held_at = held_at + interval '2 hours'")),
    ("positions_unique", SET_WON.format("admission_position = 0")),
    ("positions_unique", SET_WON.format("admission_id = :late_admission")),
    ("positions_below_mark", "UPDATE queueing.rooms SET position_mark = 1 WHERE sale_id = :sale"),
    ("ledger_sums_to_zero", "UPDATE rewards.accounts SET balance_minor = 899 WHERE account_id = 'budget/' || :sale || '/points'"),
    ("ledger_balances_are_transfers", "UPDATE rewards.accounts SET balance_minor = 101 WHERE account_id = 'paid/' || :sale || '/points'"),
    ("ledger_balances_are_transfers", "UPDATE rewards.accounts SET currency = 'CNY' WHERE account_id = 'paid/' || :sale || '/points'"),
    ("ledger_balances_are_transfers", "DELETE FROM rewards.accounts WHERE account_id = 'promised/' || :sale || '/points'"),
    ("budget_never_negative", "UPDATE rewards.accounts SET balance_minor = -1 WHERE account_id = 'budget/' || :sale || '/points'"),
    ("budget_never_negative", "UPDATE rewards.rules SET first_n = 0 WHERE sale_id = :sale"),
    ("budget_never_negative", "UPDATE rewards.rules SET budget_minor = 99 WHERE sale_id = :sale"),
    ("budget_never_negative", "UPDATE rewards.rules SET granted = 0 WHERE sale_id = :sale"),
    ("grants_earned", SET_WON.format("user_id = 'somebody-else'")),
    ("grants_earned", SET_GRANT.format("reservation_id = :lost")),
    ("grants_earned", SET_GRANT.format("state = 'blocked', reason = 'r', owner = 'o'")),
    ("grants_earned", "DELETE FROM rewards.payouts WHERE payout_id = :payout"),
    ("grants_end", SET_GRANT.format("state = 'promised', ended_at = NULL")),
    ("grants_end", SET_GRANT.format("state = 'blocked', reason = NULL, owner = 'finance'")),
    ("grants_end", SET_GRANT.format("state = 'blocked', reason = 'declined', owner = NULL")),
    ("outbox_flows", "UPDATE flashsale.outbox SET done_at = NULL WHERE event_id = :event"),
    ("outbox_flows", "UPDATE flashsale.outbox SET done_at = NULL, created_at = now(), deliveries = 50 WHERE event_id = :event"),
    ("payouts_match_book", "UPDATE rewards.attempts SET outcome = 'declined' WHERE payout_id = :payout"),
    ("payouts_match_book", "DELETE FROM rewards.attempts WHERE payout_id = :payout"),
    ("payouts_match_book", SET_GRANT.format("amount_minor = 99")),
    ("payouts_match_book", SET_GRANT.format("user_id = 'somebody-else'")),
    ("paid_charged_once", SET_WON.format("amount_minor = 991")),
    ("paid_charged_once", "UPDATE flashsale.payments SET serves = NULL WHERE payment_id = :payment"),
    ("paid_charged_once", "UPDATE flashsale.payments SET serves = :lost WHERE payment_id = :payment"),
    ("charges_serve_or_return", "UPDATE flashsale.payments SET serves = NULL WHERE payment_id = :payment"),
    ("charges_serve_or_return", "UPDATE flashsale.payments SET state = 'created' WHERE payment_id = :payment"),
    ("charges_serve_or_return", "UPDATE flashsale.payments SET state = 'refund_due' WHERE payment_id = :late_payment"),
    ("charges_serve_or_return", "UPDATE flashsale.payments SET state = 'refunded' WHERE payment_id = :payment"),
    ("told_is_readable", "DELETE FROM flashsale.reservations WHERE reservation_id = :won"),
    ("told_is_readable", SET_WON.format("user_id = 'somebody-else'")),
    ("told_is_readable", SET_WON.format("quantity = 2")),
    ("ends_told_truly", SET_WON.format("state = 'expired'")),
    ("sold_out_told_truly", "UPDATE flashsale.items SET total = 3 WHERE sale_id = :sale"),
    ("sold_out_told_truly", "UPDATE flashsale.reservations SET held_at = held_at + interval '60 seconds' WHERE sale_id = :sale"),
    ("rewards_told_truly", SET_GRANT.format("state = 'promised'")),
    ("rewards_told_truly", SET_GRANT.format("user_id = 'somebody-else'")),
    ("changes_audited", "DELETE FROM ops.audit WHERE entry_id = :applied"),
    ("changes_audited", "UPDATE ops.audit SET actor = '' WHERE entry_id = :applied"),
    ("changes_audited", "UPDATE flashsale.sales SET revision = 2 WHERE sale_id = :sale"),
    ("staff_reads_audited", "DELETE FROM ops.audit WHERE entry_id = :audit"),
    ("staff_reads_audited", "UPDATE ops.audit SET actor = '' WHERE entry_id = :audit"),
]  # fmt: skip


def _drop(place: int) -> Callable[[Scene], None]:
    return lambda scene: scene.book.pop(place) and None


def _again(place: int) -> Callable[[Scene], None]:
    return lambda scene: scene.book.append(scene.book[place] | {"number": 9})


def _add_refund(scene: Scene) -> None:
    scene.book.append(scene.book[2] | {"number": 9, "key": str(scene.ids["payment"])})


def _tell(**line: object) -> Callable[[Scene], None]:
    def change(scene: Scene) -> None:
        at = scene.begun.timestamp() + float(line.get("after", 0))  # type: ignore[arg-type]
        told = {"at": at, "user": BUYER, "persona": "buyer", "status": 201, **line}
        named = {
            name: str(scene.ids.get(value, value)) if name == "reservation_id" else value
            for name, value in told.items()
        }
        scene.history.append(named)

    return change


# Truth → evidence outside PostgreSQL that breaks it.
PLANTED_EVIDENCE = [
    ("grants_paid_once", _again(3)),
    ("payouts_match_book", _drop(3)),
    ("paid_charged_once", _drop(0)),
    ("paid_charged_once", _again(0)),
    ("charges_serve_or_return", _drop(0)),
    ("charges_serve_or_return", _again(0)),
    ("charges_serve_or_return", _again(2)),
    ("charges_serve_or_return", _drop(2)),
    ("charges_serve_or_return", _add_refund),
    ("rewards_told_truly", _drop(3)),
    ("rewards_told_truly", _again(3)),
    ("rewards_told_truly", _tell(what="rewarded", reward={"grant_id": ANOTHER, "state": "paid"})),
    ("told_is_readable", _tell(what="reserved", reservation_id=ANOTHER, key="k-3")),
    ("ends_told_truly", _tell(what="confirmed", reservation_id="lost")),
    ("ends_told_truly", _tell(what="released", reservation_id="won")),
    ("sold_out_told_truly", _tell(what="refused", code="sold_out", sku="mug", after=-40)),
    ("told_positions_unique", _tell(what="joined", user="other", position=1)),
    ("told_fifo", _tell(what="joined", user="early", position=500, after=-60)),
    ("told_turns", _tell(what="refused", code="not_your_turn", user=REFUSED, position=-1, after=60)),
    ("told_one_answer_a_key", _tell(what="reserved", reservation_id="lost", key="k-buyer")),
    ("told_reservations_unique", _tell(what="reserved", reservation_id="lost", key="k-4")),
    ("forgeries_refused", _tell(what="admitted", persona="forger", user="forger-2")),
    ("forgeries_refused", _tell(what="forged_refused", persona="forger", user="forger-2", status=500)),
]  # fmt: skip

# Planted by tests of their own.
PLANTED_ELSEWHERE = {"ledger_append_only", STOCK_TRUTH[0], IDLE_TRUTH[0], QUEUE_TRUTH[0]}


@pytest.fixture(autouse=True)
async def mended(scene: Scene) -> AsyncIterator[None]:
    """The audit belongs to no sale: what is planted there must not stay."""
    yield
    await scene.plant("UPDATE ops.audit SET actor = 'agent-7' WHERE entry_id IN (:audit, :applied)")


async def test_every_truth_holds_where_everything_went_well(scene: Scene) -> None:
    rows = await scene.judge()
    assert {row.id for row in rows.values() if not row.holds} == set()
    assert {row.value for row in rows.values()} == {0}
    assert list(rows) == [truth.truth_id for truth in TRUTHS] + [truth_id for truth_id, _, _ in TOLD_TRUTHS]


def test_every_truth_has_a_violation_planted_for_it() -> None:
    planted = {truth_id for truth_id, _ in [*PLANTED_ROWS, *PLANTED_EVIDENCE]} | PLANTED_ELSEWHERE
    truths = {truth.truth_id for truth in TRUTHS} | {truth_id for truth_id, _, _ in TOLD_TRUTHS}
    assert planted == truths | {STOCK_TRUTH[0], IDLE_TRUTH[0], QUEUE_TRUTH[0]}


@pytest.mark.parametrize(("truth_id", "statement"), PLANTED_ROWS)
async def test_a_violation_planted_in_the_tables_is_seen(scene: Scene, truth_id: str, statement: str) -> None:
    await scene.plant(statement)
    row = (await scene.judge())[truth_id]
    assert row.value and not row.holds


@pytest.mark.parametrize(("truth_id", "change"), PLANTED_EVIDENCE)
async def test_a_violation_planted_in_the_evidence_is_seen(
    scene: Scene, truth_id: str, change: Callable[[Scene], None]
) -> None:
    change(scene)
    row = (await scene.judge())[truth_id]
    assert row.value and not row.holds


async def test_the_ledger_without_its_guard_is_seen(scene: Scene) -> None:
    for guard in ("DISABLE", "ENABLE"):
        await scene.plant(f"ALTER TABLE rewards.transfers {guard} TRIGGER append_only")
        assert (await scene.judge())["ledger_append_only"].holds == (guard == "ENABLE")


async def test_without_a_sale_all_sales_are_judged(scene: Scene) -> None:
    await scene.plant("UPDATE flashsale.buckets SET taken = 0 WHERE sale_id = :sale")
    rows = {row.id: row for row in await judge(scene.postgres)}
    assert not rows["stock_taken_is_sum"].holds
    await scene.plant("UPDATE flashsale.buckets SET taken = 1 WHERE sale_id = :sale")


async def test_an_effect_that_nobody_of_ours_asked_for_is_seen(scene: Scene) -> None:
    scene.book.append(scene.book[3] | {"number": 9, "key": "never-sent"})
    scene.book.append(scene.book[0] | {"number": 10, "key": "never-opened"})
    rows = await scene.judge()
    assert rows["payouts_match_book"].value == 1
    assert rows["charges_serve_or_return"].value == 1


async def test_what_stood_in_the_book_before_the_sale_was_made_is_not_its_own(scene: Scene) -> None:
    before = {"at": (scene.begun - timedelta(days=1)).isoformat()}
    scene.book.append(scene.book[3] | {"number": 9, "key": "never-sent"} | before)
    scene.book.append(scene.book[0] | {"number": 10, "key": "never-opened"} | before)
    assert all(row.holds for row in (await scene.judge()).values())


async def test_many_refusals_of_one_second_are_one_question(scene: Scene) -> None:
    for _ in range(1_000):
        _tell(what="refused", code="sold_out", sku="mug", after=-40)(scene)
    assert (await scene.judge())["sold_out_told_truly"].value == 1


async def test_what_is_not_handed_in_is_not_judged(scene: Scene) -> None:
    judged = {row.id for row in await judge(scene.postgres, sale_id=scene.sale_id)}
    assert judged == {truth.truth_id for truth in TRUTHS if not truth.needs}


async def test_a_postgres_that_is_away_proves_nothing() -> None:
    away = Postgres(PostgresSettings(database_url="postgresql://nobody@127.0.0.1:1/none"))
    rows = await judge(away)
    await away.close()
    assert rows
    assert all(row.value is None and not row.holds for row in rows)


async def test_a_redis_that_is_away_proves_nothing(scene: Scene) -> None:
    away = connect("redis://127.0.0.1:1/0", RedisSettings(), purpose="stock")
    rows = await scene.judge(stock=away, queue=away)
    await away.aclose()
    assert rows[STOCK_TRUTH[0]].value is None
    assert not rows[STOCK_TRUTH[0]].holds
    assert rows["stock_within_total"].holds


async def test_a_book_that_cannot_be_read_proves_nothing(scene: Scene) -> None:
    provider = ProviderClient(ProviderSettings(url="http://127.0.0.1:1", api_key="k"))
    rows = {row.id: row for row in await judge(scene.postgres, book=ProviderBook(provider), looks=1)}
    await provider.close()
    assert rows["grants_paid_once"].value is None
    assert not rows["grants_paid_once"].holds


@pytest.mark.parametrize("content", [None, b"{}\n", b"not json\n"])
async def test_a_history_that_cannot_be_read_proves_nothing(
    scene: Scene, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "other.jsonl"
    if content is not None:
        path.write_bytes(content)
    rows = {row.id: row for row in await judge(scene.postgres, history=path, sale_id=scene.sale_id)}
    for truth_id in ("told_is_readable", "sold_out_told_truly", "told_fifo"):
        assert rows[truth_id].value is None
        assert not rows[truth_id].holds
