"""Who may go on without Redis: leases never add up to more than the whole."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from redis.asyncio import Redis

from queueing.limits import keys
from queueing.limits.lease import Lease
from queueing.limits.settings import LimitSettings
from tests.queueing.limits.scene import Fleet, Server, until


async def test_every_process_learns_how_many_there_are(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(3)
    await fleet.start()
    assert [lease._processes for lease in fleet.leases] == [3, 3, 3]
    assert [lease.processes for lease in fleet.leases] == [0, 0, 0], (
        "while Redis is there nobody serves alone"
    )


async def test_who_leaves_is_not_counted_any_more(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(3)
    await fleet.start()
    await fleet.members[0].stop()
    await until(lambda: fleet.leases[1]._processes == 2, "the others to learn of it")


async def test_with_redis_gone_each_has_its_part(make_fleet: Callable[..., Fleet], server: Server) -> None:
    fleet = make_fleet(3)
    await fleet.start()
    await server.stop()
    await fleet.until_away()
    assert [lease.processes for lease in fleet.leases] == [3, 3, 3]


async def test_a_newcomer_has_no_part_until_all_others_must_know_of_it(
    make_fleet: Callable[..., Fleet], server: Server
) -> None:
    old, new = make_fleet(2), make_fleet(1, lease_seconds=60)
    await old.start()
    await new.members[0].start()
    await server.stop()
    await old.until_away()
    await new.until_away()
    assert new.leases[0].processes == 0


async def test_a_lease_that_was_not_renewed_in_time_gives_no_part(own_store: Redis, server: Server) -> None:
    """It may not know of everybody who came since."""
    lease = Lease(own_store, LimitSettings(lease_seconds=0.2, answer_seconds_max=5))
    await lease.renew()
    await asyncio.sleep(0.25)
    await lease.renew()
    await asyncio.sleep(0.25)
    await server.stop()
    await lease.renew()
    assert lease.away and lease.processes == 0


async def test_control_the_same_lease_renewed_in_time_gives_its_part(
    own_store: Redis, server: Server
) -> None:
    lease = Lease(own_store, LimitSettings(lease_seconds=0.2, answer_seconds_max=5))
    await lease.renew()
    await asyncio.sleep(0.25)
    await lease.renew()
    lease.miss(lease._asked + 0.1)
    assert lease.processes == 1


async def test_a_redis_that_came_back_empty_makes_newcomers_of_all(own_store: Redis, server: Server) -> None:
    """The first to come back would else believe to be alone, and have the whole."""
    lease = Lease(own_store, LimitSettings(lease_seconds=60, answer_seconds_max=5))
    await lease.renew()
    assert lease._known_since is not None
    lease._known_since -= 1000  # known for long
    await own_store.delete(keys.PROCESSES)
    await lease.renew()
    await server.stop()
    await lease.renew()
    assert lease.away and lease.processes == 0


async def test_stopping_while_redis_is_missed_ends_though_the_cancellation_is_lost(
    own_store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease(own_store, LimitSettings(lease_renew_seconds=0.01, answer_seconds_max=5))
    await lease.start()
    trying = asyncio.Event()

    async def lossy() -> None:
        trying.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

    monkeypatch.setattr(lease, "renew", lossy)
    await trying.wait()
    await lease.stop()
    assert lease._keeping is None


async def test_the_list_of_processes_goes_by_itself(own_store: Redis) -> None:
    await Lease(own_store, LimitSettings(process_seconds=60)).renew()
    assert 0 < await own_store.pttl(keys.PROCESSES) <= 60_000
