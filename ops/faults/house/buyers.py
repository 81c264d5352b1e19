"""Shoppers of one trial: they speak the public contract, never buy twice, and write down what they were told."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final, Self

import aiohttp
import msgspec

from kit.clock import Clock
from ops.faults.house.house import GATEWAYS, House
from ops.invariants.history import Told

ANSWER_SECONDS_MAX: Final = 10.0  # the gateway's own deadline is nine
PATIENCE_SECONDS_MAX: Final = 25.0  # a shopper asks again under the same key for so long
AGAIN_SECONDS: Final = 0.1  # between tries where the answer does not say when; a person would wait longer
CONNECTIONS_MAX: Final = 256
NO_ANSWER: Final = 0


@dataclass(slots=True)
class Answer:
    """What came back; status 0 when nothing did. `asked_at`: epoch seconds of the first try."""

    status: int
    body: Any = None
    retry_after_seconds: float | None = None
    asked_at: float = 0.0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str | None:
        code = self.get("code")
        return code if isinstance(code, str) else None

    @property
    def put_off(self) -> bool:
        """Whether a good app asks again with the same key."""
        return self.status in {NO_ANSWER, 429} or self.status >= 500 or self.code == "in_progress"

    def get(self, name: str) -> Any:
        return self.body.get(name) if isinstance(self.body, dict) else None


class Door:
    """The way to the gateways, as a balancer would have it: who is ready gets the next request."""

    def __init__(self, house: House, clock: Clock) -> None:
        self._house, self._clock = house, clock
        self._session: aiohttp.ClientSession | None = None
        self._turn = count()
        self.open = ["gateway"]  # the names of those that get requests
        self.answers: Counter[str] = Counter()  # by status, of every try

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def once(
        self, method: str, path: str, *, bearer: str = "", body: Any = None, at: str = "", **headers: str
    ) -> Answer:
        """One try, at the gateway `at` or the next in turn. Header names have _ for -."""
        assert self._session is not None
        name = at or (self.open[next(self._turn) % len(self.open)] if self.open else GATEWAYS[0])
        url = path if path.startswith("http") else f"{self._house.gateway_url(name)}{path}"
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if bearer:
            sent["Authorization"] = f"Bearer {bearer}"
        asked_at = self._clock.seconds()
        try:
            async with self._session.request(method, url, data=_packed(body, sent), headers=sent) as response:
                raw = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.answers[type(error).__name__] += 1
            return Answer(NO_ANSWER, asked_at=asked_at)
        self.answers[str(response.status)] += 1
        after = response.headers.get("Retry-After")
        return Answer(response.status, _parsed(raw), float(after) if after else None, asked_at)

    async def send(self, method: str, path: str, **request: Any) -> Answer:
        """Tries until the answer is final or patience is over; the last answer."""
        asked_at, ends = self._clock.seconds(), time.monotonic() + PATIENCE_SECONDS_MAX
        while True:
            answer = await self.once(method, path, **request)
            answer.asked_at = asked_at
            if not answer.put_off or time.monotonic() > ends:
                return answer
            await asyncio.sleep(min(answer.retry_after_seconds or AGAIN_SECONDS, 1.0))

    async def watch(self, *names: str) -> None:
        """Keeps `open` what the probes of `names` say, until cancelled."""
        while True:
            ready = [name for name in names if await asyncio.to_thread(self._house.ready, name)]
            self.open = ready or self.open
            await asyncio.sleep(AGAIN_SECONDS)


class Diary:
    """What shoppers were told, a line each, in the form in which the judge reads it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path, self._clock = path, clock
        self._file = path.open("wb", buffering=0)

    def write(self, user: str, what: str, answer: Answer, **facts: Any) -> None:
        told = Told(
            at=round(self._clock.seconds(), 3),
            user=user,
            what=what,
            status=answer.status,
            asked_at=answer.asked_at or None,
            **facts,
        )
        self._file.write(msgspec.json.encode(told) + b"\n")

    def close(self) -> None:
        self._file.close()


@dataclass(slots=True)
class Buyer:
    """One shopper at one sale."""

    door: Door
    diary: Diary
    dice: Random
    sale_id: str
    sku: str
    user_id: str
    token: str = ""
    ticket: str = ""
    position: int = -1
    admission: str = ""
    held: list[str] = field(default_factory=list)  # reservations that were acknowledged

    @property
    def path(self) -> str:
        return f"/v1/sales/{self.sale_id}"

    def told(self, what: str, answer: Answer, **facts: Any) -> None:
        self.diary.write(self.user_id, what, answer, **facts)

    async def sign_in(self) -> None:
        answer = await self.door.send("POST", "/v1/local/sign-in", body={"user_id": self.user_id})
        self.token = _given(answer, "token")

    async def join(self) -> Answer:
        """A place in line; a refusal is the answer."""
        answer = await self.door.send("POST", f"{self.path}/tickets", bearer=self.token)
        if answer.ok:
            self.ticket, self.position = _given(answer, "ticket"), answer.get("position")
            self.told("joined", answer, position=self.position)
        return answer

    async def ask_in(self) -> Answer:
        """The ticket for an admission, once; not in turn is an answer."""
        answer = await self.door.send(
            "POST", f"{self.path}/admissions", bearer=self.token, body={"ticket": self.ticket}
        )
        if answer.ok:
            self.admission = _given(answer, "admission")
            self.told("admitted", answer, position=self.position)
        elif answer.code == "not_your_turn":
            self.told("refused", answer, code=answer.code, position=self.position)
        return answer

    async def come_in(self) -> None:
        """Waits in line until admitted. Raises `Stuck`."""
        await self.sign_in()
        if not self.ticket:
            await self.join()
        ends = time.monotonic() + PATIENCE_SECONDS_MAX
        while not (answer := await self.ask_in()).ok:
            if answer.code != "not_your_turn" or time.monotonic() > ends:
                raise Stuck(f"admissions: {answer.status} {answer.code}")
            await asyncio.sleep(AGAIN_SECONDS)

    async def reserve(self, key: str = "", *, quantity: int = 1) -> Answer:
        """One wish under one key, asked again until the answer is final."""
        key = key or self.new_key()
        answer = await self.door.send(
            "POST",
            f"{self.path}/reservations",
            bearer=self.admission,
            body={"sku": self.sku, "quantity": quantity},
            Idempotency_Key=key,
        )
        if answer.ok:
            self.note_held(answer, key, quantity)
        else:
            self.told("refused", answer, code=answer.code, sku=self.sku, quantity=quantity)
        return answer

    def note_held(self, answer: Answer, key: str, quantity: int = 1) -> None:
        reservation_id = str(answer.get("reservation_id"))
        if reservation_id not in self.held:
            self.held.append(reservation_id)
        self.told(
            "reserved",
            answer,
            reservation_id=reservation_id,
            sku=self.sku,
            quantity=quantity,
            position=self.position,
            key=key,
        )

    async def pay(self, *, copies: int | None = None) -> None:
        """Opens the payment of every hold and pays it at the provider's page. Raises `Stuck`."""
        for reservation_id in self.held:
            handle = await self.door.send(
                "POST", f"/v1/reservations/{reservation_id}/payment", bearer=self.token
            )
            paid = await self.door.send(
                "POST", _given(handle, "pay_url"), body={"outcome": "succeed", "webhook_copies": copies}
            )
            if not paid.ok:
                raise Stuck(f"pay: {paid.status}")
            self.told("paid", paid, reservation_id=reservation_id)

    async def release(self) -> None:
        """Gives every hold back."""
        for reservation_id in self.held:
            answer = await self.door.send("DELETE", f"/v1/reservations/{reservation_id}", bearer=self.token)
            if answer.ok:
                self.told("released", answer, reservation_id=reservation_id, sku=self.sku)
        self.held.clear()

    async def look_back(self) -> None:
        """Asks what has become of it all, and writes it down."""
        for reservation_id in self.held:
            answer = await self.door.send("GET", f"/v1/reservations/{reservation_id}", bearer=self.token)
            if answer.get("state") == "confirmed":
                self.told("confirmed", answer, reservation_id=reservation_id, sku=self.sku)
        if not self.held:
            return
        answer = await self.door.send("GET", "/v1/me/rewards", bearer=self.token)
        for reward in answer.get("rewards") or ():
            if reward.get("state") == "paid":
                self.told("rewarded", answer, reservation_id=reward.get("reservation_id"), reward=reward)

    def new_key(self) -> str:
        return f"{self.dice.getrandbits(128):032x}"


class Stuck(Exception):
    """A shopper was given up on by the system: what should have been answered was not."""


def _packed(body: Any, headers: dict[str, str]) -> bytes | None:
    """Bytes go as they are, for they may be signed; whatever else as JSON."""
    if body is None:
        return None
    headers.setdefault("Content-Type", "application/json")
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def _given(answer: Answer, name: str) -> str:
    value = answer.get(name)
    if not answer.ok or not isinstance(value, str):
        raise Stuck(f"{name}: {answer.status} {answer.code}")
    return value


def _parsed(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:
        return None
