"""Guards that a control takes away for the length of one trial, to show that the judge finds what they prevent."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from unittest.mock import patch

import asyncpg

from flashsale import committer, ledger, statements
from flashsale.rules import Verdict, Wish, decide
from ops.faults.matrix import Ground

_GUARDED: Final = "AND buckets.taken + named.units <= buckets.total"


@asynccontextmanager
async def without_the_ledgers_word(ground: Ground) -> AsyncIterator[None]:
    """PostgreSQL writes whatever it is asked to, as if Redis alone decided: what the peers do."""
    connection = await asyncpg.connect(ground.database_url)
    try:
        await connection.execute("ALTER TABLE flashsale.buckets DROP CONSTRAINT ck_buckets_never_oversold")
    finally:
        await connection.close()
    guarded = str(statements.INSERT_HOLDS.clause)
    if _GUARDED not in guarded:
        raise LookupError("the statement has another guard by now")

    def grant(wishes: Sequence[Wish], *known: Any) -> list[Verdict]:
        verdicts = decide(wishes, *known)
        return ["granted" if verdict == "sold_out" else verdict for verdict in verdicts]

    with (
        patch.object(ledger, "decide", grant),
        patch.object(statements, "INSERT_HOLDS", statements.statement(guarded.replace(_GUARDED, ""))),
    ):
        yield


@asynccontextmanager
async def without_reading_back(ground: Ground) -> AsyncIterator[None]:
    """A COMMIT whose answer did not come counts as one that did not happen."""

    async def assume(_self: object, wishes: Sequence[Wish]) -> list[committer.Committed]:
        return ["not_written"] * len(wishes)

    with patch.object(committer.GroupCommitter, "_read_back", assume):
        yield
