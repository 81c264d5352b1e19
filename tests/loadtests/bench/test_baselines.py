"""The baselines sell correctly: a comparison with a shop that oversells or forgets would flatter us."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import pytest
import uvloop

from kit.embedded import ServerUrls
from loadtests.bench import servers as programs
from loadtests.bench.books import classic_books, nginx_books, stock_classic
from loadtests.bench.client.closed import Load, saturate
from loadtests.bench.client.lines import Tally
from loadtests.bench.client.once import Answer, ask
from loadtests.bench.launch import ROOT, DoesNotStart, Program, python, running
from loadtests.bench.mints import Mint, forged
from loadtests.bench.missing import missing
from loadtests.bench.requests import Shoppers, post, reservations_path, wish
from loadtests.bench.stores import Stores, ledger
from loadtests.bench.subjects import Books

UNITS = 40
MINT = Mint("q" * 64, "i" * 64)


class Shop:
    """One baseline on one port, its sale and its books."""

    def __init__(self, port: int, stores: Stores, *, plain: bool) -> None:
        self.port, self.stores, self.plain = port, stores, plain
        self.sale_id = f"bench-{uuid4().hex[:12]}"
        self.shoppers = Shoppers(MINT, itertools.count(uuid4().int % 10**8))

    def token(self, user_id: str) -> bytes:
        if self.plain:
            return MINT.plain_admission(self.sale_id, user_id)
        return MINT.admission(self.sale_id, user_id, 1)

    def buy(self, token: bytes, key: bytes | None, sku: str = "thing", quantity: int = 1) -> Answer:
        body = wish(sku).replace(b":1}", b":%d}" % quantity)
        return ask(self.port, post(reservations_path(self.sale_id), token, body, key=key))

    def put_on_sale(self, units: int) -> Books:
        if self.plain:
            return nginx_books(self.stores, self.sale_id, "thing", units)
        stock_classic(self.stores, self.sale_id, [("thing", units)])
        return classic_books(self.stores, self.sale_id, "thing")

    def rush(self, shoppers: int) -> Tally:
        form = "plain" if self.plain else "admission"
        requests = self.shoppers.reservations(self.sale_id, "thing", shoppers, form)
        load = Load([self.port], connections=shoppers, depth=1, seconds=0.2, warm_seconds=0.0)

        async def all_at_once() -> Tally:
            run = await saturate(load, iter(requests), keep_granted=True)
            return run.tally

        return uvloop.run(all_at_once())


@pytest.fixture(scope="module")
def stores(servers: ServerUrls) -> Stores:
    return Stores(servers.as_environment(), {})


@pytest.fixture(scope="module", params=["classic", "nginx"])
def shop(
    request: pytest.FixtureRequest, stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder, core = tmp_path_factory.mktemp(request.param), max(os.sched_getaffinity(0))
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    if request.param == "nginx":
        if "nginx" in missing():
            pytest.skip(f"needs {missing()['nginx']}; runs where that is installed")
        served = programs.nginx(core, folder, stores, MINT, document="{}", limit_us=0)
    else:
        served = programs.classic(core, programs.environment(stores, MINT), limited=False)
    with running(served.program, folder):
        yield Shop(served.port, stores, plain=request.param == "nginx")


def reservation_id(answer: Answer) -> str:
    return str(msgspec.json.decode(answer.body)["reservation_id"])


def test_a_rush_buys_exactly_what_is_there(shop: Shop) -> None:
    shop.sale_id = f"bench-{uuid4().hex[:12]}"
    books = shop.put_on_sale(UNITS)
    tally = shop.rush(UNITS * 3)
    assert tally.by_status() == {"201": UNITS, "409": UNITS * 2}
    assert books.complaint(tally) is None


def test_the_same_key_gets_the_same_answer_and_one_unit(shop: Shop) -> None:
    shop.sale_id = f"bench-{uuid4().hex[:12]}"
    shop.put_on_sale(UNITS)
    token = shop.token("bench-shopper")
    first, second = shop.buy(token, b"key-1"), shop.buy(token, b"key-1")
    assert (first.status, second.status) == (201, 201)
    assert reservation_id(first) == reservation_id(second)
    assert shop.buy(token, b"key-2").status == 409


def test_forgeries_foreign_tokens_and_missing_keys_are_refused(shop: Shop) -> None:
    shop.sale_id = f"bench-{uuid4().hex[:12]}"
    shop.put_on_sale(UNITS)
    token = shop.token("bench-shopper")
    assert shop.buy(forged(token), b"key-1").status == 401
    assert shop.buy(token, None).status in {400, 422}
    assert shop.buy(token, b"key-1", quantity=2).status == 409
    assert shop.buy(token, b"key-1", quantity=0).status in {400, 422}
    shop.sale_id = f"bench-{uuid4().hex[:12]}"
    assert shop.buy(token, b"key-1").status == 403


def test_books_notice_what_was_told_and_not_written(shop: Shop) -> None:
    shop.sale_id = f"bench-{uuid4().hex[:12]}"
    books = shop.put_on_sale(UNITS)
    tally = shop.rush(5)
    told = tally.bodies[0]
    tally.counts[b"201"] += 1
    tally.bodies.append(told.replace(reservation_id_of(told), str(uuid4()).encode()))
    assert books.complaint(tally) is not None


def reservation_id_of(body: bytes) -> bytes:
    return str(msgspec.json.decode(body)["reservation_id"]).encode()


def test_the_gateway_that_commits_nothing_starts_for_a_bench_alone() -> None:
    environment = {name: value for name, value in os.environ.items() if name != programs.BENCH_MARK}
    done = subprocess.run(
        python("-m", programs.WITHIN, "gateway"),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "only a bench" in done.stderr


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    program = Program("broken", python("-c", "print('no such thing'); exit(3)"), {0}, lambda: False)
    with pytest.raises(DoesNotStart, match="no such thing"), running(program, tmp_path):
        pass


@pytest.mark.parametrize(("connections", "rows", "buckets"), [(4, 1, 1), (2, 16, 2)])
def test_sql_alone_counts_what_it_has_committed(
    stores: Stores, connections: int, rows: int, buckets: int
) -> None:
    """Both sides of the books: what was told is taken from the buckets and written as reservations."""
    sale_id = f"bench-{uuid4().hex[:12]}"
    _stock_buckets(stores, sale_id, buckets)
    done = subprocess.run(
        python(
            "-m",
            "loadtests.bench.baselines.ledgers",
            sale_id,
            "thing",
            *map(str, (connections, rows, buckets, 0.2)),
        ),
        cwd=ROOT,
        env={**os.environ, **stores.environment},
        capture_output=True,
        check=True,
    )
    told = msgspec.json.decode(done.stdout)
    sold = stores.ask(lambda connection: ledger(connection, sale_id, "thing", []))
    assert 0 < told["rows"] == sold.taken == sold.reserved
    assert told["rows"] % rows == 0


def _stock_buckets(stores: Stores, sale_id: str, buckets: int) -> None:
    async def insert(connection: asyncpg.Connection) -> None:
        await connection.executemany(
            "INSERT INTO flashsale.buckets (sale_id, sku, bucket, total) VALUES ($1, 'thing', $2, 1000000)",
            [(sale_id, bucket) for bucket in range(buckets)],
        )

    stores.ask(insert)
