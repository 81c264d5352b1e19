"""Two real keeper processes: each duty has one leader, and a killed one is replaced in all its duties."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import pytest
from sqlalchemy import text

from kit.embedded import ServerUrls
from kit.embedded.ports import free_port
from kit.postgres import Postgres

DUTIES = {
    "frontier",
    "rooms",
    "hold_expiry",
    "outbox_relay",
    "payout_ring",
    "refund_ring",
    "stock_repair",
    "invariants",
}


@dataclass
class Keeper:
    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str) -> str:
        with closing(urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5)) as answer:
            return answer.read().decode()


@pytest.fixture
def keepers(servers: ServerUrls) -> Iterator[list[Keeper]]:
    with tempfile.TemporaryDirectory() as folder:
        # Names of their own: the rows of keepers that other tests ran are still there.
        started = [_start(f"keeper-{uuid4().hex[:8]}", servers, Path(folder)) for _ in range(2)]
        yield started
        for keeper in started:
            keeper.process.kill()
            keeper.process.wait()


def _start(name: str, servers: ServerUrls, folder: Path) -> Keeper:
    port, log = free_port(), folder / f"{name}.log"
    environment = os.environ | servers.as_environment() | {"HEALTH_PORT": str(port), "KEEPER_NAME": name}
    environment["PYTHONFAULTHANDLER"] = "1"
    with log.open("wb") as stderr:
        process = subprocess.Popen([sys.executable, "-m", "ops.keeper"], env=environment, stderr=stderr)
    return Keeper(name, port, process, log)


async def test_when_a_leader_is_killed_the_other_keeper_takes_over_all_its_duties(
    keepers: list[Keeper], postgres: Postgres
) -> None:
    before = await _until_led(postgres, {keeper.name for keeper in keepers}, keepers)
    killed = next(keeper for keeper in keepers if keeper.name in {leader for leader, _ in before.values()})
    (other,) = (keeper for keeper in keepers if keeper is not killed)
    os.kill(killed.process.pid, signal.SIGKILL)
    after = await _until_led(postgres, {other.name}, keepers)
    for duty in DUTIES:
        # A leader that a busy machine held up may have taken its own duty again, under a further number.
        least = before[duty][1] + (before[duty][0] == killed.name)
        assert after[duty][1] >= least, f"{duty}: every takeover has a number of its own"
    await _until_shown(other, 'floodgate_keeper_duty_leader{duty="hold_expiry"} 1.0')
    await _until_shown(other, 'floodgate_keeper_duty_last_success_timestamp_seconds{duty="hold_expiry"}')
    assert other.get("/readyz") == "ok\n"


async def test_a_keeper_that_is_told_to_stop_ends_by_itself_and_cleanly(
    keepers: list[Keeper], postgres: Postgres
) -> None:
    await _until_led(postgres, {keeper.name for keeper in keepers}, keepers)
    for keeper in keepers:
        await _until_ready(keeper)
        keeper.process.terminate()
    assert [await _ended(keeper) for keeper in keepers] == [0, 0]
    assert all("Traceback" not in keeper.log.read_text() for keeper in keepers)


async def _ended(keeper: Keeper) -> int:
    """The exit code; a keeper that hangs is made to say where, for whoever reads the failure."""
    try:
        return await asyncio.to_thread(keeper.process.wait, 40)
    except subprocess.TimeoutExpired:
        keeper.process.send_signal(signal.SIGABRT)
        await asyncio.to_thread(keeper.process.wait, 10)
        raise AssertionError(keeper.log.read_text()) from None


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DATABASE_URL", "mysql://nobody/none", "DATABASE_URL must look like"),
        ("REDIS_STOCK_URL", "localhost", "REDIS_STOCK_URL must look like"),
    ],
)
def test_a_keeper_that_cannot_start_says_so_in_one_sentence(
    servers: ServerUrls, variable: str, value: str, sentence: str
) -> None:
    environment = os.environ | servers.as_environment() | {"HEALTH_PORT": str(free_port()), variable: value}
    ended = subprocess.run(
        [sys.executable, "-m", "ops.keeper"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.count("\n") == 1


async def _until_ready(keeper: Keeper) -> None:
    while True:
        with suppress(OSError):
            keeper.get("/readyz")
            return
        await asyncio.sleep(0.1)


async def _until_shown(keeper: Keeper, metric: str) -> None:
    while True:
        if metric in keeper.get("/metrics"):
            return
        await asyncio.sleep(0.1)


async def _until_led(
    postgres: Postgres, leaders: set[str], keepers: list[Keeper]
) -> dict[str, tuple[str, int]]:
    """Leader and fence of each duty, once every one is led by one of `leaders`; pytest's time-out bounds it."""
    while True:
        async with postgres.read() as session:
            rows = await session.execute(text("SELECT duty, leader, fence FROM ops.duties"))
            led = {row.duty: (row.leader, row.fence) for row in rows if row.duty in DUTIES}
        if led.keys() == DUTIES and {leader for leader, _ in led.values()} <= leaders:
            return led
        alive = [keeper for keeper in keepers if keeper.process.poll() is None]
        assert alive, keepers[0].log.read_text()
        await asyncio.sleep(0.1)
