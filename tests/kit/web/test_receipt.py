"""Who sends slowly, endlessly or nothing at all is ended in time and in form, and costs the others nothing."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

import pytest

from tests.kit.web.running import GET, Running, dialled, read_answer, rest_of, running, trickle


@pytest.fixture(scope="module")
def impatient() -> Iterator[Running]:
    """A server whose bounds are short, so that the tests are."""
    with running(head_seconds=1.0, body_seconds=1.0, idle_seconds=1.0, stall_seconds=1.0) as server:
        yield server


async def test_a_slow_head_is_answered_408_and_closed(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        sending = asyncio.create_task(trickle(writer, b"GET /quick HTTP/1.1\r\nx-slow: " + b"a" * 100))
        answer = await read_answer(reader)
        assert (answer.status, answer.problem["code"]) == (408, "request_timeout")
        assert answer.headers["connection"] == "close"
        assert await rest_of(reader) == b""
        sending.cancel()
        assert impatient.metric('floodgate_http_cut_off_total{reason="slow_head"}') >= 1


async def test_a_slow_body_is_answered_408_in_the_language_of_its_head(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        writer.write(
            b"POST /echo HTTP/1.1\r\nhost: tiny\r\naccept-language: zh-CN\r\ncontent-length: 100\r\n\r\n"
        )
        sending = asyncio.create_task(trickle(writer, b"a" * 100))
        answer = await read_answer(reader)
        assert (answer.status, answer.problem["code"]) == (408, "request_timeout")
        assert answer.headers["content-language"] == "zh-CN"
        assert answer.headers["connection"] == "close"
        sending.cancel()


async def test_a_body_that_takes_its_time_within_the_bound_is_read(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        writer.write(b"POST /echo HTTP/1.1\r\nhost: tiny\r\ncontent-length: 3\r\n\r\n")
        await trickle(writer, b"abc", every_seconds=0.1)
        answer = await read_answer(reader)
        assert (answer.status, answer.body) == (200, b'{"size":3}')


async def test_a_connection_that_says_nothing_is_closed_without_a_word(impatient: Running) -> None:
    async with dialled(impatient) as (reader, _):
        assert await rest_of(reader) == b""


async def test_a_connection_that_rests_is_closed_without_a_word(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        writer.write(GET)
        assert (await read_answer(reader)).status == 200
        assert await rest_of(reader) == b""


async def test_empty_lines_do_not_keep_a_connection_open(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        writer.write(GET)
        await read_answer(reader)
        sending = asyncio.create_task(trickle(writer, b"\r\n" * 100))
        assert await rest_of(reader) == b""
        sending.cancel()


async def test_a_slow_answer_is_not_mistaken_for_a_slow_caller(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        writer.write(b"GET /slow?seconds=3.5 HTTP/1.1\r\nhost: tiny\r\n\r\n")
        answer = await read_answer(reader)
        assert (answer.status, answer.body) == (200, b'{"answer":"slow"}')


async def test_a_half_sent_successor_waits_for_the_answer_before_it(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        writer.write(b"GET /slow?seconds=2.5 HTTP/1.1\r\nhost: tiny\r\n\r\nGET /qui")
        assert (await read_answer(reader)).status == 200
        assert (await read_answer(reader)).problem["code"] == "request_timeout"


async def test_garbage_after_a_request_is_answered_after_its_answer(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        writer.write(b"GET /slow?seconds=0.3 HTTP/1.1\r\nhost: tiny\r\n\r\n\x00\x01garbage\r\n\r\n")
        assert (await read_answer(reader)).status == 200
        assert (await read_answer(reader)).problem["code"] == "bad_request"
        assert await rest_of(reader) == b""


async def test_a_caller_that_does_not_read_its_answer_is_given_up(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        before = impatient.metric('floodgate_http_cut_off_total{reason="stalled"}')
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /large?bytes_size=30000000 HTTP/1.1\r\nhost: tiny\r\n\r\n")
        deadline = time.monotonic() + 20
        while impatient.metric('floodgate_http_cut_off_total{reason="stalled"}') == before:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("count", [101, 10_000])
async def test_too_many_headers_are_answered_431(impatient: Running, count: int) -> None:
    async with dialled(impatient) as (reader, writer):
        writer.write(
            b"GET /quick HTTP/1.1\r\n" + b"".join(b"x-%d: a\r\n" % n for n in range(count)) + b"\r\n"
        )
        answer = await read_answer(reader)
        assert (answer.status, answer.problem["code"]) == (431, "headers_too_large")
        assert answer.headers["connection"] == "close"


async def test_a_hundred_headers_are_taken(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        writer.write(b"GET /quick HTTP/1.1\r\n" + b"".join(b"x-%d: a\r\n" % n for n in range(100)) + b"\r\n")
        assert (await read_answer(reader)).status == 200


async def test_an_endless_header_is_answered_431_before_its_end(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        writer.write(b"GET /quick HTTP/1.1\r\nx: ")

        async def send() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"a" * 4096)
                    await writer.drain()
                    await asyncio.sleep(0.001)

        sending = asyncio.create_task(send())
        with contextlib.suppress(
            ConnectionResetError
        ):  # what is sent after the answer may meet a closed socket
            assert (await read_answer(reader)).problem["code"] == "headers_too_large"
        sending.cancel()
        assert impatient.probe("/livez").status_code == 200


async def test_many_small_requests_in_one_chunk_are_no_large_head(impatient: Running) -> None:
    async with dialled(impatient) as (reader, writer):
        one = b"GET /quick HTTP/1.1\r\nhost: tiny\r\nx: " + b"a" * 200 + b"\r\n\r\n"
        writer.write(one * 300 + one[:100])
        for _ in range(300):
            assert (await read_answer(reader)).status == 200
        writer.write(one[100:])
        assert (await read_answer(reader)).status == 200
