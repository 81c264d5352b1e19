"""The limits as their callers see them: may this request pass every limit it is under?

Requests are checked in batches, one call of one script a scope and round trip; each is all or nothing. Nothing is sent
twice: a reply that was lost leaves units taken that nobody used, which is the strict side, and they come back with time.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.clock import Clock
from kit.errors import DomainError, Unavailable
from kit.lua import LuaScript
from kit.redis import is_away
from kit.sinks import Sink, Waiter
from queueing.limits import metrics
from queueing.limits.decisions import Decision
from queueing.limits.dispatch import Dispatch
from queueing.limits.lease import Lease
from queueing.limits.local import LocalShare
from queueing.limits.members import Batch, Member
from queueing.limits.policy import Check
from queueing.limits.settings import LimitSettings
from queueing.limits.tally import tally
from queueing.limits.terms import Mode, terms_of, terms_of_checks

log = structlog.get_logger()
DECIDE: Final = LuaScript.from_file("queueing.limits", "decide")
ANYWHERE: Final = "anywhere"  # the scope of requests that concern no sale and name none of their own


class Limits:
    """The public face. `start` keeps the lease that lets this process go on without Redis; `stop` gives it up."""

    def __init__(self, limits: Redis, settings: LimitSettings, clock: Clock) -> None:
        self._limits, self._settings = limits, settings
        self._lease = Lease(limits, settings)
        self._local = LocalShare(clock, settings.local_keys_max)
        self._dispatch = Dispatch(settings, self._serve, self._refuse)

    async def start(self) -> None:
        await self._lease.start()

    async def stop(self) -> None:
        """Answers what waits, then leaves."""
        await self._dispatch.drain()
        await self._lease.stop()

    def submit(
        self, checks: Sequence[Check], cost: int, sink: Sink[Decision], *, scope: str = ANYWHERE
    ) -> None:
        """Takes `cost` units of every limit, or none of any; `sink` is told a `Decision`.

        It is refused with `Unavailable` when too many wait here, or when Redis is away and this process has no lease.
        Raises `ValueError` at once for checks that no request can mean: none, too many, twice the same bucket, or a
        cost above a policy's burst.
        """
        self._enter(Member(scope, checks, terms_of_checks(Mode.TAKE, checks, cost), sink))

    async def check(self, checks: Sequence[Check], cost: int = 1, *, scope: str = ANYWHERE) -> Decision:
        """Like `submit`, for callers that wait. Raises `Unavailable`, `ValueError`."""
        waiter: Waiter[Decision] = Waiter()
        self.submit(checks, cost, waiter, scope=scope)
        return await waiter

    async def peek(self, checks: Sequence[Check], cost: int = 1, *, scope: str = ANYWHERE) -> Decision:
        """What `check` would say, with nothing taken. Raises `Unavailable`, `ValueError`."""
        waiter: Waiter[Decision] = Waiter()
        self._enter(Member(scope, checks, terms_of_checks(Mode.PEEK, checks, cost), waiter))
        return await waiter

    def submit_refund(self, decision: Decision) -> None:
        """Gives back what an allowed request took, once and at most once; see `rules.refundable`. Nobody is told."""
        self._refund(decision, _Unheard())

    async def refund(self, decision: Decision) -> bool:
        """Like `submit_refund`; whether the refund was made."""
        waiter: Waiter[Decision] = Waiter()
        if not self._refund(decision, waiter):
            return False
        try:
            await waiter
        except Unavailable:
            return False
        return True

    def _refund(self, decision: Decision, sink: Sink[Decision]) -> bool:
        if not decision.taken:
            return False
        terms = terms_of(Mode.REFUND, decision.cost, *decision.terms.policies)
        member = Member(decision.scope, decision.checks, terms, sink, decision.taken_until())
        decision.taken = False
        if decision.degraded:
            self._local.refund(member, decision.share)
            _tell([member], [decision])
        elif self._lease.away:
            self._refuse(member)
        else:
            self._enter(member)
        return True

    def _enter(self, member: Member) -> None:
        if self._lease.away:
            self._serve_alone(member)
        elif not self._dispatch.enter(member):
            self._refuse(member)

    async def _serve(self, members: Sequence[Member]) -> None:
        if self._lease.away:
            for member in members:
                self._serve_alone(member)
            return
        batch = Batch(members)
        asked = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.answer_seconds_max):
                answer = await DECIDE.run(self._limits, batch.keys, [batch.argument])
        except (RedisError, OSError) as error:
            await self._failed(members, error, asked)
            return
        metrics.batch_seconds.observe(time.monotonic() - asked)
        metrics.batch_requests.observe(len(members))
        decided = batch.read(answer)
        tally((run.terms, decisions) for run, decisions in decided if run.terms.mode is Mode.TAKE)
        for run, decisions in decided:
            _tell(run.members, decisions)

    async def _failed(self, members: Sequence[Member], error: Exception, asked: float) -> None:
        if is_away(error):
            self._lease.miss(asked)
            for member in members:
                self._serve_alone(member)
        elif len(members) == 1:
            log.error("limits_request_failed", error=str(error), policies=_names(members[0]))
            self._refuse(members[0])
        else:
            # One of them is to blame; halves find it, and the others get their answer. Where the script had already
            # written, halves take a second time: the strict side.
            middle = len(members) // 2
            await self._serve(members[:middle])
            await self._serve(members[middle:])

    def _serve_alone(self, member: Member) -> None:
        processes = self._lease.processes
        decision = None
        if processes and member.terms.mode is not Mode.REFUND:
            decision = self._local.decide(member, processes)
        if decision is None:
            self._refuse(member)
            return
        if member.terms.mode is Mode.TAKE:
            tally([(member.terms, [decision])])
        _tell([member], [decision])

    def _refuse(self, member: Member) -> None:
        if member.terms.mode is Mode.REFUND:
            metrics.refunds_lost.inc()
        else:
            metrics.requests.labels("unavailable", "local" if self._lease.away else "redis").inc()
        try:
            member.sink.refuse(Unavailable("limits"))
        except Exception:  # a sink that breaks its promise must not cost the others their answer
            log.exception("limits_sink_failed")


class _Unheard:
    """The sink of who does not want to know."""

    def tell(self, answer: Decision) -> None:
        pass

    def refuse(self, error: DomainError) -> None:
        pass


def _tell(members: Sequence[Member], decisions: Sequence[Decision]) -> None:
    for member, decision in zip(members, decisions, strict=True):
        try:
            member.sink.tell(decision)
        except Exception:  # a sink that breaks its promise must not cost the others their answer
            log.exception("limits_sink_failed")


def _names(member: Member) -> list[str]:
    return [policy.name for policy in member.terms.policies]
