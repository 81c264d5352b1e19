"""What each step of an order costs, in processor seconds by who spends them: join, poll, admit, reserve, pay, confirm, reward.

A rate is that of this machine; core-seconds a step hold for any number of machines, and `loadtests.bench.scale` works
from them. The provider is not ours: what its simulator uses is not counted. In the report's facts, bytes are those of one
request and its answer on the wire above TCP, and WAL bytes those that PostgreSQL wrote meanwhile.
"""

import base64
import hashlib
import hmac
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import msgspec

from loadtests.bench import servers
from loadtests.bench.books import LedgerBooks
from loadtests.bench.client.once import ask
from loadtests.bench.cores import Meter, Usage
from loadtests.bench.launch import free_port, running
from loadtests.bench.requests import COMMON, get, post
from loadtests.bench.rows import Goal, Row, median, missing_row
from loadtests.bench.runs import WARM_SECONDS, Result, Runner
from loadtests.bench.scene import Scene, Up, queue_path
from loadtests.bench.subjects import NoBooks, Subject

STEPS: Final = ("join", "poll", "admit", "reserve", "pay", "confirm", "reward")
ROWS: Final = tuple(f"step_{step}" for step in STEPS)
UNIT: Final = "core-seconds a million"
OURS: Final = ("gateway", "redis", "postgresql", "redis-broker", "keeper", "worker")
REWARD_SECONDS_MAX: Final = 120.0
PROVIDER_CONNECTIONS: Final = (
    16  # who pays waits for the provider; more would only queue before its simulator
)
LOOK_SECONDS: Final = 0.2
SETTLE_SECONDS: Final = 3.0
PAYMENTS: Final = 20_000  # more than a bench confirms


def rows(scene: Scene, runner: Runner) -> list[Row]:
    """One row a step, in the order in which an order takes them; a later step needs what the earlier ones left."""
    if not scene.options.wants(*ROWS):
        return []
    with ExitStack() as stack:
        street = Street(scene, stack)
        made = [_request_row(step, street, scene, runner) for step in STEPS[:5]]
        # Started before there is anything to do, and paused until there is: what starting costs is no reward's.
        house = street.pause_keeper_and_worker()
        street.open_payments(PAYMENTS)
        made += [_request_row("confirm", street, scene, runner), _reward_row(house, street, scene, runner)]
    return [row for row in made if scene.options.wants(row.id)]


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds a million steps by who spends them, in one run."""

    by_who: Mapping[str, float]
    wal_bytes: float

    @property
    def total(self) -> float:
        return sum(self.by_who.values())


class Street:
    """A gateway that knows a provider, and the requests of one shopper after the other."""

    def __init__(self, scene: Scene, stack: ExitStack) -> None:
        self._scene, self._stack = scene, stack
        self.sale_id = scene.sales.steps
        port = free_port()
        self.environment = {
            **scene.environment,
            "PROVIDER_URL": f"http://127.0.0.1:{port}",
            "SIMULATOR_BOOK": str((scene.options.folder / "servers" / "provider.sqlite3").resolve()),
        }
        layout = scene.layout
        self._run(servers.simulator(port, layout.load, self.environment))
        self.gateway = self._run(servers.gateway("steps", layout.server, self.environment))
        scene.wait_for(self.gateway, self.sale_id, lambda document: document["frontier"] > 0)

    def _run(self, served: servers.Served) -> Up:
        process = self._stack.enter_context(running(served.program, self._scene.logs))
        return Up(served.port, process.pid)

    def pause_keeper_and_worker(self) -> dict[str, int]:
        """Both started and then stopped where they stand; who they are."""
        load = self._scene.layout.load
        made = {
            "keeper": servers.keeper(load, self.environment),
            "worker": servers.worker(load, self.environment),
        }
        pids = {name: self._run(served).pid for name, served in made.items()}
        time.sleep(SETTLE_SECONDS)
        for pid in pids.values():
            os.kill(pid, signal.SIGSTOP)
        return pids

    def open_payments(self, count: int) -> None:
        """So many more payments, as if the provider had been quick: its simulator is not what is measured."""
        sql = """
            INSERT INTO flashsale.payments (payment_id, reservation_id, user_id, amount_minor, currency, state)
            SELECT gen_random_uuid(), reservation_id, user_id, amount_minor, currency, 'created'
            FROM flashsale.reservations r WHERE sale_id = $1 AND state = 'held' AND NOT EXISTS
                (SELECT FROM flashsale.payments p WHERE p.reservation_id = r.reservation_id)
            LIMIT $2
        """
        self._scene.stores.ask(lambda connection: connection.execute(sql, self.sale_id, count))

    def subject(self, step: str) -> Subject:
        make, good = {
            "join": (self._joins, b"201"),
            "poll": (self._polls, b"200"),
            "admit": (self._admits, b"201"),
            "reserve": (self._reserves, b"201"),
            "pay": (self._pays, b"200"),
            "confirm": (self._confirms, b"200"),
        }[step]
        books = LedgerBooks(self._scene.stores, self.sale_id, "step") if step == "reserve" else NoBooks()
        return Subject(
            step, f"step {step}", [self.gateway.port], make, frozenset({good}),
            self._scene.pids(self.gateway, "gateway"), books,
            again=step == "poll", connections=PROVIDER_CONNECTIONS if step == "pay" else 128, rate_guess=1_000.0,
        )  # fmt: skip

    def _joins(self, count: int) -> list[bytes]:
        path = f"/v1/sales/{self.sale_id}/tickets"
        return [post(path, self._user_token(self._scene.shoppers.user()[1]), b"") for _ in range(count)]

    def _polls(self, _count: int) -> list[bytes]:
        return [get(queue_path(self.sale_id))]

    def _admits(self, count: int) -> list[bytes]:
        path, made = f"/v1/sales/{self.sale_id}/admissions", []
        for _ in range(count):
            _, user_id = self._scene.shoppers.user()
            ticket = self._scene.mint.ticket(self.sale_id, user_id, 0)
            made.append(post(path, self._user_token(user_id), b'{"ticket":"%s"}' % ticket))
        return made

    def _reserves(self, count: int) -> list[bytes]:
        return self._scene.shoppers.reservations(self.sale_id, "step", count)

    def _pays(self, count: int) -> list[bytes]:
        found = self._read(
            "SELECT reservation_id, user_id FROM flashsale.reservations r WHERE sale_id = $1 AND state = 'held' AND NOT "
            "EXISTS (SELECT FROM flashsale.payments p WHERE p.reservation_id = r.reservation_id) LIMIT $2",
            count,
        )
        return [post(f"/v1/reservations/{row[0]}/payment", self._user_token(row[1]), b"") for row in found]

    def _confirms(self, count: int) -> list[bytes]:
        found = self._read(
            "SELECT p.payment_id, p.amount_minor, p.currency FROM flashsale.payments p JOIN flashsale.reservations r "
            "USING (reservation_id) WHERE r.sale_id = $1 AND p.state = 'created' LIMIT $2",
            count,
        )
        secret = base64.b64decode(self.environment["PROVIDER_WEBHOOK_SECRET"].removeprefix("whsec_"))
        return [success(secret, row[0], row[1], row[2]) for row in found]

    def _user_token(self, user_id: str) -> bytes:
        return self._scene.mint.user_token(user_id)

    def _read(self, sql: str, count: int) -> list[Any]:
        async def read(connection: asyncpg.Connection) -> list[Any]:
            found: list[Any] = await connection.fetch(sql, self.sale_id, count)
            return found

        return self._scene.stores.ask(read)

    def undone(self) -> int:
        """Events and payouts of the sale that are still on their way."""
        return int(self._count(
            "SELECT (SELECT count(*) FROM flashsale.outbox WHERE done_at IS NULL AND payload ->> 'sale_id' = $1) + "
            "(SELECT count(*) FROM rewards.payouts o JOIN rewards.grants g USING (grant_id) "
            "WHERE g.sale_id = $1 AND o.state = 'due')"
        ))  # fmt: skip

    def paid(self) -> int:
        """Rewards that have been paid."""
        return int(self._count(
            "SELECT count(*) FROM rewards.payouts o JOIN rewards.grants g USING (grant_id) "
            "WHERE g.sale_id = $1 AND o.state = 'paid'"
        ))  # fmt: skip

    def _count(self, sql: str) -> Any:
        return self._scene.stores.ask(lambda connection: connection.fetchval(sql, self.sale_id))

    def wal_bytes(self) -> int:
        """How much PostgreSQL has written to its log since it was made."""
        sql = "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint"
        return int(self._scene.stores.ask(lambda connection: connection.fetchval(sql)))

    def sizes(self, subject: Subject) -> dict[str, int]:
        """Bytes of one request and of its answer."""
        requests = subject.make(1)
        if not requests:
            return {}
        answer = ask(self.gateway.port, requests[0])
        return {"request_bytes": len(requests[0]), "answer_bytes": len(answer.head) + 4 + len(answer.body)}


def success(secret: bytes, payment_id: object, amount_minor: int, currency: str) -> bytes:
    """The provider's notice that a payment has succeeded, signed as Standard Webhooks has it."""
    event_id, now = f"evt_{payment_id}", datetime.now(UTC)
    body = msgspec.json.encode(
        {
            "event_id": event_id, "type": "payment.succeeded", "payment_id": str(payment_id),
            "amount_minor": amount_minor, "currency": currency, "occurred_at": now,
        }
    )  # fmt: skip
    at = int(now.timestamp())
    mac = hmac.digest(secret, f"{event_id}.{at}.".encode() + body, hashlib.sha256)
    signed = f"webhook-id: {event_id}\r\nwebhook-timestamp: {at}\r\nwebhook-signature: v1,{base64.b64encode(mac).decode()}\r\n"
    return b"".join(
        (
            b"POST /v1/webhooks/payments HTTP/1.1\r\n", COMMON, signed.encode(),
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body), body,
        )
    )  # fmt: skip


def _request_row(step: str, street: Street, scene: Scene, runner: Runner) -> Row:
    """A step that is one request, saturated round by round."""
    sizes = street.sizes(street.subject(step))
    subject = street.subject(step)
    costs: list[Cost] = []
    whole = scene.options.seconds + WARM_SECONDS
    results: list[Result | None] = []
    for number in range(scene.options.rounds):
        runner.show(f"{subject.title}, round {number + 1} of {scene.options.rounds}")
        before, refused = street.wal_bytes(), len(runner.refused)
        run = runner.once(subject)
        results.append(run)
        if run is not None and run.rate and len(runner.refused) == refused:
            # What was written while it warmed up and drained is in the numerator and not in the rate: the window's share.
            written = (street.wal_bytes() - before) * run.usage.seconds / whole
            costs.append(_cost(run.usage, run.rate * run.usage.seconds, written))
    runner.results[subject.title] = results
    return _row(step, costs, sizes)


def _reward_row(house: Mapping[str, int], street: Street, scene: Scene, runner: Runner) -> Row:
    """From the first ring to the last reward of everybody who was confirmed, or as far as the bound on it lets them come."""
    runner.show("step reward: keeper and worker pay what was promised")
    pids = {**house, **scene.store_pids, "redis-broker": scene.stores.pids.get("redis-broker", 0)}
    meter = Meter(scene.layout, {name: pid for name, pid in pids.items() if pid})
    before, paid = street.wal_bytes(), street.paid()
    meter.mark()
    for pid in house.values():
        os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + REWARD_SECONDS_MAX
    while street.undone() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    meter.mark()
    rewards = street.paid() - paid
    if not rewards:
        return missing_row(
            "step_reward", _what("reward"), Goal(None, unit=UNIT), against="", why="nothing was to be paid"
        )
    return _row("reward", [_cost(meter.usage(), rewards, street.wal_bytes() - before)], {"rewards": rewards})


def _cost(usage: Usage, steps: float, wal_bytes: float) -> Cost:
    spent = {who: seconds / steps * 1e6 for who, seconds in usage.by_who.items() if who in OURS}
    return Cost(spent, wal_bytes / steps)


def _row(step: str, costs: Sequence[Cost], facts: Mapping[str, object]) -> Row:
    goal = Goal(None, unit=UNIT)
    if not costs:
        return missing_row(f"step_{step}", _what(step), goal, against="", why="no run counted")
    middle = sorted(costs, key=lambda cost: cost.total)[len(costs) // 2]
    spent = {who: round(seconds, 3) for who, seconds in middle.by_who.items()}
    told = {"core_seconds_a_million": spent, "wal_bytes": round(max(0.0, middle.wal_bytes)), **facts}
    return Row(f"step_{step}", _what(step), median([cost.total for cost in costs]), goal, facts=told)


def _what(step: str) -> str:
    return f"all of ours together, a {step}"
