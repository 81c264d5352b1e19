"""Shoppers of one trial: they speak the public contract, never buy twice, and write down what they were told."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from kit.clock import Clock
from ops.faults.house.door import AGAIN_SECONDS, PATIENCE_SECONDS_MAX, Answer, Door
from ops.invariants.history import Told


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


def _given(answer: Answer, name: str) -> str:
    value = answer.get(name)
    if not answer.ok or not isinstance(value, str):
        raise Stuck(f"{name}: {answer.status} {answer.code}")
    return value
