"""The gate in front of the framework's routes, as pure ASGI: a permit, perhaps after waiting for it, or a 503 that was
written beforehand; and a deadline for every answer.

It stands inside the bounds on receipt, so a permit is taken when the whole request is here: who sends slowly holds none.
"""

import asyncio
from collections.abc import Collection
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.overload import metrics
from gateway.overload.gate import Gate
from gateway.overload.permit import Permit
from gateway.overload.priority import Outcome, Priority
from gateway.overload.seats import Seat, seat_of
from kit.web.protocol import RECEIVED_AT
from kit.web.rawproblems import language_of, written_problem

# Each waits up to three seconds for the provider and costs some 20 kB meanwhile; 700 payments a second fit.
ABROAD_MAX: Final = 2048
LATE_RETRY_SECONDS: Final = 1  # what was asked is probably done: the repeat reads the answer


class _Knock:
    """One task that waits in the anteroom."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def let_in(self) -> None:
        # A task that was cancelled in this very turn of the loop gives its permit back itself.
        if not self.answered.done():
            self.answered.set_result(None)

    turn_away = let_in  # which of the two, its permit says


class Shedding:
    """Middleware around everything that has a seat.

    `free` are the addresses that no gate stands before: files answered from memory in the same breath, which cost what
    a refusal costs. And a page of which one file was refused is dead: nothing in it can try again.
    """

    def __init__(self, app: ASGIApp, gate: Gate, free: Collection[str] = ()) -> None:
        self._app, self._gate, self._free = app, gate, frozenset(free)
        self._abroad = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seat = seat_of(scope["method"], scope["path"]) if scope["type"] == "http" else Seat.STREAM
        if seat is Seat.STREAM or scope["path"] in self._free:
            await self._app(scope, receive, send)
            return
        received_at = scope.get("state", {}).get(RECEIVED_AT)
        if received_at is not None:
            metrics.HANDLING_DELAY.observe(asyncio.get_running_loop().time() - received_at)
        if seat is Seat.ABROAD:
            await self._answer_abroad(scope, receive, send)
            return
        permit = self._gate.enter(seat.value) or await self._wait(seat.value)
        if permit is None:
            await _say(scope, send, "temporary_reduced_capacity", self._gate.retry_after_seconds())
            return
        await self._answer(permit, scope, receive, send)

    async def _wait(self, priority: Priority) -> Permit | None:
        knock = _Knock()
        permit = self._gate.wait(priority, knock)
        if permit is None:
            return None
        try:
            await knock.answered
        except asyncio.CancelledError:
            permit.leave(Outcome.LEFT)
            raise
        return permit if permit.held else None

    async def _answer(self, permit: Permit, scope: Scope, receive: Receive, send: Send) -> None:
        outcome = Outcome.FAILED
        try:
            outcome = await self._in_time(scope, receive, send)
        finally:
            permit.leave(outcome)

    async def _answer_abroad(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate = self._gate
        if self._abroad >= ABROAD_MAX:
            gate.refused[Priority.PAY] += 1
            await _say(scope, send, "temporary_reduced_capacity", gate.retry_after_seconds())
            return
        self._abroad += 1
        outcome = Outcome.FAILED
        try:
            outcome = await self._in_time(scope, receive, send)
        finally:
            self._abroad -= 1
            gate.ended[Priority.PAY][outcome] += 1

    async def _in_time(self, scope: Scope, receive: Receive, send: Send) -> Outcome:
        """Answers, or says that the answer is late. How it ended."""
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            async with asyncio.timeout(self._gate.deadline_seconds) as deadline:
                await self._app(scope, receive, watched)
        except TimeoutError:
            if status or not deadline.expired():
                raise  # half an answer must not look like a whole one: the server cuts the connection
            await _say(scope, send, "answer_late", LATE_RETRY_SECONDS)
            return Outcome.LATE
        return Outcome.ANSWERED if status < 500 else Outcome.FAILED


async def _say(scope: Scope, send: Send, code: str, retry_after_seconds: int) -> None:
    status, headers, body = written_problem(code, language_of(scope["headers"]), retry_after_seconds)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
