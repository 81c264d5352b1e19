"""A small stand-in for the public contract, so that the crowd's manners can be tested without the system.

It keeps everything in dictionaries, believes only tokens of its own, and misbehaves where a test says so.
"""

import json
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from aiohttp import web

Route = Callable[[web.Request], Awaitable[web.StreamResponse]]
SALE = "stub-sale"
SKU = "lamp"


class Problem(Exception):
    def __init__(self, status: int, code: str, retry_after: int | None = None) -> None:
        self.status, self.code, self.retry_after = status, code, retry_after


class StubGateway:
    """State and routes. `faults` is asked before each route and may raise or answer instead of it."""

    def __init__(self, *, stock: int = 20, hold_seconds: float = 60.0, regrants: bool = True) -> None:
        self.stock, self.hold_seconds, self.regrants = stock, hold_seconds, regrants
        self.opens_at = datetime.now(UTC) - timedelta(seconds=1)
        self.users: dict[str, str] = {}
        self.tickets: dict[str, tuple[str, int]] = {}
        self.ticket_of: dict[str, str] = {}
        self.admissions: dict[str, str] = {}
        self.reservations: dict[str, dict[str, Any]] = {}
        self.by_key: dict[tuple[str, str], str] = {}
        self.calls: Counter[str] = Counter()
        self.webhooks: list[dict[str, Any]] = []
        self.faults: Callable[[str, web.Request], Awaitable[web.StreamResponse | None]] | None = None
        self.moves = True  # whether the frontier does
        self.origin = ""

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._problems])
        app.add_routes(
            [
                web.get(f"/v1/sales/{SALE}", self.sale),
                web.get(f"/v1/sales/{SALE}/queue", self.queue),
                web.post("/v1/local/sign-in", self.sign_in),
                web.post("/v1/sales/{sale}/tickets", self.join),
                web.post("/v1/sales/{sale}/admissions", self.admit),
                web.post("/v1/sales/{sale}/reservations", self.reserve),
                web.get("/v1/reservations/{id}", self.reservation),
                web.delete("/v1/reservations/{id}", self.release),
                web.post("/v1/reservations/{id}/payment", self.payment),
                web.post("/v1/webhooks/payments", self.webhook),
                web.get("/v1/me/rewards", self.rewards),
                web.get("/v1/me/reservations", self.my_reservations),
                web.get("/v1/me/events", self.events),
                web.post("/pay/{id}", self.pay),
            ]
        )
        return app

    @web.middleware
    async def _problems(self, request: web.Request, handler: Route) -> web.StreamResponse:
        name = getattr(request.match_info.handler, "__name__", "other")
        self.calls[name] += 1
        try:
            if self.faults is not None:
                instead = await self.faults(name, request)
                if instead is not None:
                    return instead
            return await handler(request)
        except Problem as problem:
            headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
            return web.json_response({"code": problem.code}, status=problem.status, headers=headers)
        except web.HTTPException as refused:
            return web.json_response({"code": "http"}, status=refused.status)

    async def _body(self, request: web.Request, **kinds: type) -> dict[str, Any]:
        raw = await request.read()
        if len(raw) > 16_384:
            raise Problem(413, "body_too_large")
        try:
            body = json.loads(raw, parse_constant=float)
        except ValueError:
            raise Problem(400, "malformed") from None
        shape = {name: type(value) for name, value in body.items()} if isinstance(body, dict) else {}
        if shape not in (kinds, {**kinds, "phone": str}):
            raise Problem(422, "invalid_request")
        return body

    def _user(self, request: web.Request) -> str:
        user = self.users.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            raise Problem(401, "token_invalid")
        return user

    def _mine(self, request: web.Request) -> dict[str, Any]:
        found = self.reservations.get(request.match_info["id"])
        if found is None or found["user"] != self._user(request):
            raise Problem(404, "reservation_unknown")
        if found["state"] == "held" and datetime.fromisoformat(found["expires_at"]) < datetime.now(UTC):
            self._end(found, "expired")
        return found

    def _sale(self, request: web.Request) -> None:
        if request.match_info["sale"] != SALE:
            raise Problem(404, "sale_unknown")

    def _end(self, found: dict[str, Any], state: str) -> None:
        found["state"] = state
        self.stock += found["quantity"]

    async def sale(self, _request: web.Request) -> web.Response:
        closes_at = self.opens_at + timedelta(hours=1)
        return web.json_response(
            {
                "sale_id": SALE,
                "opens_at": self.opens_at.isoformat(),
                "closes_at": closes_at.isoformat(),
                "items": [{"sku": SKU, "per_user_limit": 1}],
            }
        )

    async def queue(self, request: web.Request) -> web.Response:
        state = "open" if self.stock else "sold_out"
        etag = f'"{state}-{len(self.tickets)}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        return web.json_response(
            {
                "state": state,
                "frontier": len(self.tickets) if self.moves else 0,
                "stock": {SKU: "some" if self.stock else "none"},
                "next_poll_seconds": 0.05,
                "server_time": datetime.now(UTC).isoformat(),
            },
            headers={"Cache-Control": "public, max-age=0", "ETag": etag},
        )

    async def sign_in(self, request: web.Request) -> web.Response:
        body = await self._body(request, user_id=str, phone=str)
        head, claims = ({"alg": "HS256"}, {"sub": body["user_id"], "exp": 4_000_000_000})
        parts = [urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (head, claims)]
        token = ".".join([*parts, uuid4().hex])
        self.users[token] = body["user_id"]
        return web.json_response({"token": token})

    async def join(self, request: web.Request) -> web.Response:
        self._sale(request)
        user = self._user(request)
        if user in self.ticket_of:
            ticket = self.ticket_of[user]
            return web.json_response({"ticket": ticket, "position": self.tickets[ticket][1]})
        ticket, position = f"t.{uuid4().hex}.s", len(self.tickets)
        self.tickets[ticket], self.ticket_of[user] = (user, position), ticket
        return web.json_response({"ticket": ticket, "position": position}, status=201)

    async def admit(self, request: web.Request) -> web.Response:
        self._sale(request)
        user = self._user(request)
        body = await self._body(request, ticket=str)
        if self.tickets.get(body["ticket"], ("", 0))[0] != user:
            raise Problem(403, "ticket_invalid")
        admission = f"a.{uuid4().hex}.s"
        self.admissions[admission] = user
        return web.json_response({"admission": admission, "expires_at": "2100-01-01T00:00:00Z"}, status=201)

    async def reserve(self, request: web.Request) -> web.Response:
        self._sale(request)
        user = self.admissions.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            raise Problem(401, "admission_invalid")
        key = request.headers.get("Idempotency-Key", "").strip()
        if not 1 <= len(key) <= 64:
            raise Problem(400, "key_missing")
        body = await self._body(request, sku=str, quantity=int)
        if body["sku"] != SKU or not 1 <= body["quantity"] <= 9:
            raise Problem(422, "invalid_request")
        if (user, key) in self.by_key:
            return web.json_response(self.reservations[self.by_key[user, key]], status=201)
        self._take(user, body["quantity"])
        return web.json_response(self._new(user, key, body["quantity"], "held"), status=201)

    def _take(self, user: str, quantity: int) -> None:
        if any(
            one["user"] == user and one["state"] in {"held", "confirmed"}
            for one in self.reservations.values()
        ):
            raise Problem(409, "limit_reached")
        if self.stock < quantity:
            raise Problem(409, "sold_out")
        self.stock -= quantity

    def _new(self, user: str, key: str, quantity: int, state: str) -> dict[str, Any]:
        expires_at = datetime.now(UTC) + timedelta(seconds=self.hold_seconds)
        made = {
            "reservation_id": str(uuid4()),
            "sale_id": SALE,
            "sku": SKU,
            "user": user,
            "quantity": quantity,
            "state": state,
            "expires_at": expires_at.isoformat(),
        }
        self.by_key[user, key] = made["reservation_id"]
        self.reservations[made["reservation_id"]] = made
        return made

    async def reservation(self, request: web.Request) -> web.Response:
        return web.json_response(self._mine(request))

    async def release(self, request: web.Request) -> web.Response:
        found = self._mine(request)
        if found["state"] != "held":
            raise Problem(409, "hold_ended")
        self._end(found, "released")
        return web.json_response(found)

    async def payment(self, request: web.Request) -> web.Response:
        found = self._mine(request)
        found.setdefault("payments", 1)
        return web.json_response(
            {
                "payment_id": f"{found['reservation_id']}/{found['payments']}",
                "pay_url": f"{self.origin}/pay/{found['reservation_id']}",
            },
            status=201,
        )

    async def pay(self, request: web.Request) -> web.Response:
        wish = await request.json()
        self.webhooks.append(wish)
        found = self.reservations[request.match_info["id"]]
        if wish["outcome"] == "refuse":
            found["payments"] = found.get("payments", 1) + 1
        elif found["state"] == "held" and datetime.fromisoformat(found["expires_at"]) > datetime.now(UTC):
            found["state"] = "confirmed"
        elif self.regrants:
            found["state"] = "expired"
            found["regranted_as"] = self._new(found["user"], f"again-{uuid4()}", 1, "confirmed")[
                "reservation_id"
            ]
        else:
            self._end(found, "expired")
        return web.json_response({"state": wish["outcome"]})

    async def webhook(self, _request: web.Request) -> web.Response:
        raise Problem(401, "signature_invalid")

    def _rewards_of(self, user: str) -> list[dict[str, Any]]:
        return [
            {
                "grant_id": f"g-{one['reservation_id']}",
                "reservation_id": one["reservation_id"],
                "state": "paid",
            }
            for one in self.reservations.values()
            if one["user"] == user and one["state"] == "confirmed"
        ]

    async def rewards(self, request: web.Request) -> web.Response:
        return web.json_response({"rewards": self._rewards_of(self._user(request))})

    async def my_reservations(self, request: web.Request) -> web.Response:
        user = self._user(request)
        mine = [one for one in self.reservations.values() if one["user"] == user]
        return web.json_response({"reservations": mine})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """One snapshot and goodbye: the crowd must come back for what happens later."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        snapshot = json.dumps({"rewards": self._rewards_of(self._user(request))})
        await response.write(f"id: 1\nevent: snapshot\ndata: {snapshot}\n\n".encode())
        return response
