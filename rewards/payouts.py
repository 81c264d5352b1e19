"""Payouts: every promised reward is paid once, whatever the provider, the broker or a worker does meanwhile.

    guard ─ one worker at a time acts on a payout (advisory lock, gone with its connection)
      1. transaction: read the payout, decide the step, commit a new attempt with frozen parameters
      2. provider: send the attempt under its key, or ask for it, and where it is not known send it again as it was
      3. transaction: record the answer; money moves and the grant ends together with it

A crash after 1 or 2 leaves an attempt of unknown outcome: it is asked for. A new number exists only after a no.
The guard saves the provider double questions; what makes a double payment impossible are 1 and the key.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal
from uuid import UUID

import structlog
from redis.asyncio import Redis
from sqlalchemy import func, select

from kit.doorbell import ring_user
from kit.postgres import Postgres, WriteSession
from kit.provider import PayoutNotice, ProviderClient, ProviderRefused, ProviderUnknown
from rewards import ledger, metrics, rules
from rewards import payout_rows as rows
from rewards.models import Attempt, Grant, Payout
from rewards.payout_rows import take_due
from rewards.settings import RewardsSettings

log = structlog.get_logger()

# A 4xx about the request itself is a no for good. One about us (key, rights, address) or a conflict under the key
# says nothing about this payout: it stays unknown and is asked for until somebody has mended that.
_REQUEST_REFUSED: Final = frozenset({400, 413, 422})

# Whatever the provider says is kept apart from our own reasons, on which others act.
_PROVIDER_REASON: Final = "provider_"
_REASON_LENGTH_MAX: Final = 200  # a code, not a letter

PayOutcome = Literal["paid", "declined", "blocked", "unknown", "busy", "ended"]


class Payouts:
    """Pays grants through the provider."""

    def __init__(
        self, postgres: Postgres, provider: ProviderClient, bells: Redis, settings: RewardsSettings
    ) -> None:
        self._postgres = postgres
        self._provider = provider
        self._bells = bells
        self._at_once = asyncio.Semaphore(settings.payouts_at_once_max)

    async def pay(self, payout_id: UUID) -> PayOutcome:
        """One step of a payout: paid, declined (another attempt is due later), blocked, unknown (asked for later),
        busy (another worker acts) or ended (nothing left to do).

        Raises `Unavailable` when PostgreSQL is away; the payout then stays due, its attempt is asked for.
        """
        async with self._at_once, self._guard(payout_id) as is_mine:
            outcome = await self._step(payout_id) if is_mine else "busy"
        metrics.PAYOUTS.labels(outcome).inc()
        log.info("payout_step", payout_id=str(payout_id), outcome=outcome)
        return outcome

    async def take_due(self, session: WriteSession, batch_max: int) -> list[UUID]:
        """Payouts to ring for now, each marked as rung until later."""
        return await take_due(session, batch_max)

    async def record_notice(self, session: WriteSession, notice: PayoutNotice) -> str:
        """Stores a webhook: recorded, duplicate or unmatched. It hastens the question, it settles nothing."""
        outcome = await rows.record_notice(session, notice)
        metrics.NOTICES.labels(outcome).inc()
        return outcome

    @asynccontextmanager
    async def _guard(self, payout_id: UUID) -> AsyncIterator[bool]:
        # Held in a transaction of its own, so that a pooler in transaction mode serves as well, and PostgreSQL
        # lets go of it by itself when this process dies.
        async with self._postgres.unit_of_work() as session:
            lock = func.pg_try_advisory_xact_lock(func.hashtextextended(f"payout {payout_id}", 0))
            yield bool(await session.scalar(select(lock)))

    async def _step(self, payout_id: UUID) -> PayOutcome:
        async with self._postgres.unit_of_work() as session:
            payout = await rows.lock_payout(session, payout_id)
            if payout is None or payout.state != "due":
                return "ended"
            step = rules.next_step(await rows.last_attempt(session, payout_id))
            attempt = await rows.attempt_for(session, payout, step)
        answer = await self._put_to_provider(attempt, step)
        async with self._postgres.unit_of_work() as session:
            return await self._record(session, attempt, answer)

    async def _put_to_provider(self, attempt: Attempt, step: rules.Open | rules.Ask) -> rules.Answer:
        key = attempt.provider_key
        try:
            known = await self._ask(key) if isinstance(step, rules.Ask) else None
            return known or await self._send(attempt)
        except ProviderUnknown as error:
            log.warning("payout_unknown", provider_key=key, reason=error.reason)
        except ProviderRefused as error:
            log.warning("payout_refused", provider_key=key, reason=error.reason, status=error.status)
        return rules.UNKNOWN

    async def _ask(self, key: str) -> rules.Answer | None:
        with metrics.PROVIDER_SECONDS.labels("ask").time():
            known = await self._provider.get(f"/payouts/{key}")
        return None if known is None else rules.read_answer(key, known)

    async def _send(self, attempt: Attempt) -> rules.Answer:
        key = attempt.provider_key
        try:
            # The same body under the same key, however often: the provider executes it once.
            with metrics.PROVIDER_SECONDS.labels("send").time():
                said = await self._provider.post("/payouts", attempt.parameters, idempotency_key=key)
        except ProviderRefused as error:
            if error.status not in _REQUEST_REFUSED:
                raise
            return rules.Answer("declined", reason=f"refused_{error.reason}"[:200], retryable=False)
        return rules.read_answer(key, said)

    async def _record(self, session: WriteSession, sent: Attempt, answer: rules.Answer) -> PayOutcome:
        payout = await rows.lock_payout(session, sent.payout_id)
        attempt = await rows.lock_attempt(session, sent)
        if payout is None or payout.state != "due" or attempt is None or attempt.outcome != "unknown":
            return "ended"
        if answer.outcome == "unknown":
            await rows.ask_later(session, payout, attempt)
            return "unknown"
        grant = await rows.lock_grant(session, payout.grant_id)
        rows.end_attempt(attempt, answer)
        if answer.outcome == "paid":
            return await self._paid(session, payout, grant)
        if not rules.is_final(attempt.number, answer):
            rows.try_later(payout, attempt.number)
            return "declined"
        return await self._blocked(session, payout, grant, _provider_reason(answer))

    async def _paid(self, session: WriteSession, payout: Payout, grant: Grant) -> PayOutcome:
        rows.end(payout, grant, "paid")
        await ledger.post(session, [_movement(grant, "paid")])
        session.after_commit(lambda: ring_user(self._bells, grant.user_id))
        return "paid"

    async def _blocked(self, session: WriteSession, payout: Payout, grant: Grant, reason: str) -> PayOutcome:
        rows.end(payout, grant, "blocked")
        grant.reason, grant.owner = reason, rules.OWNER_FINANCE
        await ledger.post(session, [_movement(grant, "returned")])
        log.warning("payout_blocked", payout_id=str(payout.payout_id), reason=reason)
        return "blocked"


def _provider_reason(answer: rules.Answer) -> str:
    return f"{_PROVIDER_REASON}{answer.reason or 'declined'}"[:_REASON_LENGTH_MAX]


def _movement(grant: Grant, reason: Literal["paid", "returned"]) -> ledger.Movement:
    target: ledger.AccountKind = "paid" if reason == "paid" else "budget"
    return ledger.Movement(
        debit=ledger.account_id("promised", grant.sale_id, grant.rule_id),
        credit=ledger.account_id(target, grant.sale_id, grant.rule_id),
        amount_minor=grant.amount_minor,
        currency=grant.currency,
        reason=reason,
        subject=str(grant.grant_id),
    )
