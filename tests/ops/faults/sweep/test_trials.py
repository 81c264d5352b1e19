"""A process that dies at a step leaves nothing behind that the next one does not mend; without the mending it shows."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from kit.embedded import ServerUrls
from ops.faults.sweep.census import find_gaps, list_files
from ops.faults.sweep.trial import Bench, How, Places, open_bench

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLAIMED = "lua.after/flashsale/lua/claim.lua#1"
CONFIRMING = "commit.before/ops.faults.sweep.shoppers.Shoppers._deliver#1"
SENT = "provider.after/rewards.payouts.Payouts._send#1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(servers: ServerUrls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    places = Places(servers.database, servers.redis_stock, servers.redis_broker)
    async with open_bench(places, tmp_path_factory.mktemp("sweep")) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def steps(bench: Bench) -> list[str]:
    """A chain in which nothing is broken; raises where even that does not hold."""
    return await bench.record()


async def test_the_chain_holds_by_itself_and_runs_every_file_of_the_rooms(steps: list[str]) -> None:
    assert find_gaps(steps, list_files()) == []
    assert {CLAIMED, CONFIRMING, SENT} <= set(steps)
    assert {step.partition("/")[0] for step in steps} >= {
        "lua.before", "lua.after", "sql.before", "sql.after", "flush.before", "flush.after", "commit.before",
        "commit.after", "provider.before", "provider.after", "message.before", "message.after", "outbox.written",
        "outbox.relayed", "outbox.done", "actor.start", "actor.end", "bell.rung",
    }  # fmt: skip


@pytest.mark.parametrize(("step", "how"), [(CLAIMED, "kill"), (CONFIRMING, "raise"), (SENT, "kill")])
async def test_whatever_a_process_leaves_behind_is_mended(bench: Bench, step: str, how: How) -> None:
    verdict = await bench.run(step, how)
    assert verdict.reached
    assert verdict.wrong == ()


async def test_control_without_the_repair_of_claims_a_unit_is_lost_and_the_sweep_sees_it(
    bench: Bench, steps: list[str]
) -> None:
    crowd = [step for step in steps if step.startswith("lua.after/flashsale/lua/claim.lua")][-1]
    verdict = await replace(bench, without="claims_recovered").run(crowd, "kill")
    assert verdict.reached
    assert any("stock_not_at_zero" in wrong for wrong in verdict.wrong)
