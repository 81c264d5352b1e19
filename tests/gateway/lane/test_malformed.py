"""What is no HTTP or no honest use of it: answered in problem form, in its turn, and the connection ends."""

import pytest

from tests.gateway.lane.conftest import Served
from tests.gateway.lane.wire import request
from tests.gateway.scene import SKU

HOST = "Host: x\r\n"
POST = "POST {path}/reservations HTTP/1.1\r\n" + HOST + "Content-Type: application/json\r\n"
BROKEN = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 3,
    "no_path": b"GET HTTP/1.1\r\n\r\n",
    "a_version_of_its_own": b"GET {path}/queue HTTP/9.9\r\n\r\n",
    "nul_in_a_name": b"GET {path}/queue HTTP/1.1\r\nHo\x00st: x\r\n\r\n",
    "nul_in_a_value": b"GET {path}/queue HTTP/1.1\r\nHost: x\x00y\r\n\r\n",
    "space_before_the_colon": b"GET {path}/queue HTTP/1.1\r\nHost : x\r\n\r\n",
    "folded_line": b"GET {path}/queue HTTP/1.1\r\nHost: x\r\n y: z\r\n\r\n",
    "two_lengths": (POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n").encode() + b"{}   x",
    "length_and_chunks": (POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n").encode() + b"0\r\n\r\n",
    "length_of_words": (POST + "Content-Length: five\r\n\r\n").encode() + b"{}",
    "negative_length": (POST + "Content-Length: -5\r\n\r\n").encode() + b"{}",
    "endless_length": (POST + "Content-Length: 99999999999999999999999\r\n\r\n").encode() + b"{}",
    "chunk_of_nonsense": (POST + "Transfer-Encoding: chunked\r\n\r\n").encode() + b"zz\r\n{}\r\n0\r\n\r\n",
    "chunk_too_long": (POST + "Transfer-Encoding: chunked\r\n\r\n").encode() + b"ffffffffffffffffff\r\n{}",
    "chunk_without_an_end": (POST + "Transfer-Encoding: chunked\r\n\r\n").encode() + b"2\r\n{}xx0\r\n\r\n",
    "connect": b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "overlong_path": b"GET /v1/sales/%c0%af/queue HTTP/1.1\r\nHost: x\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_what_cannot_be_read_is_refused_in_its_turn_and_ends_the_connection(
    served: Served, language: str
) -> None:
    for name, text in BROKEN.items():
        async with served.line() as line:
            before = request("GET", served.path, {"Accept-Language": language})
            fast = request("GET", f"{served.path}/queue")
            line.send(before + fast + text.replace(b"{path}", served.path.encode()))
            assert (await line.answer()).status == 200, name
            assert (await line.answer()).status == 200, name
            answer = await line.answer()
            assert 400 <= answer.status < 500, name
            assert answer.field("content-type") == "application/problem+json", name
            assert answer.document["status"] == answer.status, name
            if answer.field("connection") == "close":
                assert await line.ended(), name


async def test_a_head_that_is_too_large_is_refused_in_every_size(served: Served) -> None:
    for size, count in (
        (15_000, 1),
        (20_000, 1),
        (40_000, 1),
        (300_000, 1),
        (30, 90),
        (30, 150),
        (30, 10_000),
    ):
        async with served.line() as line:
            head = "".join(f"X-{n}: {'x' * size}\r\n" for n in range(count))
            line.send(f"GET {served.path}/queue HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
            answer = await line.answer()
            expected = 200 if size * count < 16_000 and count <= 99 else 431
            assert answer.status == expected, (size, count)
            if expected == 431:
                assert answer.code == "headers_too_large"
                assert await line.ended()


async def test_a_head_that_never_ends_is_cut(served: Served) -> None:
    async with served.line() as line:
        line.send(f"GET {served.path}/queue HTTP/1.1\r\nX: ".encode())
        try:
            for _ in range(200):
                line.send(b"x" * 1024)
                await line.writer.drain()
        except ConnectionError:
            return
        answer = await line.answer()
        assert (answer.status, answer.code) == (431, "headers_too_large")


async def test_a_body_that_breaks_off_in_its_chunks_is_refused_and_holds_nothing(served: Served) -> None:
    admission = await served.scene.admission("ann")
    head = (
        POST.replace("{path}", served.path)
        + f"Authorization: Bearer {admission}\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    body = f'{{"sku":"{SKU}","quantity":1}}'.encode()
    async with served.line() as line:
        line.send(head + b"%x\r\n%b\r\n" % (len(body), body) + b"nonsense\r\n")
        answer = await line.answer()
        assert (answer.status, answer.code) == (400, "bad_request")
        assert await line.ended()
    mine = await served.scene.http.get("/v1/me/reservations", headers=served.scene.signed_in("ann"))
    assert mine.json() == {"reservations": []}


async def test_an_upgrade_that_is_not_offered_is_answered_and_said_to_be_the_last(served: Served) -> None:
    for offer in ("h2c", "websocket"):
        headers = {"Connection": "Upgrade", "Upgrade": offer}
        async with served.line() as line:
            line.send(request("GET", f"{served.path}/queue", headers))
            answer = await line.answer()
            assert (answer.status, answer.field("connection")) == (200, "close")
            assert await line.ended()


async def test_what_fails_in_the_lane_is_our_fault_and_says_so(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    route = served.lane.routes[f"{served.path}/queue".encode()]
    async with served.line() as line:
        poll = request("GET", f"{served.path}/queue")
        for _ in range(2):
            line.send(poll)
            assert (await line.answer()).status == 200
        monkeypatch.setattr(route, "serve", fail)
        line.send(poll)
        assert (await line.answer()).code == "internal", "a repeat fails as the first would"
    async with served.line() as line:
        line.send(request("GET", served.path) + request("GET", f"{served.path}/queue"))
        assert (await line.answer()).status == 200
        answer = await line.answer()
        assert (answer.status, answer.code) == (500, "internal")
        assert await line.ended()
