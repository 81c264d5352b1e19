"""The lane and the app are one contract: the same request gets the same answer from both, byte for byte where the
bytes are not a name, a time or a signature.

Each request is sent twice over sockets: to the gateway with its lane, and to the same app behind a plain server.
"""

import itertools
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import answers, requests
from gateway.lane import bodies, metrics, rendering
from kit.signing import Keyring
from kit.web.protocol import BoundedHttpProtocol
from queueing.admissions import AdmissionFacts, sign_admission
from queueing.tickets import TicketFacts, sign_ticket
from tests.gateway.lane.conftest import Served, serving
from tests.gateway.lane.wire import Answer, request
from tests.gateway.scene import QUEUEING, SKU, Scene
from tests.gateway.test_tokens import BAD_USER_TOKENS

KEYRING = Keyring.parse(QUEUEING.keys, variable="QUEUEING_KEYS")
VARYING = ("reservation_id", "held_at", "expires_at", "server_time", "ticket", "admission", "position")
UNCOUNTED = {"date", "content-length"}  # the length follows from the body, which is compared


@dataclass
class Both:
    """The same parts behind the lane and behind the app alone."""

    lane: Served
    app: Served

    @property
    def path(self) -> str:
        return self.lane.path

    def admission(self, user: str | None = None, *, sale_id: str | None = None, seconds: float = 300) -> str:
        """An admission of somebody whom no other test has met."""
        facts = AdmissionFacts(
            sale_id=sale_id or self.lane.scene.sale_id,
            user_id=user or f"u-{uuid4().hex[:16]}",
            admission_id=uuid4().bytes,
            position=0,
            expires_at=int(time.time() + seconds),
        )
        return sign_admission(KEYRING, facts)

    async def agree(self, make: Callable[[], bytes], case: object = "") -> Answer:
        """Asks both, with a request of its own each, and compares; the lane's answer."""
        (fast,), (slow,) = await self.lane.ask(make()), await self.app.ask(make())
        assert seen(fast) == seen(slow), case
        return fast


def seen(answer: Answer) -> tuple[int, dict[str, str], object]:
    """What must agree of an answer."""
    fields = {name: value for name, value in answer.fields if name not in UNCOUNTED}
    body: object = answer.body
    if fields.get("content-type", "").endswith("json"):
        text = re.sub(r"sale-[0-9a-f]{16}", "sale", answer.body.decode())
        for name in VARYING:
            text = re.sub(rf'"{name}":"[^"]*"', f'"{name}":"…"', text)
            text = re.sub(rf'"{name}":\d+', f'"{name}":0', text)
        body = text
    return answer.status, fields, body


@pytest.fixture
async def both(closed: Scene) -> AsyncIterator[Both]:
    await closed.open_sale(total=100_000)
    async with serving(closed) as lane, serving(closed, protocol=BoundedHttpProtocol) as app:
        yield Both(lane, app)


def reserve(both: Both, body: Any = None, path: str | None = None, **headers: str | None) -> bytes:
    fields = {
        "Authorization": f"Bearer {both.admission()}",
        "Idempotency-Key": uuid4().hex,
        "Content-Type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    sent = {name: value for name, value in fields.items() if value is not None}
    whole = {"sku": SKU, "quantity": 1} if body is None else body
    return request("POST", path or f"{both.path}/reservations", sent, whole)


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


BODIES: dict[str, bytes] = {
    "empty": b"",
    "no_object": b"[]",
    "null": b"null",
    "a_string": b'"x"',
    "cut": b'{"sku":"x","quantity":1',
    "with_a_tail": b'{"sku":"headphones","quantity":1}x',
    "with_spaces": b' {"sku" : "headphones" , "quantity" : 1 } \r\n',
    "with_a_mark": b'\xef\xbb\xbf{"sku":"headphones","quantity":1}',
    "duplicate_keys": b'{"sku":"nothing","sku":"headphones","quantity":9,"quantity":1}',
    "duplicate_keys_bad_first": b'{"sku":1,"sku":"headphones","quantity":1}',
    "duplicate_keys_bad_last": b'{"sku":"headphones","sku":1,"quantity":1}',
    "unknown_field": b'{"sku":"headphones","quantity":1,"admin":true}',
    "missing_field": b'{"sku":"headphones"}',
    "nul": b'{"sku":"head\\u0000phones","quantity":1}',
    "raw_nul": b'{"sku":"head\x00phones","quantity":1}',
    "newline_at_the_end": b'{"sku":"headphones\\n","quantity":1}',
    "phone_newline": b'{"sku":"headphones","quantity":1,"phone":"13800008000\\n"}',
    "overlong": b'{"sku":"\xc0\xaf","quantity":1}',
    "surrogate": b'{"sku":"\\ud800","quantity":1}',
    "latin": b'{"sku":"\xe9","quantity":1}',
    "escaped_name": b'{"s\\u006bu":"headphones","quantity":1}',
    "float": b'{"sku":"headphones","quantity":1.0}',
    "exponent": b'{"sku":"headphones","quantity":1e0}',
    "nan": b'{"sku":"headphones","quantity":NaN}',
    "huge": b'{"sku":"headphones","quantity":1' + b"0" * 400 + b"}",
    "zero": b'{"sku":"headphones","quantity":-0}',
    "too_many": b'{"sku":"headphones","quantity":3}',
    "far_too_many": b'{"sku":"headphones","quantity":10001}',
    "true": b'{"sku":"headphones","quantity":true}',
    "text": b'{"sku":"headphones","quantity":"1"}',
    "deep": b'{"sku":' + b"[" * 5000 + b"]" * 5000 + b',"quantity":1}',
    "deep_unknown": b'{"sku":"headphones","quantity":1,"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "unknown_item": b'{"sku":"nothing","quantity":1}',
    "null_phone": b'{"sku":"headphones","quantity":1,"phone":null}',
    "bad_phone": b'{"sku":"headphones","quantity":1,"phone":"call me"}',
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "too_large": b'{"sku":"' + b"x" * 20_000 + b'","quantity":1}',
}


async def test_every_body_is_taken_or_refused_alike(both: Both) -> None:
    signed_in = both.lane.scene.signed_in
    for name, body in BODIES.items():
        await both.agree(partial(reserve, both, body), name)
        ticket = body.replace(b"sku", b"ticket").replace(b',"quantity":1', b"")
        headers = {**signed_in("ann"), "Content-Type": "application/json"}
        await both.agree(partial(request, "POST", f"{both.path}/admissions", headers, ticket), name)
        await both.agree(
            lambda body=body: request("POST", f"{both.path}/tickets", signed_in(uuid4().hex), body), name
        )


async def test_every_content_type_is_taken_or_refused_alike(both: Both) -> None:
    for declared in (
        None, "", "text/plain", "application/json", "APPLICATION/JSON", "application/json; charset=utf-8",
        "application/json;charset=utf-16", " application/json ", "application/problem+json", "application/jsonx",
        "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
    ):  # fmt: skip
        await both.agree(partial(reserve, both, Content_Type=declared), declared)
        await both.agree(partial(reserve, both, b"", Content_Type=declared), declared)


async def test_every_key_is_taken_or_refused_alike(both: Both) -> None:
    for key in (None, "", " ", "k", "k" * 64, "k" * 65, "a b", "é", "a,b", "~!", "\x7f", "a\tb"):
        await both.agree(partial(reserve, both, Idempotency_Key=key), key)


async def test_every_bad_user_token_is_refused_alike(both: Both) -> None:
    languages = itertools.cycle(["en", "zh-CN,zh;q=0.9,en;q=0.8", "fr", "*", "de;q=x", ""])
    for name, token in BAD_USER_TOKENS.items():
        for path, body in ((f"{both.path}/tickets", b""), (f"{both.path}/admissions", {"ticket": "x"})):
            headers = {
                "Authorization": f"Bearer {token.encode().decode('latin-1')}",
                "Accept-Language": next(languages),
            }
            await both.agree(partial(request, "POST", path, headers, body), name)


async def test_every_bad_admission_is_refused_alike(both: Both) -> None:
    good = both.admission()
    kid, payload, signature = good.split(".")
    for header in (
        None, "", "Bearer", "Bearer ", "Basic YTpi", good, f"bearer {good}", f"BEARER  {good}", f"Bearer {good} ",
        f"Bearer\t{good}", "Bearer k.e.y", f"Bearer {good[:-4]}", f"Bearer q2.{payload}.{signature}",
        f"Bearer {kid}.{payload[:-4]}AAAA.{signature}", f"Bearer {both.admission(seconds=-5)}",
        f"Bearer {both.admission(sale_id='another-sale')}", "Bearer " + "a" * 2000, "Bearer é.è.à", f"Bearer {good}=",
        f"Bearer {sign_ticket(KEYRING, TicketFacts(both.lane.scene.sale_id, 'ann', 0))}",
        f"Bearer {both.lane.scene.signed_in('ann')['Authorization'][7:]}",
    ):  # fmt: skip
        for body in (None, b"{", b"{}", b'{"sku":"nothing","quantity":1}'):
            await both.agree(partial(reserve, both, body, Authorization=header), (header, body))


async def test_of_repeated_and_oddly_written_fields_both_read_the_same(both: Both) -> None:
    for extra in (
        [("AUTHORIZATION", "Bearer x"), ("authorization", f"Bearer {both.admission()}")],
        [("Authorization", f"Bearer {both.admission()}"), ("Authorization", "Bearer x")],
        [("aUTHORIZATION", f"Bearer {both.admission()}"), ("iDEMPOTENCY-kEY", uuid4().hex)],
        [("Authorization", f"Bearer {both.admission()}"), ("Idempotency-Key", "a b"), ("Idempotency-Key", uuid4().hex)],
        [("Authorization", f"Bearer {both.admission()}"), ("Content-Type", "text/plain")],
        [("Authorization", f"Bearer {both.admission()}"), ("Content-Encoding", "gzip"), ("Idempotency-Key", uuid4().hex)],
    ):  # fmt: skip
        body = f'{{"sku":"{SKU}","quantity":1}}'.encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in extra)
        text = (
            f"POST {both.path}/reservations HTTP/1.1\r\nHost: x\r\n{head}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        (fast,), (slow,) = await both.lane.ask(text), await both.app.ask(text)
        again = {"idempotency-replayed"}  # the second of the two is a repeat
        assert fast.status == slow.status
        assert {n for n, _ in fast.fields} | again == {n for n, _ in slow.fields} | again


async def test_every_conditional_request_is_answered_alike(both: Both) -> None:
    (first,) = await both.lane.ask(request("GET", f"{both.path}/queue"))
    etag = str(first.field("etag"))
    for known in (
        etag,
        f'"other", {etag}',
        etag.removeprefix("W/"),
        "*",
        "",
        '"other"',
        f"{etag} ,",
        "W/",
        etag[:-1],
    ):
        for method in ("GET", "HEAD"):
            text = request(method, f"{both.path}/queue", {"If-None-Match": known})
            async with both.lane.line() as fast, both.app.line() as slow:
                fast.send(text)
                slow.send(text)
                to_head = method == "HEAD"
                one, other = await fast.answer(to_head=to_head), await slow.answer(to_head=to_head)
            assert seen(one)[0::2] == seen(other)[0::2], known
            assert {n for n, _ in one.fields} == {n for n, _ in other.fields}


async def test_every_method_and_address_is_answered_alike(both: Both) -> None:
    methods = ("PUT", "DELETE", "PATCH", "OPTIONS", "POST", "GET", "HEAD")
    paths = (
        "/queue", "/queue/", "/queue?x=1", "/tickets", "/tickets?", "/admissions", "/reservations", "/reservations//",
        "/Queue", "/%71ueue", "/../queue", "/",
    )  # fmt: skip
    for method, path in itertools.product(methods, paths):
        text = request(method, f"{both.path}{path}")
        async with both.lane.line() as fast, both.app.line() as slow:
            fast.send(text)
            slow.send(text)
            to_head = method == "HEAD"
            one, other = await fast.answer(to_head=to_head), await slow.answer(to_head=to_head)
        assert seen(one) == seen(other), (method, path)


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


WISHES = st.fixed_dictionaries(
    {
        "sku": st.one_of(st.just(SKU), st.text(max_size=70), st.integers()),
        "quantity": st.one_of(st.integers(-2, 5), st.none()),
    },
    optional={
        "phone": st.one_of(st.none(), st.text(max_size=25), st.from_regex(requests.PHONE_PATTERN)),
        "extra": st.integers(),
    },
)


@given(wish=WISHES)
@settings(max_examples=300, deadline=None)
def test_the_lane_never_takes_a_wish_that_the_app_refuses(wish: dict[str, Any]) -> None:
    """And takes every one that the app takes: the app is asked again only for what it is going to refuse."""
    body = msgspec.json.encode(wish)
    fast = bodies.read_reservation({b"content-type": b"application/json"}, body)
    try:
        slow = requests.ReservationRequest.model_validate(msgspec.json.decode(body))
    except ValueError:
        assert fast is None
    else:
        assert fast is not None
        assert (fast.sku, fast.quantity, fast.phone) == (slow.sku, slow.quantity, slow.phone)


@pytest.mark.parametrize(
    ("fast", "slow"),
    [
        (bodies.ReservationWish, requests.ReservationRequest),
        (bodies.AdmissionWish, requests.AdmissionRequest),
        (rendering.TicketDocument, answers.TicketAnswer),
        (rendering.AdmissionDocument, answers.AdmissionAnswer),
        (rendering.ReservationDocument, answers.ReservationAnswer),
    ],
)
def test_the_types_of_the_lane_have_the_fields_of_the_described_ones_in_their_order(
    fast: Any, slow: Any
) -> None:
    assert list(fast.__struct_fields__) == list(slow.model_fields)
    if hasattr(slow.model_config, "get") and slow.model_config.get("extra") == "forbid":
        (lane,), parts = msgspec.json.schema_components([fast])
        described = slow.model_json_schema()
        lane_fields = parts[fast.__name__]["properties"]
        for name, field in described["properties"].items():
            assert bounds(lane_fields[name]) == bounds(field), name
        assert lane["$ref"].endswith(fast.__name__)


def bounds(schema: dict[str, Any]) -> set[tuple[str, object]]:
    """The bounds that a field's schema names, wherever it names them."""
    found = {
        (name, str(schema[name]).removesuffix("$").removesuffix(r"\Z"))
        for name in ("minLength", "maxLength", "pattern", "minimum", "maximum", "type")
        if name in schema
    }
    for part in schema.get("anyOf", []):
        found |= bounds(part)
    return found


async def test_the_clock_of_an_answer_is_the_servers(both: Both) -> None:
    (answer,) = await both.lane.ask(request("GET", f"{both.path}/queue"))
    stamp = datetime.strptime(str(answer.field("date")), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert abs(stamp.timestamp() - time.time()) < 5
