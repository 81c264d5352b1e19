"""The rows of payouts: reading them under lock, and the few ways in which they change.

Lock order: payout → attempt → grant → accounts. PostgreSQL's clock decides every time.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from kit.postgres import ReadSession, WriteSession
from kit.provider import PayoutNotice
from rewards import rules
from rewards.models import Attempt, Grant, Payout, Rule
from rewards.models import PayoutNotice as NoticeRow

# A doorbell that was lost (a flushed broker) costs this long; a payout that stays due is rung for ever more seldom, so
# that an outage of hours does not fill the broker.
RING_AGAIN_SECONDS_MIN: Final = 10
RING_AGAIN_SECONDS_MAX: Final = 120
# A webhook often overtakes the answer it is about; the worker that waits for the answer gets this long to record it.
NOTICE_WAIT_SECONDS: Final = 1.0


async def take_due(session: WriteSession, batch_max: int) -> list[UUID]:
    """Up to `batch_max` payouts to ring for, marked ahead; those that another keeper holds are passed over."""
    age = func.now() - Payout.created_at
    wait = func.least(
        func.greatest(age, text(f"interval '{RING_AGAIN_SECONDS_MIN} seconds'")),
        text(f"interval '{RING_AGAIN_SECONDS_MAX} seconds'"),
    )
    due = (
        select(Payout.payout_id)
        .where(Payout.state == "due", Payout.ring_at <= func.now())
        .order_by(Payout.ring_at)
        .limit(batch_max)
        .with_for_update(skip_locked=True)
    )
    taken = await session.scalars(
        update(Payout)
        .where(Payout.payout_id.in_(due.scalar_subquery()))
        .values(ring_at=func.now() + wait)
        .returning(Payout.payout_id)
        .execution_options(synchronize_session=False)
    )
    return list(taken)


async def lock_payout(session: WriteSession, payout_id: UUID) -> Payout | None:
    return await session.get(Payout, payout_id, with_for_update=True, populate_existing=True)


async def lock_attempt(session: WriteSession, attempt: Attempt) -> Attempt | None:
    identity = (attempt.payout_id, attempt.number)
    return await session.get(Attempt, identity, with_for_update=True, populate_existing=True)


async def lock_grant(session: WriteSession, grant_id: UUID) -> Grant:
    return await session.get_one(Grant, grant_id, with_for_update=True, populate_existing=True)


async def last_attempt(session: ReadSession, payout_id: UUID) -> rules.LastAttempt | None:
    found = await session.execute(
        select(Attempt.number, Attempt.outcome)
        .where(Attempt.payout_id == payout_id)
        .order_by(Attempt.number.desc())
        .limit(1)
    )
    row = found.one_or_none()
    return None if row is None else rules.LastAttempt(row.number, row.outcome)


async def attempt_for(session: WriteSession, payout: Payout, step: rules.Open | rules.Ask) -> Attempt:
    """The attempt of a step: the one that is asked for, or a new one with its parameters frozen."""
    if isinstance(step, rules.Ask):
        return await session.get_one(Attempt, (payout.payout_id, step.number))
    grant = await session.get_one(Grant, payout.grant_id)
    rule = await session.get(Rule, (grant.sale_id, grant.rule_id))
    key = rules.provider_key(payout.payout_id, step.number)
    attempt = Attempt(
        payout_id=payout.payout_id,
        number=step.number,
        provider_key=key,
        parameters=_freeze(key, grant, None if rule is None else rule.coupon_code),
        outcome="unknown",
    )
    session.add(attempt)
    payout.attempts = step.number
    await session.flush()
    return attempt


def _freeze(key: str, grant: Grant, coupon_code: str | None) -> dict[str, Any]:
    return {
        "provider_key": key,
        "user_id": grant.user_id,
        "kind": grant.kind,
        "amount_minor": grant.amount_minor,
        "currency": grant.currency,
        "coupon_code": coupon_code,
    }


async def ask_later(session: WriteSession, payout: Payout, attempt: Attempt) -> None:
    age = await session.scalar(
        select(func.extract("epoch", func.now() - Attempt.started_at)).where(
            Attempt.provider_key == attempt.provider_key
        )
    )
    _ring_in(payout, rules.unknown_wait_seconds(float(age or 0)))


def try_later(payout: Payout, number: int) -> None:
    _ring_in(payout, rules.decline_wait_seconds(number))


def _ring_in(payout: Payout, seconds: float) -> None:
    payout.ring_at = func.now() + timedelta(seconds=seconds)


def end_attempt(attempt: Attempt, answer: rules.Answer) -> None:
    attempt.outcome = answer.outcome
    attempt.provider_reference = answer.reference
    attempt.decline_reason = answer.reason
    attempt.ended_at = func.now()


def end(payout: Payout, grant: Grant, state: Literal["paid", "blocked"]) -> None:
    payout.state = grant.state = state
    payout.ended_at = grant.ended_at = func.now()


async def record_notice(
    session: WriteSession, notice: PayoutNotice
) -> Literal["recorded", "duplicate", "unmatched"]:
    """Stores the webhook and brings the payout's next question forward while its outcome is unknown."""
    stored = await session.scalar(
        insert(NoticeRow)
        .values(
            event_id=notice.event_id,
            provider_key=notice.provider_key,
            outcome=notice.type.removeprefix("payout."),
        )
        .on_conflict_do_nothing()
        .returning(NoticeRow.event_id)
    )
    if stored is None:
        return "duplicate"
    open_attempt = select(Attempt.payout_id).where(
        Attempt.provider_key == notice.provider_key, Attempt.outcome == "unknown"
    )
    await session.execute(
        update(Payout)
        .where(Payout.payout_id == open_attempt.scalar_subquery(), Payout.state == "due")
        .values(ring_at=func.least(Payout.ring_at, func.now() + timedelta(seconds=NOTICE_WAIT_SECONDS)))
        .execution_options(synchronize_session=False)
    )
    known = await session.scalar(select(Attempt.number).where(Attempt.provider_key == notice.provider_key))
    return "unmatched" if known is None else "recorded"


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not finished yet, for metrics and the desk's overview."""

    due: int
    due_oldest_age_seconds: float
    unknown: int
    unknown_oldest_age_seconds: float
    blocked: dict[str, int]


async def read_backlog(session: ReadSession) -> Backlog:
    def age(instant: Any) -> Any:
        return func.coalesce(func.extract("epoch", func.now() - func.min(instant)), 0)

    due = (
        await session.execute(select(func.count(), age(Payout.created_at)).where(Payout.state == "due"))
    ).one()
    unknown = (
        await session.execute(
            select(func.count(), age(Attempt.started_at))
            .join(Payout, Payout.payout_id == Attempt.payout_id)
            .where(Payout.state == "due", Attempt.outcome == "unknown")
        )
    ).one()
    blocked = await session.execute(
        select(Grant.owner, func.count()).where(Grant.state == "blocked").group_by(Grant.owner)
    )
    return Backlog(
        due=due[0],
        due_oldest_age_seconds=float(due[1]),
        unknown=unknown[0],
        unknown_oldest_age_seconds=float(unknown[1]),
        blocked={owner or "nobody": count for owner, count in blocked},
    )
