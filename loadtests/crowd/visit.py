"""One shopper's visit up to the door: signing in, a place in line, an admission. Everything told goes into the history."""

import asyncio
import time
from typing import Any, Final
from urllib.parse import quote

from loadtests.crowd.board import Document, Seen
from loadtests.crowd.history import What
from loadtests.crowd.personas import Exit, Persona, Shopper
from loadtests.crowd.scene import Scene
from loadtests.crowd.wire import Answer, Request

ADMIT_TRIES_MAX: Final = (
    20  # the document a shopper saw may be a second or two ahead of the process that answers
)
REFRESHES_MAX: Final = 8  # then even a refresher puts the phone down and lets the page wait
REFRESH_SECONDS_MIN: Final = 1.5
STAYERS_LOOK_SECONDS: Final = 2.0
# Who goes in the middle (a card, a network that fails) leaves a hold that ends later; nobody waits for a longer one.
HOLD_SECONDS_AWAITED_MAX: Final = 30.0


class Over(Exception):
    """The visit ends here, with this outcome."""

    def __init__(self, outcome: str) -> None:
        self.outcome = outcome
        super().__init__(outcome)


class Visit:
    """A shopper at the gateway. Methods raise `Over` when the shopper has nothing left to do here."""

    def __init__(self, scene: Scene, shopper: Shopper) -> None:
        self.scene = scene
        self.shopper = shopper
        self.path = f"/v1/sales/{quote(scene.sale.sale_id, safe='')}"
        self.token = ""
        self.ticket = ""
        self.position = -1
        self.admission = ""
        self.admission_expires_at: str | None = None
        self._settled = shopper.stays  # who stays gives nothing back until it holds something
        self._holds: dict[str, float] = {}

    async def send(
        self,
        stage: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        bearer: str | None = None,
        **headers: str,
    ) -> Answer:
        """A request in this shopper's name; `bearer` replaces the user token. Header names have _ for -."""
        return await self.scene.wire.send(
            Request(
                stage,
                method,
                path,
                bearer=self.token if bearer is None else bearer,
                body=body,
                headers={name.replace("_", "-"): value for name, value in headers.items()},
            )
        )

    def told(self, what: What, answer: Answer | None, **facts: Any) -> None:
        """Writes down what this shopper was told; without an answer, what it did."""
        self.scene.figures.told[what] += 1
        status, asked_at = (answer.status, answer.asked_at) if answer is not None else (0, None)
        self.scene.history.write(
            self.shopper.user_id, self.shopper.persona, what, status, asked_at=asked_at, **facts
        )

    def fault(self, what: str, answer: Answer, **facts: Any) -> None:
        """Writes down what should not have happened."""
        self.scene.figures.errors[what] += 1
        self.told("error", answer, code=what, **facts)

    def turned_away(self, stage: str, answer: Answer, **facts: Any) -> Over:
        """The end of a visit by a final refusal; one without a code of the contract is a fault."""
        if 400 <= answer.status < 500 and answer.code is not None:
            self.told("refused", answer, code=answer.code, **facts)
            return Over(answer.code)
        self.fault(f"{stage} {answer.status or 'no answer'}", answer, **facts)
        return Over("failed")

    def settle(self) -> None:
        """Says, once, that this shopper can give no unit back any more, but for a hold that still has to end."""
        if not self._settled:
            self._settled = True
            left = [until - self.scene.server_now() for until in self._holds.values()]
            awaited = [seconds for seconds in left if 0 < seconds <= HOLD_SECONDS_AWAITED_MAX]
            self.scene.settle(returns_in_seconds=max(awaited, default=0.0))

    def holds(self, reservation_id: str, until: float) -> None:
        """Says that this shopper holds something until then (epoch seconds), and may have to give it back."""
        self._holds[reservation_id] = until
        if self._settled:
            self._settled = False
            self.scene.unsettle()

    def held(self, reservation_id: str) -> None:
        """Says that a hold has ended: bought, given back or run out."""
        self._holds.pop(reservation_id, None)

    def leave_if(self, here: Exit) -> None:
        if self.shopper.exit_after is here:
            self.told("left", None, code=here)
            raise Over("left")

    async def sign_in(self) -> None:
        answer = await self.send(
            "sign_in",
            "POST",
            "/v1/local/sign-in",
            body={"user_id": self.shopper.user_id, "phone": self.shopper.phone},
        )
        if not answer.ok or not isinstance(answer.get("token"), str):
            raise self.turned_away("sign_in", answer)
        self.token = answer.get("token")

    async def join(self, planned_at: float | None = None) -> None:
        """A place in line; asked again it must be the same one. Timed from the planned arrival where that is given."""
        answer = await self.send("join", "POST", f"{self.path}/tickets")
        ticket, position = answer.get("ticket"), answer.get("position")
        if not answer.ok or not isinstance(ticket, str) or not isinstance(position, int):
            raise self.turned_away("join", answer)
        if self.position not in (-1, position):
            self.fault("place_changed", answer, position=position)
        self.ticket, self.position = ticket, position
        self.scene.known_tickets.append((self.shopper.user_id, ticket))
        self.told("joined", answer, position=position)
        if planned_at is not None:
            self.scene.figures.from_plan["join"].note(planned_at, time.monotonic())

    async def wait_turn(self) -> None:
        """Waits for the frontier, beside the board or, for refreshers, by asking again and again."""
        if self.shopper.persona is Persona.REFRESHER and await self._refresh():
            return
        seen = await self._turn()
        if seen is not Seen.TURN:
            self.told("left", None, code=f"saw_{seen.value}", position=self.position)
            raise Over("sale_over" if seen is Seen.ENDED else "sold_out")
        # Each phone polls on its own beat, so not all notice their turn at the same instant.
        await asyncio.sleep(self.scene.dice.uniform(0.0, self.scene.board.document.next_poll_seconds))

    async def _turn(self) -> Seen:
        while True:
            try:
                async with asyncio.timeout(STAYERS_LOOK_SECONDS if self.shopper.stays else None):
                    return await self.scene.board.turn(self.position, stays=self.shopper.stays)
            except TimeoutError:
                # Who stays through "sold out" goes when nobody is left who could give something back.
                if self.scene.board.document.state == "sold_out" and not self.scene.stock_may_return():
                    return Seen.SOLD_OUT

    async def _refresh(self) -> bool:
        """Reloads document and place; whether the turn came meanwhile."""
        etag: str | None = None
        for number in range(REFRESHES_MAX):
            answer = await self.scene.board.fetch(etag, stage="refresh")
            if answer.status == 200:
                etag = answer.headers.get("ETag")
                document = Document.parse(answer.body)
                if self.position < document.frontier and document.state == "open":
                    return True
                if document.state in {"sold_out", "ended"}:
                    return False
            if number % 3 == 2:
                await self.join()
            await asyncio.sleep(self.scene.dice.uniform(REFRESH_SECONDS_MIN, 3 * REFRESH_SECONDS_MIN))
        return False

    async def admit(self) -> None:
        """Changes the ticket for an admission; when it is not yet the turn, waits as long as the answer says."""
        for _ in range(ADMIT_TRIES_MAX):
            answer = await self.send("admit", "POST", f"{self.path}/admissions", body={"ticket": self.ticket})
            if answer.code != "not_your_turn":
                break
            self.told("refused", answer, code=answer.code, position=self.position)
            await asyncio.sleep((answer.retry_after_seconds or 1.0) + self.scene.dice.uniform(0.0, 0.3))
        if not answer.ok or not isinstance(answer.get("admission"), str):
            raise self.turned_away("admit", answer, position=self.position)
        self.admission, self.admission_expires_at = answer.get("admission"), answer.get("expires_at")
        if (
            self.shopper.persona is not Persona.FORGER
        ):  # a forger's lines tell of forgeries; this was given honestly
            self.told("admitted", answer, position=self.position)
