"""The lane and the app are one contract: the same request gets the same answer from both, byte for byte where the
bytes are not a name, a time or a signature.
"""

import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from gateway.lane import metrics
from queueing.tickets import TicketFacts, sign_ticket
from tests.gateway.lane.both import KEYRING, Both, reserve
from tests.gateway.lane.wire import request
from tests.gateway.scene import SKU


async def test_what_is_granted_is_answered_alike_and_by_the_lane(both: Both) -> None:
    counted = {
        name: dict(metrics.ANSWERS.row(name)) for name in ("tickets", "admissions", "reservations", "queue")
    }
    held = await both.agree(lambda: reserve(both, {"sku": SKU, "quantity": 2, "phone": "13800008000"}))
    assert held.status == 201

    def join() -> bytes:
        headers = both.lane.scene.signed_in(uuid4().hex)
        return request("POST", f"{both.path}/tickets", headers, b"")

    assert (await both.agree(join)).status == 201
    await both.lane.scene.let_in()

    def enter() -> bytes:
        user = both.lane.scene.user(f"u{uuid4().hex[:8]}")
        token = both.lane.scene.parts.identities.issue(user)
        ticket = sign_ticket(KEYRING, TicketFacts(both.lane.scene.sale_id, user, 0))
        headers = {"Authorization": f"Bearer {token}"}
        return request("POST", f"{both.path}/admissions", headers, {"ticket": ticket})

    assert (await both.agree(enter)).status == 201
    assert (await both.agree(lambda: request("GET", f"{both.path}/queue"))).status == 200
    for name, before in counted.items():
        assert sum(metrics.ANSWERS.row(name).values()) == sum(before.values()) + 1, name


async def test_a_repeat_is_answered_alike(both: Both) -> None:
    admission, key = both.admission(), uuid4().hex
    text = reserve(both, Authorization=f"Bearer {admission}", Idempotency_Key=key)
    (first,) = await both.lane.ask(text)
    assert (first.status, first.field("idempotency-replayed")) == (201, None)
    again = await both.agree(lambda: text)
    assert (again.status, again.field("idempotency-replayed"), again.body) == (201, "true", first.body)
    other = reserve(
        both, {"sku": SKU, "quantity": 2}, Authorization=f"Bearer {admission}", Idempotency_Key=key
    )
    assert (await both.agree(lambda: other)).code == "key_reused"


async def test_outside_the_window_both_say_the_same(both: Both) -> None:
    book, sale_id = both.lane.scene.parts.book, both.lane.scene.sale_id
    real, now = book._sales[sale_id], datetime.now(UTC)
    for opens_at, closes_at in ((60.4, 3600.0), (400_000.4, 500_000.0), (-3600.0, -60.0)):
        times = {
            "opens_at": now + timedelta(seconds=opens_at),
            "closes_at": now + timedelta(seconds=closes_at),
        }
        fields = {name: getattr(real, name) for name in real.__slots__}
        book._sales[sale_id] = type(real)(**{**fields, **times})
        both.lane.lane.tick()
        answer = await both.agree(lambda: reserve(both))
        assert answer.code in {"sale_not_open", "sale_over"}


async def test_before_the_turn_both_say_when(both: Both) -> None:
    await both.lane.scene.refresh()
    user = both.lane.scene.user("ann")
    headers = both.lane.scene.signed_in("ann")
    for position in (0, 5, 123, 10**9):
        ticket = sign_ticket(KEYRING, TicketFacts(both.lane.scene.sale_id, user, position))
        text = request("POST", f"{both.path}/admissions", headers, {"ticket": ticket})
        (fast,), (slow,) = await both.lane.ask(text), await both.app.ask(text)
        assert (fast.status, fast.body) == (slow.status, slow.body)
        assert fast.code == "not_your_turn"
        assert fast.field("retry-after") == slow.field("retry-after")


async def test_the_clock_of_an_answer_is_the_servers(both: Both) -> None:
    (answer,) = await both.lane.ask(request("GET", f"{both.path}/queue"))
    stamp = datetime.strptime(str(answer.field("date")), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert abs(stamp.timestamp() - time.time()) < 5
