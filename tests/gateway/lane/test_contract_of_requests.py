"""Whatever is wrong or odd about a request, the lane and the app take or refuse it alike: body, type, key, token, field,
condition, method and address.
"""

import itertools
from functools import partial
from uuid import uuid4

from queueing.tickets import TicketFacts, sign_ticket
from tests.gateway.lane.both import KEYRING, Both, reserve, seen
from tests.gateway.lane.wire import request
from tests.gateway.scene import SKU
from tests.gateway.test_tokens import BAD_USER_TOKENS

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
