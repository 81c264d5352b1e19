"""The group committer: one durable transaction for a whole batch, and the truth about it when the answer is lost."""

import asyncio
from collections.abc import Sequence
from typing import Final, Literal

import structlog

from flashsale import metrics
from flashsale.ledger import Decision, find_replays, lock_buckets, read_reservations, write_batch
from flashsale.rules import Wish
from flashsale.settings import FlashsaleSettings
from kit.errors import DomainError, Unavailable
from kit.postgres import Postgres
from kit.postgres_errors import is_taken
from kit.retry import idempotent

log = structlog.get_logger()

# not_written: certainly nothing was committed. unknown: it could not be found out; the repair will.
Failure = Literal["not_written", "unknown"]
Committed = Decision | Failure

_AWAY: Final = (DomainError, TimeoutError, OSError)


class GroupCommitter:
    """Opens and commits the transactions of the reservation path; an edge, like an HTTP route."""

    def __init__(self, postgres: Postgres, settings: FlashsaleSettings) -> None:
        self._postgres, self._settings = postgres, settings

    async def commit(self, wishes: Sequence[Wish]) -> list[Committed]:
        """One outcome a wish, in order; decisions are durable. A request that fails the batch fails alone."""
        try:
            return await self._commit(wishes)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must stay the trouble of one request
            # A key that somebody else has just used: it is there to be seen now, so once more is enough.
            return await (self._commit_again(wishes) if is_taken(error) else self._halve(wishes, error))

    async def _commit_again(self, wishes: Sequence[Wish]) -> list[Committed]:
        try:
            return await self._commit(wishes)
        except Exception as error:  # noqa: BLE001 - as above
            return await self._halve(wishes, error)

    async def _commit(self, wishes: Sequence[Wish]) -> list[Committed]:
        """Raises what the statements of the batch raise; then nothing is written."""
        decided: list[Decision] | None = None
        try:
            with metrics.COMMIT_SECONDS.time():
                async with asyncio.timeout(self._settings.commit_seconds_max):
                    async with self._postgres.driver() as session:
                        decided = await write_batch(session, wishes)
                    return list(decided)
        except Exception as error:
            if decided is None and not isinstance(error, _AWAY):
                raise
            log.warning("batch_not_committed", error=type(error).__name__, decided=decided is not None)
            # COMMIT is sent only after the decisions are there; before that nothing can have been written, and after it
            # whatever fails, foreseen or not, says nothing about what was.
            return ["not_written"] * len(wishes) if decided is None else await self._read_back(wishes)

    async def find_replays(self, wishes: Sequence[Wish]) -> list[Decision | None]:
        """For each wish what its key was answered before. Raises `Unavailable`."""
        try:
            # Its batch waits for it, and the lane for the batch.
            async with asyncio.timeout(self._settings.read_back_seconds_max):
                async with self._postgres.driver(readonly=True) as session:
                    return await find_replays(session, wishes)
        except TimeoutError as error:
            raise Unavailable("postgres") from error

    async def _halve(self, wishes: Sequence[Wish], error: Exception) -> list[Committed]:
        if len(wishes) == 1:
            # Its type only: PostgreSQL quotes the row in its message.
            log.error("request_not_committable", error=type(error).__name__)
            return ["not_written"]
        metrics.BATCHES_SPLIT.inc()
        middle = len(wishes) // 2
        return [*await self.commit(wishes[:middle]), *await self.commit(wishes[middle:])]

    async def _read_back(self, wishes: Sequence[Wish]) -> list[Committed]:
        """What became of a transaction whose end was not heard.

        Its COMMIT, if it was sent, was sent under the buckets' locks. Whoever holds them now looks at its final outcome.
        """
        try:
            async with asyncio.timeout(self._settings.read_back_seconds_max):
                async for attempt in idempotent():
                    with attempt:
                        return await self._read_under_locks(wishes)
        except (Unavailable, TimeoutError):
            pass
        return ["unknown"] * len(wishes)

    async def _read_under_locks(self, wishes: Sequence[Wish]) -> list[Committed]:
        async with self._postgres.driver() as session:
            items = await lock_buckets(session, [wish.bucket for wish in wishes])
            found = await read_reservations(session, [wish.reservation_id for wish in wishes])
        outcomes: list[Committed] = []
        for wish in wishes:
            stored = found.get(wish.reservation_id)
            item = items.get(wish.bucket)
            outcomes.append("not_written" if stored is None else Decision("granted", stored, item))
        return outcomes
