"""One leader a duty: never two at once, a new one soon after the old one is gone, and a number that grows."""

import asyncio

import pytest
from sqlalchemy import text

from kit.postgres import Postgres
from kit.settings import PostgresSettings
from ops.keeper.fence import Fence, LeadershipLost
from ops.keeper.leadership import Leadership, lock_number
from tests.ops.keeper.conftest import Candidate


async def test_of_many_candidates_one_leads(candidate: Candidate) -> None:
    answers = await asyncio.gather(*(candidate(f"keeper-{number}").take() for number in range(8)))
    assert [answer.number for answer in answers if answer is not None] == [1]


async def test_each_takeover_gets_a_greater_fence(candidate: Candidate) -> None:
    fences = []
    for name in ("first", "second", "third"):
        leadership = candidate(name)
        fences.append(await _until_leading(leadership))
        leadership.resign()
    assert [fence.number for fence in fences] == [1, 2, 3]


async def test_the_row_names_the_leader(candidate: Candidate, postgres: Postgres, duty_name: str) -> None:
    await _until_leading(candidate("keeper-here"))
    async with postgres.read() as session:
        leader = await session.scalar(
            text("SELECT leader FROM ops.duties WHERE duty = :duty"), {"duty": duty_name}
        )
    assert leader == "keeper-here"


async def test_a_leader_whose_session_ends_knows_it_and_another_takes_over(
    candidate: Candidate, postgres: Postgres, duty_name: str
) -> None:
    old, new = candidate("old"), candidate("new")
    await _until_leading(old)
    keeping = asyncio.create_task(old.keep())
    await asyncio.sleep(0)
    await _end_session_of(postgres, duty_name)
    with pytest.raises(LeadershipLost):
        await keeping
    assert (await _until_leading(new)).number == 2


async def test_a_leader_that_stalls_is_replaced_when_postgresql_ends_its_silent_session(
    candidate: Candidate,
) -> None:
    """The stalled leader is one that takes the lock and then proves nothing; its connection stays open."""
    stalled, next_one = candidate("stalled"), candidate("next")
    await _until_leading(stalled)
    assert await next_one.take() is None
    assert (await _until_leading(next_one)).number == 2


async def test_a_database_that_is_away_gives_no_leadership_and_no_crash() -> None:
    away = Leadership(
        PostgresSettings(database_url="postgresql://nobody@127.0.0.1:1/none"), duty="any", leader="me"
    )
    with pytest.raises(LeadershipLost):
        await away.take()


def test_duties_have_locks_of_their_own_within_postgresqls_range() -> None:
    names = [f"duty-{number}" for number in range(1000)]
    numbers = {lock_number(name) for name in names}
    assert len(numbers) == len(names)
    assert all(-(2**31) <= number < 2**31 for number in numbers)


async def _until_leading(leadership: Leadership) -> Fence:
    """Bounded by the pytest time-out; a takeover takes as long as PostgreSQL needs to end the old session."""
    while True:
        fence = await leadership.take()
        if fence is not None:
            return fence
        await asyncio.sleep(0.1)


async def _end_session_of(postgres: Postgres, duty: str) -> None:
    async with postgres.unit_of_work() as session:
        await session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = :name AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
            ),
            {"name": f"floodgate-keeper-{duty}"},
        )
