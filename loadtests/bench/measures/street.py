"""A gateway that knows a provider, keeper and worker behind it, and the requests of one shopper after the other: what the
steps of an order are measured on.
"""

import base64
import hashlib
import hmac
import os
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import msgspec

from loadtests.bench import servers
from loadtests.bench.books import LedgerBooks
from loadtests.bench.client.once import ask
from loadtests.bench.launch import free_port, running
from loadtests.bench.requests import COMMON, get, post
from loadtests.bench.scene import Scene, Up, queue_path
from loadtests.bench.subjects import NoBooks, Subject

PROVIDER_CONNECTIONS: Final = (
    16  # who pays waits for the provider; more would only queue before its simulator
)
SETTLE_SECONDS: Final = 3.0


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
        send(pids, signal.SIGSTOP)
        return pids

    def open_payments(self, count: int) -> None:
        """So many more payments, as if the provider had been quick: its simulator is not what is measured.

        Nor is it asked for those that the bench leaves open, these and all before: that is no reward's cost.
        """
        sql = """
            INSERT INTO flashsale.payments (payment_id, reservation_id, user_id, amount_minor, currency, state)
            SELECT gen_random_uuid(), reservation_id, user_id, amount_minor, currency, 'created'
            FROM flashsale.reservations r WHERE sale_id = $1 AND state = 'held' AND NOT EXISTS
                (SELECT FROM flashsale.payments p WHERE p.reservation_id = r.reservation_id)
            LIMIT $2
        """
        put_off = "UPDATE flashsale.payments SET ask_at = now() + interval '1 day' WHERE ask_at IS NOT NULL"
        self._scene.stores.ask(lambda connection: connection.execute(sql, self.sale_id, count))
        self._scene.stores.ask(lambda connection: connection.execute(put_off))

    def subject(self, step: str) -> Subject:
        make, good, rate_guess = {
            "join": (self._joins, b"201", 20_000.0),
            "poll": (self._polls, b"200", 20_000.0),
            "admit": (self._admits, b"201", 20_000.0),
            "reserve": (self._reserves, b"201", 10_000.0),
            "pay": (self._pays, b"200", 1_000.0),
            "confirm": (self._confirms, b"200", 1_000.0),
        }[step]
        books = LedgerBooks(self._scene.stores, self.sale_id, "step") if step == "reserve" else NoBooks()
        return Subject(
            step, f"step {step}", [self.gateway.port], make, frozenset({good}),
            self._scene.pids(self.gateway, "gateway"), books,
            again=step == "poll", connections=PROVIDER_CONNECTIONS if step == "pay" else 128, rate_guess=rate_guess,
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
            self.sale_id,
            count,
        )
        return [post(f"/v1/reservations/{row[0]}/payment", self._user_token(row[1]), b"") for row in found]

    def _confirms(self, count: int) -> list[bytes]:
        # Only this sale has payments. Joined to the millions that were reserved meanwhile, this took minutes.
        found = self._read(
            "SELECT payment_id, amount_minor, currency FROM flashsale.payments WHERE state = 'created' LIMIT $1",
            count,
        )
        secret = base64.b64decode(self.environment["PROVIDER_WEBHOOK_SECRET"].removeprefix("whsec_"))
        return [success(secret, row[0], row[1], row[2]) for row in found]

    def _user_token(self, user_id: str) -> bytes:
        return self._scene.mint.user_token(user_id)

    def _read(self, sql: str, *arguments: object) -> list[Any]:
        async def read(connection: asyncpg.Connection) -> list[Any]:
            found: list[Any] = await connection.fetch(sql, *arguments)
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


def send(house: Mapping[str, int], number: signal.Signals) -> None:
    """The signal to each of them."""
    for pid in house.values():
        os.kill(pid, number)
