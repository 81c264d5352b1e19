"""Random walks of the real service over real Redis and PostgreSQL, beside the plain model, judged after every step."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text

from flashsale import keys
from flashsale.facts import Admitted, ReserveRequest
from flashsale.payments import Payments
from flashsale.settings import FlashsaleSettings
from kit.errors import DomainError, Unavailable
from kit.postgres import Postgres
from kit.provider import PaymentNotice
from kit.redis import RedisRoles
from ops.invariants.judge import judge
from tests.flashsale.model.plain import Model, Sum
from tests.flashsale.model.pretender import Pretender
from tests.flashsale.paying import a_notice, expire, tell
from tests.flashsale.scenes import SKU, Shop, a_plan, an_item

USERS = ("ada", "bob", "cy")
LIMIT, PRICE = 2, (1999, "CNY")
PATIENCE = 5  # how often a 503 is tried again with its key, as a client would
UNSTAFFED = "changes_audited"  # no staff applies the sales of walks, so nobody signs for them
PICK = st.integers(0, 99)
FEW = st.integers(1, LIMIT)
Row = TypeVar("Row")

STANDING = text((Path(__file__).parent / "standing.sql").read_text(encoding="utf-8"))
# What the rows call the states of the model.
STORED = {
    "open": "created",
    "refused": "refused",
    "closed": "refused",
    "serving": "paid",
    "due": "refund_due",
}


@dataclass(frozen=True, slots=True)
class World:
    """The servers of all walks, and the loop in which their clients live."""

    runner: asyncio.Runner
    postgres: Postgres
    redis: RedisRoles


class Walk(RuleBasedStateMachine):
    """One sale from its opening to its books. A subclass names the world and the model."""

    world: World
    model_of: Callable[[int, int, Sum], Model] = Model

    def do(self, work: Awaitable[Row]) -> Row:
        async def run() -> Row:
            return await work

        return self.world.runner.run(run())

    @initialize(total=st.integers(2, 4), buckets=st.integers(1, 2), awake=st.integers(0, 1000))
    def open_the_sale(self, total: int, buckets: int, awake: int) -> None:
        assume(awake)  # hypothesis begins with the dullest walk there is: left out
        world = self.world
        self.model = type(self).model_of(total, LIMIT, PRICE)
        self.provider = Pretender()
        item = an_item(total=total, per_user_limit=LIMIT, buckets=buckets)
        self.shop = Shop(world.postgres, world.redis, a_plan(f"walk-{uuid4().hex[:16]}", item))
        self.payments = Payments(
            world.postgres,
            self.provider,  # type: ignore[arg-type]
            world.redis.queue,
            FlashsaleSettings(),
            stock=world.redis.stock,
        )
        self.asked: list[tuple[str, str, int]] = []
        self.notices: list[PaymentNotice] = []
        self.handles: dict[UUID, Any] = {}
        self.do(self._open_the_sale())
        # Something goes on already, so that even a short walk gets to the money.
        for user in ("ada", "bob"):
            self._ask(user, uuid4().hex, 1)
        for hold in self.model.holds:
            self._click(hold)

    async def _open_the_sale(self) -> None:
        await self.shop.open()
        async with self.world.postgres.unit_of_work() as session:
            # The waiting room is another room's: here everybody's turn has come.
            await session.execute(
                text(
                    "INSERT INTO queueing.rooms (sale_id, opens_at, closes_at, rate_per_second, frontier, position_mark)"
                    " SELECT sale_id, opens_at, closes_at, 1, 100, 100 FROM flashsale.sales WHERE sale_id = :sale_id"
                ),
                {"sale_id": self.shop.sale_id},
            )
        self.service = self.shop.service()
        await self.service.start()

    @rule(user=st.sampled_from(USERS), units=FEW)
    def reserve(self, user: str, units: int) -> None:
        self._ask(user, uuid4().hex, units)

    @precondition(lambda self: self.asked)
    @rule(pick=PICK, units=FEW)
    def repeat(self, pick: int, units: int) -> None:
        user, key, _ = self.asked[pick % len(self.asked)]
        self._ask(user, key, units)

    def _ask(self, user: str, key: str, units: int) -> None:
        self.asked.append((user, key, units))
        said, hold = self.do(self._reserve(user, key, units))
        wanted = self.model.judge_wish(user, key, units)
        assert said == wanted, (said, wanted)
        if said == "granted":
            self.model.hold(hold, user, key, units)
        elif said == "replayed":
            assert self.model.keys[user, key][0] == hold

    async def _reserve(self, user: str, key: str, units: int) -> tuple[str, Any]:
        admitted = Admitted(self.shop.sale_id, user, uuid4(), USERS.index(user))
        for _ in range(PATIENCE):
            try:
                done = await self.service.reserve(ReserveRequest(admitted, SKU, units, key))
            except Unavailable:
                continue
            except DomainError as refused:
                return refused.code, None
            return "replayed" if done.replayed else "granted", done.reservation.reservation_id
        return "unavailable", None

    @precondition(lambda self: self.model.holds)
    @rule(pick=PICK, late=st.booleans())
    def end(self, pick: int, late: bool) -> None:
        """The shopper lets go of a hold, or its deadline comes."""
        self._end(self._pick(self.model.holds, pick), late=late)

    def _end(self, hold: UUID, *, late: bool) -> None:
        if not late:
            assert self.do(self._release(hold, self.model.holds[hold]["user"])) == self.model.release(hold)
        elif self.model.holds[hold]["state"] == "held":
            self.do(expire(self.shop, hold))
            self.model.expire(hold)

    async def _release(self, hold: UUID, user: str) -> str:
        try:
            async with self.world.postgres.unit_of_work() as session:
                return (await self.service.release(session, hold, user)).state
        except DomainError as refused:
            return refused.code

    @precondition(lambda self: self.model.holds)
    @rule(pick=PICK)
    def open_payment(self, pick: int) -> None:
        self._click(self._pick(self.model.holds, pick))

    def _click(self, hold: UUID) -> None:
        said, handle = self.do(self._open_payment(hold, self.model.holds[hold]["user"]))
        assert said == self.model.judge_opening(hold)
        if handle is not None:
            known = self.model.open_payment_of(hold)
            assert known in (None, handle.payment_id)
            if known is None:
                self.model.open(handle.payment_id, hold)
            self.handles[handle.payment_id] = handle

    async def _open_payment(self, hold: UUID, user: str) -> tuple[str, Any]:
        try:
            return "opened", await self.payments.open_payment(hold, user)
        except DomainError as refused:
            return refused.code, None

    @precondition(lambda self: self._uncharged())
    @rule(
        pick=PICK,
        how=st.sampled_from(["part", "right", "more", "currency"]),
        heard=st.booleans(),
    )
    def pay(self, pick: int, how: str, heard: bool) -> None:
        """The provider charges; its notice comes, or comes late, or never."""
        payment = self._pick(self._uncharged(), pick)
        amount_minor, currency = self.model.due(self.model.payments[payment]["hold"])
        paid = {
            "right": (amount_minor, currency),
            "part": (amount_minor - 1, currency),
            "more": (amount_minor + 1, currency),
            "currency": (amount_minor, "USD"),
        }[how]
        self._charge(payment, paid, heard=heard)

    @precondition(lambda self: self.provider.charged)
    @rule(pick=PICK, how=st.sampled_from(["anew", "the same", "another sum"]))
    def tell(self, pick: int, how: str) -> None:
        """Late, doubled under an event id of its own, or the very same; or as no honest provider would."""
        payment = self._pick(self.provider.charged, pick)
        amount_minor, currency = self.provider.charged[payment]
        heard = self.model.payments[payment]["heard"] is not None
        if how == "the same" and self.notices:
            assert self._hear(self.notices[pick % len(self.notices)]) == "duplicate"
        elif how == "another sum" and heard:
            self._tell_paid(payment, (amount_minor + 100, currency))
        else:
            self._tell_paid(payment, (amount_minor, currency))

    @precondition(lambda self: self._uncharged())
    @rule(pick=PICK)
    def refuse(self, pick: int) -> None:
        self._refuse(self._pick(self._uncharged(), pick))

    @precondition(lambda self: self._uncharged())
    @rule(pick=PICK)
    def pay_twice(self, pick: int) -> None:
        """A card is refused, the shopper asks for another page, and both are paid."""
        first = self._pick(self._uncharged(), pick)
        hold = self.model.payments[first]["hold"]
        self._refuse(first)
        self._click(hold)
        for payment in self._uncharged():
            if self.model.payments[payment]["hold"] == hold:
                self._charge(payment, self.model.due(hold), heard=True)

    @precondition(lambda self: self._uncharged())
    @rule(pick=PICK, late=st.booleans())
    def pay_after_the_end(self, pick: int, late: bool) -> None:
        payment = self._pick(self._uncharged(), pick)
        hold = self.model.payments[payment]["hold"]
        self._end(hold, late=late)
        self._charge(payment, self.model.due(hold), heard=True)

    def _refuse(self, payment: UUID) -> None:
        self.provider.refused.add(payment)
        said = self._hear(a_notice(self.handles[payment], "payment.refused"))
        assert said == self.model.hear_refused(payment)

    def _charge(self, payment: UUID, paid: Sum, *, heard: bool) -> None:
        self.provider.charge(payment, paid)
        if heard:
            self._tell_paid(payment, paid)

    @precondition(lambda self: self._returnable())
    @rule(pick=PICK)
    def send_back_unasked(self, pick: int) -> None:
        """Somebody at the provider does; its notice may overtake that of the success."""
        payment = self._pick(self._returnable(), pick)
        self.provider.send_back(payment)
        said = self._hear(a_notice(self.handles[payment], "refund.succeeded"))
        assert said == self.model.hear_sent_back(payment)

    @precondition(lambda self: self.model.payments)
    @rule(pick=PICK, mood=st.sampled_from(["well", "away", "silent"]))
    def ring_refund(self, pick: int, mood: str) -> None:
        payment = self._pick(self.model.payments, pick)
        due = self.model.payments[payment]["state"] == "due"
        self.provider.mood = mood
        said = self.do(self.payments.refund(payment))
        self.provider.mood = "well"
        assert said == ("not_due" if not due else "refunded" if mood == "well" else "unknown")
        if said == "refunded":
            self.model.hear_sent_back(payment)

    @precondition(lambda self: self.model.payments)
    @rule(pick=PICK, mood=st.sampled_from(["well", "well", "away"]))
    def ask(self, pick: int, mood: str) -> None:
        """As the keeper does where no notice comes."""
        payment = self._pick(self.model.payments, pick)
        if self.model.payments[payment]["state"] in ("open", "closed"):
            self._ask_for(payment, mood)

    def _ask_for(self, payment: UUID, mood: str = "well") -> None:
        self.provider.mood = mood
        said = self.do(self.payments.ask(payment))
        self.provider.mood = "well"
        wanted = "asked_again"
        if mood == "well":
            match self.provider.state(payment):
                case "succeeded":
                    wanted = self.model.hear_paid(payment, self.provider.charged[payment])
                case "refused":
                    wanted = self.model.hear_refused(payment)
                case "refunded":
                    wanted = self.model.hear_sent_back(payment)
        assert said == wanted, (said, wanted)

    @rule(flushed=st.booleans())
    def trouble_redis(self, flushed: bool) -> None:
        """It forgets the sale, or is loaded anew."""
        self.do(self.shop.forget() if flushed else self.shop.repair())

    @invariant()
    def rows_are_the_models(self) -> None:
        if hasattr(self, "model"):
            self.do(self._compare())

    async def _compare(self) -> None:
        model = self.model
        async with self.world.postgres.read() as session:
            found = await session.execute(STANDING, {"sale_id": self.shop.sale_id})
            holds, paid, buckets, events = found.one()
        assert {UUID(name): state for name, state, regrant_of in holds if regrant_of is None} == {
            name: hold["state"] for name, hold in model.holds.items()
        }
        assert {UUID(again) for _, _, again in holds if again is not None} == {
            name for name, hold in model.holds.items() if hold["again"]
        }
        assert {UUID(name): (state, needs_people) for name, state, needs_people, _ in paid} == {
            name: (STORED.get(one["state"], one["state"]), one["people"])
            for name, one in model.payments.items()
        }
        confirmed = sorted(name for name, state, _ in holds if state == "confirmed")
        assert (
            sorted(events) == sorted(serves for _, state, _, serves in paid if state == "paid") == confirmed
        )
        assert (
            sum(taken for _, _, taken, _ in buckets)
            == model.units()
            <= sum(total for _, total, *_ in buckets)
        )
        assert all(model.units(user) <= LIMIT for user in USERS)
        for number, total, taken, ledger_epoch in buckets:
            name = keys.stock(self.shop.sale_id, SKU, number)
            available, epoch = await self.world.redis.stock.hmget(name, "available", "epoch")  # type: ignore[misc]
            # Redis may be behind the ledger, never above it.
            assert available is None or int(epoch) != ledger_epoch or int(available) <= total - taken

    def teardown(self) -> None:
        if hasattr(self, "service"):
            try:
                self._close_the_books()
            finally:
                self.do(self.service.stop())

    def _close_the_books(self) -> None:
        """Everything is asked for and sent back; then all money is goods or home, and the one judge is asked."""
        for payment, one in self.model.payments.items():
            if one["state"] in ("open", "closed") or (
                one["state"] == "refused" and payment in self.provider.charged
            ):
                self._ask_for(payment)
        for payment, one in self.model.payments.items():
            if one["state"] == "due":
                assert self.do(self.payments.refund(payment)) == "refunded"
                self.model.hear_sent_back(payment)
        for payment in self.provider.charged:
            serves = self.model.payments[payment]["state"] == "serving"
            assert serves != (payment in self.provider.sent_back)
        self.rows_are_the_models()
        self.do(self.shop.repair())
        rows = self.do(
            judge(
                self.world.postgres,
                self.world.redis.stock,
                book=self.provider.book,
                sale_id=self.shop.sale_id,
                looks=1,
            )
        )
        assert {row.id for row in rows if not row.holds} <= {UNSTAFFED}

    def _tell_paid(self, payment: UUID, paid: Sum) -> None:
        said = self._hear(a_notice(self.handles[payment], amount_minor=paid[0], currency=paid[1]))
        wanted = self.model.hear_paid(payment, paid)
        assert said == wanted, (said, wanted)

    def _hear(self, notice: PaymentNotice) -> str:
        self.notices.append(notice)
        return self.do(tell(self.payments, self.world.postgres, notice))

    def _uncharged(self) -> list[UUID]:
        return [name for name in self.handles if name not in self.provider.charged]

    def _returnable(self) -> list[UUID]:
        """What serves is left alone: the books of such a gift do not balance, and a test of its own tells of it."""
        return [
            name
            for name in self.provider.charged
            if self.model.payments[name]["state"] != "serving" and name not in self.provider.sent_back
        ]

    @staticmethod
    def _pick(names: Any, pick: int) -> Any:
        listed = list(names)
        return listed[pick % len(listed)]
