"""After the hold: paying at the provider's page, the confirmation, and the reward that was promised."""

import asyncio
import time
from typing import Any, Final

from loadtests.crowd.buying import Hold
from loadtests.crowd.live import LiveWatch
from loadtests.crowd.personas import Persona
from loadtests.crowd.scene import LIVE_WATCHERS_MAX
from loadtests.crowd.visit import Over, Visit
from loadtests.crowd.wire import Answer

# A hold shorter than this is waited out (and its late payment tried); nobody stays up for a longer one.
SHORT_HOLD_SECONDS: Final = 20.0
EXPIRY_SECONDS: Final = 2.0  # the keeper ends holds once a second
CONFIRM_SECONDS_MAX: Final = 40.0
REWARD_SECONDS_MAX: Final = 40.0
POLL_SECONDS: Final = (0.5, 1.0, 2.0, 3.0)  # then the last one again and again
LATE_SECONDS_MIN: Final = 8.0  # an ended hold is watched so long after the payment for what serves it
SLOWER_THAN_SLOWEST: Final = 2.0  # and this much longer than the slowest confirmation that anybody saw
NEW_PAYMENT_TRIES_MAX: Final = 8
FINAL_REWARD_STATES: Final = frozenset({"paid", "blocked"})


class Paying:
    """One hold on its way to a confirmation and a reward."""

    def __init__(self, visit: Visit, hold: Hold) -> None:
        self.visit = visit
        self.hold = hold

    async def through(self) -> str:
        """Pays, is confirmed, is rewarded; the outcome."""
        scene = self.visit.scene
        watch = None
        if self.visit.shopper.watches_live and scene.live_watchers < LIVE_WATCHERS_MAX:
            scene.live_watchers += 1
            watch = LiveWatch(scene.wire, self.visit.token)
            watch.start()
        try:
            await self._pay()
            reservation_id = await self._confirmed()
            self.visit.settle()
            return await self._rewarded(reservation_id, watch)
        finally:
            if watch is not None:
                await watch.stop()

    async def open_payment(self) -> dict[str, Any]:
        """The provider's handle. Raises `Over` when the hold is gone or the provider stays away."""
        answer = await self.visit.send(
            "payment_open", "POST", f"/v1/reservations/{self.hold.reservation_id}/payment"
        )
        if not answer.ok or not isinstance(answer.get("pay_url"), str):
            raise self.visit.turned_away("payment_open", answer, reservation_id=self.hold.reservation_id)
        self.visit.told("payment_opened", answer, reservation_id=self.hold.reservation_id)
        handle: dict[str, Any] = answer.body
        return handle

    async def _pay(self) -> None:
        shopper, scene = self.visit.shopper, self.visit.scene
        handle = await self.open_payment()
        await asyncio.sleep(shopper.think_seconds)
        if shopper.card_refused_first:
            handle = await self._after_a_refused_card(handle)
        left = self.hold.expires_at - scene.server_now()
        if shopper.persona is Persona.LATE_PAYER and left <= SHORT_HOLD_SECONDS:
            await asyncio.sleep(max(0.0, left) + EXPIRY_SECONDS)
        paid = await self._at_the_page(
            handle,
            "succeed",
            webhook_delay_ms=shopper.webhook_delay_ms,
            webhook_copies=shopper.webhook_copies,
        )
        self.visit.told("paid", paid, reservation_id=self.hold.reservation_id)

    async def _after_a_refused_card(self, handle: dict[str, Any]) -> dict[str, Any]:
        """The bank says no; the shopper asks for a new payment, which exists once the refusal has arrived."""
        await self._at_the_page(handle, "refuse")
        for number in range(NEW_PAYMENT_TRIES_MAX):
            await asyncio.sleep(_poll_seconds(number))
            again = await self.open_payment()
            if again.get("payment_id") != handle.get("payment_id"):
                return again
        self.visit.scene.figures.errors["refusal_never_arrived"] += 1
        raise Over("failed")

    async def _at_the_page(self, handle: dict[str, Any], outcome: str, **manners: int) -> Answer:
        answer = await self.visit.send(
            "pay", "POST", handle["pay_url"], body={"outcome": outcome, **manners}, bearer=""
        )
        if not answer.ok:
            raise self.visit.turned_away("pay", answer, reservation_id=self.hold.reservation_id)
        return answer

    async def _confirmed(self) -> str:
        """The id of the reservation that the payment serves: the hold's own, or the one granted in its place."""
        paid_at = time.monotonic()
        number = 0
        while True:
            await asyncio.sleep(_poll_seconds(number))
            number += 1
            answer = await self.visit.send(
                "reservation", "GET", f"/v1/reservations/{self.hold.reservation_id}"
            )
            state, again = answer.get("state"), answer.get("regranted_as")
            waited = time.monotonic() - paid_at
            if state == "confirmed" or again:
                self.visit.scene.slowest_confirmation_seconds = max(
                    waited, self.visit.scene.slowest_confirmation_seconds
                )
                served = str(again or self.hold.reservation_id)
                self.visit.held(self.hold.reservation_id)
                self.visit.told("confirmed", answer, reservation_id=served, sku=self.hold.sku)
                return served
            if state == "expired" and waited > self._late_seconds():
                self.visit.held(self.hold.reservation_id)
                # The unit went to someone else before the money came; that it goes back is the invariants' to judge.
                self.visit.told(
                    "refused", answer, code="hold_expired", reservation_id=self.hold.reservation_id
                )
                raise Over("late_payment_unserved")
            if waited > CONFIRM_SECONDS_MAX:
                break
        self.visit.fault("confirmation_missing", answer, reservation_id=self.hold.reservation_id)
        raise Over("paid_unconfirmed")

    def _late_seconds(self) -> float:
        slowest = self.visit.scene.slowest_confirmation_seconds
        expected = self.visit.shopper.webhook_delay_ms / 1000 + SLOWER_THAN_SLOWEST * slowest
        return min(max(LATE_SECONDS_MIN, expected), CONFIRM_SECONDS_MAX)

    async def _rewarded(self, reservation_id: str, watch: LiveWatch | None) -> str:
        """Follows the rewards of one reservation until each is final, or patience ends."""
        ends = time.monotonic() + REWARD_SECONDS_MAX
        told: set[str] = set()
        number = 0
        while True:
            await asyncio.sleep(_poll_seconds(number))
            number += 1
            answer = await self.visit.send("rewards", "GET", "/v1/me/rewards")
            mine = [
                reward
                for reward in answer.get("rewards") or ()
                if reward.get("reservation_id") == reservation_id
            ]
            for reward in mine:
                if reward.get("state") in FINAL_REWARD_STATES and reward["grant_id"] not in told:
                    told.add(reward["grant_id"])
                    self.visit.told("rewarded", answer, reservation_id=reservation_id, reward=reward)
            if mine and len(told) == len(mine):
                break
            if time.monotonic() > ends:
                # Not a fault by itself: a sale may promise none; a promise that is late is the invariants' to judge.
                return "reward_pending" if mine else "confirmed"
        sent = {reward["grant_id"] for reward in mine if reward.get("state") == "paid"}
        if watch is not None and not await watch.told_all(sent):
            self.visit.scene.figures.errors["live_notice_missing"] += 1
        return "rewarded"

    async def wait_out(self) -> str:
        """Holds without paying; a short hold is watched until it has ended."""
        left = self.hold.expires_at - self.visit.scene.server_now()
        if left > SHORT_HOLD_SECONDS:
            self.visit.told("left", None, code="unpaid", reservation_id=self.hold.reservation_id)
            return "held_unpaid"
        await asyncio.sleep(max(0.0, left) + EXPIRY_SECONDS)
        answer = await self.visit.send("reservation", "GET", f"/v1/reservations/{self.hold.reservation_id}")
        if answer.ok and answer.get("state") != "held":
            self.visit.held(self.hold.reservation_id)
        self.visit.told("left", answer, code=answer.get("state"), reservation_id=self.hold.reservation_id)
        return "held_unpaid"


def _poll_seconds(number: int) -> float:
    return POLL_SECONDS[min(number, len(POLL_SECONDS) - 1)]
