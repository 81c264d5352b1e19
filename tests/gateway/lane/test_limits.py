"""Limits and the gate in the lane: who asks too much is told so, by both doors alike, and who is refused is not begun."""

import itertools
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from socket import SO_LINGER, SOL_SOCKET

import pytest
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.errors import PROBLEMS
from gateway.lane.refusals import Refusals
from gateway.limiting import Limiting, limit_answer
from gateway.overload.gate import Gate
from gateway.overload.permit import Permit
from gateway.overload.priority import Outcome, Priority
from gateway.overload.settings import OverloadSettings
from gateway.settings import GatewaySettings
from kit.errors import StartRefused
from kit.redis import RedisRoles
from kit.web.problems import Problems
from kit.web.protocol import BoundedHttpProtocol
from queueing.limits.decisions import Decision
from queueing.limits.errors import refusal
from queueing.limits.policy import DAY_US, SECOND_US, Check, LimitPolicy
from queueing.limits.service import Limits
from queueing.limits.settings import LimitSettings
from queueing.limits.terms import Mode, terms_of
from tests.gateway.lane.both import Both, reserve, seen
from tests.gateway.lane.conftest import eventually, serving
from tests.gateway.lane.wire import request
from tests.gateway.scene import SKU, Scene

SETTINGS = GatewaySettings(
    ticket_limits="user=2/1h, address=1000/1s shadow",
    reservation_limits="user=2/1h burst 3, item=100000/1s burst 200000 shared, user-daily=50/1d",
)


@pytest.fixture
async def limited(closed: Scene, redis_roles: RedisRoles) -> AsyncIterator[Both]:
    """Both doors, under limits that a person could reach; each door's buckets are the same."""
    await closed.open_sale(total=100)
    limits = Limits(redis_roles.limits, LimitSettings(), closed.parts.clock)
    object.__setattr__(closed.parts, "limiting", Limiting(limits, SETTINGS))
    await limits.start()
    async with serving(closed) as lane, serving(closed, protocol=BoundedHttpProtocol) as app:
        yield Both(lane, app)
    await limits.stop()


async def test_who_asks_too_much_is_told_when_to_come_back(limited: Both) -> None:
    for door in (limited.lane, limited.app):
        token = f"Bearer {limited.admission()}"
        texts = [reserve(limited, {"sku": SKU, "quantity": 1}, Authorization=token) for _ in range(5)]
        told = [(await door.ask(text))[0] for text in texts]
        assert [answer.status for answer in told] == [201, 201, 409, 429, 429]
        first, last = told[0], told[-1]
        assert (
            first.field("ratelimit-policy")
            == '"user";q=2;w=3600;floodgate-burst=3, "user-daily";q=50;w=86400'
        )
        assert str(first.field("ratelimit")).startswith('"user";r=2;t=')
        assert last.code == "quota_exceeded"
        assert last.document["violated-policies"] == ["user"]
        assert int(str(last.field("retry-after"))) >= 1


async def test_both_doors_say_the_same_of_limits(limited: Both) -> None:
    seen_by = []
    for door in (limited.lane, limited.app):
        token = f"Bearer {limited.admission()}"
        answers = []
        for language in ("en", "zh-CN", "en", "zh-CN"):
            text = reserve(limited, None, Authorization=token, Accept_Language=language)
            status, fields, body = seen((await door.ask(text))[0])
            fields = {n: v for n, v in fields.items() if n not in {"retry-after", "ratelimit"}}
            answers.append((status, fields, body))
        seen_by.append(answers)
    fast, slow = seen_by
    # A refusal of the room says nothing of limits that were passed, from either door.
    assert fast == slow


def written(answer: Response, date: bytes) -> bytes:
    """An answer as a server sends it, which is not told its fields by a template."""
    fields = b"".join(b"%b: %b\r\n" % field for field in answer.raw_headers)
    return b"%b%b%b\r\n%b" % (STATUS_LINE[answer.status_code], date, fields, bytes(answer.body))


def test_a_refusal_is_the_apps_answer_byte_for_byte_whoever_was_refused_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.5)
    problems, date = Problems(PROBLEMS), b"date: Fri, 01 Jan 2027 00:00:00 GMT\r\n"
    refusals = Refusals(problems)
    refusals.renew(date)
    user, daily = LimitPolicy("user", 10, 60 * SECOND_US), LimitPolicy("user-daily", 50, DAY_US)
    sale = LimitPolicy("sale", 100, SECOND_US, shared=True)
    tried = LimitPolicy("user-tried", 1, DAY_US, shadow=True)
    seen_statuses = set()
    for policies in ((user,), (daily, user), (user, sale), (sale,), (tried, user, sale, daily)):
        terms = terms_of(Mode.TAKE, 1, *policies)
        checks = [Check(policy, "ann") for policy in policies]
        for stands in itertools.product((True, False), repeat=len(policies)):
            for short_us in (1, 700_000, 3_500_000):
                ahead: list[int] = []
                for policy, stood in zip(policies, stands, strict=True):
                    full = policy.capacity // policy.denominator
                    ahead += (-1 - (full - policy.interval + short_us), 0) if stood else (full // 2, 0)
                if not terms.refusing(ahead):
                    continue
                error = refusal(Decision(False, "s", checks, terms, 1_800_000_000_000_000, ahead))
                for language in (None, "en", "zh-CN", "fr;q=1, zh;q=0.5"):
                    app_answer = limit_answer(problems, error, language)
                    seen_statuses.add(app_answer.status_code)
                    assert refusals.limited(error, language) == written(app_answer, date)
    assert seen_statuses == {429, 503}


async def test_tickets_have_limits_of_their_own(limited: Both) -> None:
    headers = limited.lane.scene.signed_in("ann")
    text = request("POST", f"{limited.path}/tickets", headers, b"")
    told = [(await limited.lane.ask(text))[0] for _ in range(3)]
    assert [answer.status for answer in told] == [201, 200, 429]
    assert told[0].field("ratelimit-policy") == '"user";q=2;w=3600'


async def test_what_the_gate_refuses_is_not_begun(limited: Both) -> None:
    parts = limited.lane.scene.parts
    shut = Gate(OverloadSettings(waiting_max=0))
    shut.room = (0, 0, 0, 0)
    limited.lane.lane.gate = shut
    (answer,) = await limited.lane.ask(reserve(limited))
    assert (answer.status, answer.code) == (503, "temporary_reduced_capacity")
    assert int(str(answer.field("retry-after"))) >= 1
    assert parts.reservations._lanes._in_flight == {}
    limited.lane.lane.gate = parts.gate
    (answer,) = await limited.lane.ask(reserve(limited))
    assert answer.status == 201
    assert parts.gate.in_flight == 0


PLACES = 64  # under way at once


@dataclass
class Full:
    """A gate in which all places are taken."""

    gate: Gate
    taken: list[Permit]

    def free(self) -> None:
        """As many as there are."""
        while self.taken:
            self.taken.pop().leave(Outcome.LEFT)


@pytest.fixture
def full(limited: Both) -> Full:
    """That of the lane."""
    gate = Gate(OverloadSettings(limit_start=PLACES, limit_min=PLACES))
    limited.lane.lane.gate = gate
    return Full(gate, [permit for _ in range(PLACES) if (permit := gate.enter(Priority.RESERVE))])


async def test_who_finds_no_room_waits_and_is_let_in_when_there_is(limited: Both, full: Full) -> None:
    async with limited.lane.line() as line, limited.lane.line() as other:
        line.send(reserve(limited) + reserve(limited))
        other.send(reserve(limited))
        await eventually(lambda: full.gate.anteroom.waiting == 3)
        assert full.gate.in_flight == PLACES
        full.free()
        answers = [await line.answer(), await line.answer(), await other.answer()]
    assert [answer.status for answer in answers] == [201, 201, 201]
    assert (full.gate.in_flight, full.gate.anteroom.waiting) == (0, 0)
    assert full.gate.waited[Priority.RESERVE] == 3


async def test_who_has_waited_in_vain_is_told_when_to_come_back_and_nothing_was_begun(
    limited: Both, full: Full
) -> None:
    gate = full.gate
    async with limited.lane.line() as line:
        line.send(reserve(limited))
        await eventually(lambda: gate.anteroom.waiting)
        late = gate.now() + 6
        gate.now = lambda: late
        gate.tick(0.0)
        answer = await line.answer()
    assert (answer.status, answer.code) == (503, "temporary_reduced_capacity")
    assert int(str(answer.field("retry-after"))) >= 1
    assert limited.lane.scene.parts.reservations._lanes._in_flight == {}


async def test_who_goes_away_while_waiting_is_never_let_in(limited: Both, full: Full) -> None:
    async with limited.lane.line() as line:
        line.send(reserve(limited))
        await eventually(lambda: full.gate.anteroom.waiting)
        # Reset: who closes in order may only have said all it had to say, and still be listening.
        line.writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        line.writer.transport.abort()
        await eventually(lambda: not full.gate.anteroom.waiting)
    full.free()
    assert full.gate.waited[Priority.RESERVE] == 0
    assert limited.lane.scene.parts.reservations._lanes._in_flight == {}


async def test_a_permit_comes_back_however_the_request_ends(limited: Both) -> None:
    gate = limited.lane.scene.parts.gate
    async with limited.lane.line() as line:
        line.send(reserve(limited) + reserve(limited, {"sku": "nothing", "quantity": 1}) + reserve(limited))
        line.writer.transport.abort()
    async with limited.lane.line() as line:
        line.send(reserve(limited))
        assert (await line.answer()).status == 201
    await eventually(lambda: gate.in_flight == 0)


async def test_who_waits_too_long_is_told_that_it_may_be_done(
    limited: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    reservations, gate = limited.lane.scene.parts.reservations, limited.lane.scene.parts.gate
    monkeypatch.setattr(reservations, "enter", lambda *_: None)  # the room never answers
    async with limited.lane.line() as line:
        line.send(reserve(limited))
        await eventually(lambda: gate.in_flight)
        gate._end_late(gate.now() + 1000)
        answer = await line.answer()
    assert (answer.status, answer.code) == (503, "answer_late")
    assert gate.in_flight == 0


def test_a_limit_of_nobody_is_refused_at_the_start() -> None:
    for name, value in (("ticket_limits", "weather=1/1s"), ("reservation_limits", "user=1/1s burst x")):
        with pytest.raises(StartRefused, match=name.upper()):
            Limiting(None, GatewaySettings(**{name: value}))  # type: ignore[arg-type]
