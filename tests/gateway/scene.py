"""A gateway over the real rooms and stores, with a sale of its own that has just opened, asked in-process."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
from fastapi import FastAPI
from standardwebhooks.webhooks import Webhook

from flashsale.board import StockBoard
from flashsale.payments import Payments
from flashsale.reservations import Reservations
from flashsale.sales import ItemPlan, SaleBook, SalePlan, apply_sale
from flashsale.settings import FlashsaleSettings
from flashsale.upkeep import StockRepair
from gateway.app import create_app
from gateway.live import LiveRoom
from gateway.overload.gate import Gate
from gateway.overload.settings import OverloadSettings
from gateway.parts import Parts, running
from gateway.settings import GatewaySettings
from kit.clock import SystemClock
from kit.doorbell import Doorbells
from kit.embedded.ports import free_port
from kit.identity import Identities, IdentitySettings
from kit.outgoing import Answer, Unanswered
from kit.postgres import Postgres
from kit.provider import ProviderClient, ProviderSettings
from kit.redis import RedisRoles, connect
from kit.settings import PostgresSettings, RedisSettings
from kit.signing import Keyring
from queueing.rooms import RoomPlan, open_room
from queueing.service import RoomBoard, WaitingRoom
from queueing.settings import QueueingSettings
from queueing.upkeep import advance, load_rooms
from rewards.grants import RulePlan, apply_rules
from rewards.payouts import Payouts
from rewards.settings import RewardsSettings
from tests.kit.outgoing import Asked, ToldClient

SKU = "headphones"
SECRET = "whsec_" + base64.b64encode(b"w" * 32).decode()
IDENTITY = IdentitySettings(keys="i1:" + "i" * 32)
QUEUEING = QueueingSettings(keys="q1:" + "q" * 32)
TEXTS = {
    "zh-CN": {"title": "耳机", "rules": "每人限购两件"},
    "en": {"title": "Headphones", "rules": "Two each"},
}


@dataclass
class Provider:
    """The provider's side of a call, as far as the gateway can tell; `down` makes it vanish."""

    down: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)

    def client(self) -> ProviderClient:
        client = ProviderClient(ProviderSettings(url="http://provider.test", api_key="k"))
        client._http = ToldClient(self._answer)
        return client

    def _answer(self, asked: Asked) -> Answer:
        if self.down:
            raise Unanswered("down")
        body = msgspec.json.decode(asked.body)
        self.calls.append(body)
        page = f"http://provider.test/pay/{body['payment_id']}"
        return Answer(200, msgspec.json.encode({**body, "pay_url": page, "state": "created"}))


def sale_plan(sale_id: str, *, total: int = 5, price_minor: int = 1999, **window: datetime) -> SalePlan:
    now = datetime.now(UTC)
    return SalePlan(
        sale_id=sale_id,
        campaign_id="double11",
        opens_at=window.get("opens_at", now - timedelta(minutes=1)),
        closes_at=window.get("closes_at", now + timedelta(hours=1)),
        hold_seconds=60,
        currency="CNY",
        texts=TEXTS,
        shown_rules={"rate_per_second": 1000, "rewards": []},
        items=(ItemPlan(SKU, price_minor, total, 2, TEXTS),),
    )


@asynccontextmanager
async def parts_of(
    postgres: Postgres, redis: RedisRoles, provider: Provider, settings: GatewaySettings
) -> AsyncIterator[Parts]:
    """The parts of one gateway process."""
    clock, bounds = SystemClock(), FlashsaleSettings()
    book, rooms, doorbells = SaleBook(), RoomBoard(redis.queue, clock, QUEUEING), Doorbells(redis.queue)
    keyring = Keyring.parse(QUEUEING.keys, variable="QUEUEING_KEYS")
    client = provider.client()
    yield Parts(
        settings=settings,
        clock=clock,
        identities=Identities(IDENTITY, clock),
        postgres=postgres,
        stock=redis.stock,
        book=book,
        rooms=rooms,
        stock_board=StockBoard(),
        waiting_room=WaitingRoom(redis.queue, rooms, keyring, clock, QUEUEING),
        reservations=Reservations(postgres, redis.stock, redis.queue, book, clock, bounds),
        payments=Payments(postgres, client, redis.queue, bounds, stock=redis.stock),
        payouts=Payouts(postgres, client, redis.queue, RewardsSettings()),
        doorbells=doorbells,
        live=LiveRoom(postgres, doorbells, settings),
        webhook_secret=SECRET,
        # A busy machine must not decide what a test sees.
        gate=Gate(OverloadSettings(lag_seconds_max=5)),
    )
    await client.close()


@dataclass
class Scene:
    """One gateway, and what its keeper would have done."""

    parts: Parts
    app: FastAPI
    http: httpx.AsyncClient
    redis: RedisRoles
    provider: Provider
    sale_id: str

    @property
    def path(self) -> str:
        return f"/v1/sales/{self.sale_id}"

    async def open_sale(self, **plan: Any) -> None:
        """Applies the sale, its room and its reward, loads Redis, and lets everybody in who comes."""
        sale = sale_plan(self.sale_id, **plan)
        rule = RulePlan("points", "points", 100, "PTS", None, None, 1_000_000)
        async with self.parts.postgres.unit_of_work() as session:
            await apply_sale(session, sale)
            await open_room(session, RoomPlan(self.sale_id, sale.opens_at, sale.closes_at, 1000))
            await apply_rules(session, self.sale_id, [rule])
        await load_rooms(self.parts.postgres, self.redis.queue)
        await StockRepair(self.parts.postgres, self.redis.stock, FlashsaleSettings()).run_once()
        await self.refresh()

    async def refresh(self) -> None:
        """Every view, now."""
        await self.parts.book.refresh(self.parts.postgres)
        await self.parts.rooms.refresh()
        await self.parts.stock_board.refresh(self.redis.stock, self.parts.book)

    async def let_in(self) -> None:
        """Moves the frontier past everybody who has joined."""
        for _ in range(50):
            await advance(self.redis.queue, [self.sale_id], fence=1)
            await self.parts.rooms.refresh()
            view = self.parts.rooms.view(self.sale_id)
            if view.frontier >= view.issued:
                return
        raise AssertionError("the frontier did not move")

    @asynccontextmanager
    async def queue_away(self) -> AsyncIterator[None]:
        """The queue's Redis is away for joining and for the view of the rooms."""
        settings = RedisSettings(redis_connect_seconds=0.5)
        away = connect(f"redis://127.0.0.1:{free_port()}/0", settings, purpose="queue")
        keyring = Keyring.parse(QUEUEING.keys, variable="QUEUEING_KEYS")
        room = WaitingRoom(away, self.parts.rooms, keyring, self.parts.clock, QUEUEING)
        object.__setattr__(self.parts, "waiting_room", room)
        self.parts.rooms._queue = away
        await self.parts.rooms.refresh()
        yield
        await away.aclose()

    @asynccontextmanager
    async def postgres_away(self) -> AsyncIterator[None]:
        """PostgreSQL is away for whatever the routes ask of it."""
        away = Postgres(PostgresSettings(database_url=f"postgresql://me@127.0.0.1:{free_port()}/none"))
        object.__setattr__(self.parts, "postgres", away)
        self.parts.live._postgres = away
        yield
        await away.close()

    def signed_in(self, user_id: str, **issue: Any) -> dict[str, str]:
        token = self.parts.identities.issue(self.user(user_id), **issue)
        return {"Authorization": f"Bearer {token}"}

    def user(self, name: str) -> str:
        """A user no other test has."""
        return f"{name}.{self.sale_id}"

    async def ticket(self, user_id: str) -> str:
        answer = await self.http.post(f"{self.path}/tickets", headers=self.signed_in(user_id))
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["ticket"])

    async def admission(self, user_id: str) -> str:
        ticket = await self.ticket(user_id)
        await self.let_in()
        answer = await self.http.post(
            f"{self.path}/admissions", headers=self.signed_in(user_id), json={"ticket": ticket}
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["admission"])

    async def reserve(self, admission: str, *, key: str | None = None, **wish: Any) -> httpx.Response:
        return await self.http.post(
            f"{self.path}/reservations",
            headers={"Authorization": f"Bearer {admission}", "Idempotency-Key": key or uuid4().hex},
            json={"sku": SKU, "quantity": 1, **wish},
        )

    async def hold(self, user_id: str) -> dict[str, Any]:
        answer = await self.reserve(await self.admission(user_id))
        assert answer.status_code == 201, answer.text
        reservation: dict[str, Any] = answer.json()
        return reservation

    async def pay(self, user_id: str, reservation: dict[str, Any]) -> httpx.Response:
        """Opens the payment and brings the provider's notice that it succeeded."""
        opened = await self.http.post(
            f"/v1/reservations/{reservation['reservation_id']}/payment", headers=self.signed_in(user_id)
        )
        assert opened.status_code == 200, opened.text
        handle = opened.json()
        return await self.notify("payments", payment_notice(handle["payment_id"], handle["amount_minor"]))

    async def notify(self, kind: str, notice: dict[str, Any], **headers: str) -> httpx.Response:
        body = msgspec.json.encode(notice)
        return await self.http.post(
            f"/v1/webhooks/{kind}", content=body, headers={**webhook_headers(body), **headers}
        )


def payment_notice(payment_id: str | UUID, amount_minor: int, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": uuid4().hex,
        "type": "payment.succeeded",
        "payment_id": str(payment_id),
        "amount_minor": amount_minor,
        "currency": "CNY",
        "occurred_at": datetime.now(UTC).isoformat(),
        **changes,
    }


def webhook_headers(body: bytes, *, at: datetime | None = None, secret: str = SECRET) -> dict[str, str]:
    """The headers of Standard Webhooks for `body`."""
    at, event = at or datetime.now(UTC), f"msg_{uuid4().hex}"
    return {
        "content-type": "application/json",
        "webhook-id": event,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(event, at, body.decode()),
    }


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is this problem, in problem form; its document."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), (
        answer.status_code,
        answer.text,
    )
    problem: dict[str, Any] = answer.json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["type"] == f"urn:floodgate:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    assert "?" not in problem["detail"], "a fact that the text names is missing"
    return problem


@asynccontextmanager
async def opened_scene(
    postgres: Postgres, redis: RedisRoles, sale_id: str, **settings: Any
) -> AsyncIterator[Scene]:
    """A running gateway, without any sale yet."""
    provider = Provider()
    chosen = GatewaySettings(**{"local_issuer": True, **settings})
    async with parts_of(postgres, redis, provider, chosen) as parts:
        app = create_app(parts)
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with (
            running(parts),
            httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as http,
        ):
            yield Scene(parts, app, http, redis, provider, sale_id)
