"""One connection, lane and app requests on it: every answer once, in the order of the requests, and the right end."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from gateway.lane.order import OWED_MAX
from tests.gateway.lane.conftest import Served, eventually
from tests.gateway.lane.wire import Line, request
from tests.gateway.scene import SKU


@pytest.fixture
async def line(served: Served) -> AsyncIterator[Line]:
    async with served.line() as one:
        yield one


def queue(served: Served, **headers: str) -> bytes:
    return request("GET", f"{served.path}/queue", {name.replace("_", "-"): v for name, v in headers.items()})


def sale(served: Served) -> bytes:
    """An address that only the app knows."""
    return request("GET", served.path)


def join(served: Served, user: str) -> bytes:
    return request("POST", f"{served.path}/tickets", served.scene.signed_in(user), b"")


def reservation(admission: str, served: Served, *, key: str | None = None, quantity: int = 1) -> bytes:
    headers = {"Authorization": f"Bearer {admission}", "Idempotency-Key": key or uuid4().hex}
    return request("POST", f"{served.path}/reservations", headers, {"sku": SKU, "quantity": quantity})


async def test_a_connection_is_kept_for_one_request_after_the_other(served: Served, line: Line) -> None:
    for ask, status in ((queue, 200), (sale, 200), (queue, 200)):
        line.send(ask(served))
        answer = await line.answer()
        assert (answer.version, answer.status) == ("HTTP/1.1", status)
        assert answer.field("connection") is None


async def test_answers_come_in_the_order_of_the_requests_whoever_gives_them(
    served: Served, line: Line
) -> None:
    """Fast ones of the lane behind slow ones of the app, of a batch behind both, and all the other way round."""
    admission = await served.scene.admission("ann")
    line.send(
        sale(served) + queue(served) + join(served, "ben") + queue(served) + sale(served)
        + reservation(admission, served) + sale(served) + sale(served) + queue(served)
    )  # fmt: skip
    answers = [await line.answer() for _ in range(9)]
    assert [answer.status for answer in answers] == [200, 200, 201, 200, 200, 201, 200, 200, 200]
    kinds = [
        "sale" if "items" in answer.document else "queue" if "frontier" in answer.document
        else "ticket" if "ticket" in answer.document else "reservation"
        for answer in answers
    ]  # fmt: skip
    assert kinds == ["sale", "queue", "ticket", "queue", "sale", "reservation", "sale", "sale", "queue"]


async def test_what_is_ready_together_leaves_in_one_write(
    served: Served, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.send(queue(served))
    await line.answer()
    writes: list[bytes] = []
    (connection,) = served.server.server_state.connections
    real = connection.transport.write
    monkeypatch.setattr(connection.transport, "write", lambda text: (writes.append(text), real(text)))
    line.send(queue(served) * 20)
    for _ in range(20):
        await line.answer()
    line.send(join(served, "ann") + join(served, "ben") + join(served, "cid"))
    for _ in range(3):
        await line.answer()
    assert len(writes) == 2


async def test_a_request_may_come_byte_by_byte(served: Served, line: Line) -> None:
    admission = await served.scene.admission("ann")
    for text in (queue(served), reservation(admission, served)):
        for byte in text:
            line.send(bytes([byte]))
            await line.writer.drain()
            await asyncio.sleep(0)
        assert (await line.answer()).status in {200, 201}


async def test_a_repeated_poll_is_answered_as_of_now_and_never_in_place_of_another_request(
    served: Served, line: Line
) -> None:
    """A connection that says the same again is not parsed again; everything else about it is done anew."""
    line.send(queue(served))
    etag = str((await line.answer()).field("etag"))
    poll = queue(served, If_None_Match=etag)
    for _ in range(3):
        line.send(poll)
        assert (await line.answer()).status == 304
    await served.scene.ticket("ann")
    await served.scene.let_in()
    await asyncio.sleep(0.5)
    line.send(poll)
    assert (await line.answer()).status == 200, "the document has changed"
    for text, status in ((sale(served), 200), (poll, 200), (poll + poll, 200), (poll, 200), (poll[:30], 0)):
        line.send(text)
        for _ in range(text.count(b"\r\n\r\n")):
            assert (await line.answer()).status == status
    line.send(poll[30:])
    assert (await line.answer()).status == 200
    head = request(
        "POST", f"{served.path}/admissions", {"Content-Length": str(len(poll)), "Content-Type": "x/y"}
    )
    line.send(poll)
    assert (await line.answer()).status == 200
    line.send(head)
    await line.writer.drain()
    await asyncio.sleep(0.05)
    line.send(poll)
    assert (await line.answer()).code == "unsupported_content_type", "inside a body it is no poll"
    token = served.scene.signed_in("ben")
    again = request("POST", f"{served.path}/tickets", token, b"")
    for status in (201, 200, 200):
        line.send(again)
        assert (await line.answer()).status == status
    bad = request("POST", f"{served.path}/admissions", token, {"ticket": 1})
    for _ in range(3):
        line.send(bad)
        assert (await line.answer()).code == "invalid_request"
    served.lane.drain()
    line.send(again)
    assert (await line.answer()).field("connection") == "close"
    assert await line.ended()


async def test_a_head_request_gets_the_head_alone(served: Served, line: Line) -> None:
    line.send(request("HEAD", f"{served.path}/queue") + queue(served))
    head, whole = await line.answer(to_head=True), await line.answer()
    assert head.status == whole.status == 200
    assert int(head.field("content-length") or 0) == len(whole.body)
    assert head.field("etag") == whole.field("etag")
    line.send(
        request("HEAD", f"{served.path}/queue", {"If-None-Match": str(head.field("etag"))}) + queue(served)
    )
    assert (await line.answer(to_head=True)).status == 304
    assert (await line.answer()).status == 200


async def test_connection_close_is_answered_and_obeyed(served: Served) -> None:
    for ask in (queue(served, Connection="close"), request("GET", served.path, {"Connection": "close"})):
        async with served.line() as line:
            line.send(queue(served) + ask + queue(served))
            assert (await line.answer()).field("connection") is None
            assert (await line.answer()).field("connection") == "close"
            assert await line.ended(), "what came after it must not be answered"


async def test_the_first_version_is_closed_unless_it_asks_to_be_kept(served: Served) -> None:
    path = f"{served.path}/queue"
    async with served.line() as line:
        line.send(request("GET", path, version="HTTP/1.0"))
        answer = await line.answer()
        assert (answer.status, answer.field("connection")) == (200, "close")
        assert await line.ended()
    async with served.line() as line:
        for _ in range(2):
            line.send(request("GET", path, {"Connection": "keep-alive"}, version="HTTP/1.0"))
            answer = await line.answer()
            assert (answer.status, answer.field("connection")) == (200, "keep-alive")


async def test_who_expects_a_continue_gets_it_in_its_turn(served: Served, line: Line) -> None:
    headers = {**served.scene.signed_in("ann"), "Expect": "100-continue", "Content-Length": "11"}
    head = request("POST", f"{served.path}/admissions", {**headers, "Content-Type": "application/json"})
    line.send(join(served, "ben") + head)
    assert (await line.answer()).status == 201
    assert (await line.answer()).status == 100
    line.send(b'{"ticket":1}'[:11])
    assert (await line.answer()).code == "malformed_json"


async def test_a_chunked_body_is_read_as_the_app_reads_it(served: Served, line: Line) -> None:
    admission = await served.scene.admission("ann")
    body = f'{{"sku":"{SKU}","quantity":1}}'.encode()
    headers = {
        "Authorization": f"Bearer {admission}",
        "Idempotency-Key": uuid4().hex,
        "Content-Type": "application/json",
        "Transfer-Encoding": "chunked",
    }
    chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (5, body[:5], len(body) - 5, body[5:])
    line.send(request("POST", f"{served.path}/reservations", headers, chunks) + queue(served))
    assert (await line.answer()).status == 201
    assert (await line.answer()).status == 200


async def test_a_peer_that_has_said_all_still_hears_its_answers(served: Served) -> None:
    admission = await served.scene.admission("ann")
    for requests in (
        [queue(served)],
        [sale(served)],
        [join(served, "ben"), sale(served), reservation(admission, served)],
    ):
        async with served.line() as line:
            line.send(b"".join(requests))
            line.half_close()
            answers = [await line.answer() for _ in requests]
            assert all(answer.status in {200, 201} for answer in answers)
            assert await line.ended()


async def test_half_a_request_at_the_end_is_forgotten_and_what_came_before_is_answered(
    served: Served,
) -> None:
    admission = await served.scene.admission("ann")
    for half in (
        queue(served)[:20],
        reservation(admission, served)[:-5],
        request("POST", "/v1/local/sign-in", {}, b"{}")[:-1],
    ):
        async with served.line() as line:
            line.send(join(served, "ben") + half)
            line.half_close()
            assert (await line.answer()).status in {200, 201}
            assert await line.ended()
    mine = await served.scene.http.get("/v1/me/reservations", headers=served.scene.signed_in("ann"))
    assert mine.json() == {"reservations": []}


async def test_a_peer_that_leaves_costs_its_neighbours_nothing(served: Served, line: Line) -> None:
    for _ in range(5):
        async with served.line() as leaver:
            leaver.send(join(served, "ann") + sale(served) + queue(served))
            leaver.writer.transport.abort()
    line.send(queue(served))
    assert (await line.answer()).status == 200


async def test_a_peer_that_does_not_read_is_not_read_from(served: Served) -> None:
    """Answers pile up in the sockets and then in the transport; from there on its requests stay in its own buffers."""
    async with served.line() as line:
        line.writer.transport.pause_reading()
        text = queue(served) * 100
        for _ in range(400):
            line.send(text)
            await asyncio.sleep(0)
        (connection,) = served.server.server_state.connections
        await eventually(lambda: connection.flow.read_paused)
        assert connection.flow.write_paused
        assert connection.transport.get_write_buffer_size() < 4 * 1024 * 1024
        line.writer.transport.resume_reading()
        for _ in range(40_000):
            assert (await line.answer()).status == 200
        assert not connection.flow.read_paused


async def test_a_peer_that_is_owed_too_much_is_not_read_from(served: Served, line: Line) -> None:
    line.send(b"".join(join(served, f"user{n}") for n in range(3 * OWED_MAX)))
    answers = [await line.answer() for _ in range(3 * OWED_MAX)]
    assert {answer.status for answer in answers} == {201}
    positions = [answer.document["position"] for answer in answers]
    assert positions == sorted(positions)


async def test_a_server_that_leaves_answers_what_it_has_begun_and_closes(served: Served, line: Line) -> None:
    admission = await served.scene.admission("ann")
    text = reservation(admission, served)
    line.send(text[:-4])
    async with served.line() as other:
        other.send(queue(served))
        await other.answer()
        served.server.should_exit = True
        await eventually(lambda: served.lane.draining)
        line.send(text[-4:])
        answer = await line.answer()
        assert (answer.status, answer.field("connection")) == (201, "close")
        assert await line.ended()
