"""Cutting answers out of a byte stream, wherever it is cut on the way."""

import pytest

from loadtests.bench.client.lines import Line, Tally, read_answers

STREAM = (
    b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nfirst"
    b'HTTP/1.1 304 Not Modified\r\nETag: W/"x"\r\n\r\n'
    b"HTTP/1.1 409 Conflict\r\nContent-Type: a\r\nContent-Length: 6\r\n\r\nsecond"
    b"HTTP/1.1 204 No Content\r\n\r\n"
    b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
)


class Heard(Line):
    def __init__(self) -> None:
        super().__init__(Tally(keep_granted=True))
        self.heard = 0

    def answered(self, answers: int) -> None:
        self.heard += answers


def whole() -> Heard:
    line = Heard()
    line.outstanding = 5
    return line


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_answers_are_the_same_however_the_stream_is_cut(size: int) -> None:
    line = whole()
    for start in range(0, len(STREAM), size):
        line.data_received(STREAM[start : start + size])
    assert line.tally.by_status() == {"201": 2, "204": 1, "304": 1, "409": 1}
    assert line.tally.bodies == [b"first", b""]
    assert (line.heard, line.outstanding, line.rest) == (5, 0, b"")


def test_an_answer_that_cannot_be_read_breaks_the_run() -> None:
    line = whole()
    line.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    assert line.tally.broken is not None
    assert "chunked" in line.tally.broken


def test_a_length_that_is_no_number_breaks_the_run() -> None:
    line = whole()
    line.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok")
    assert line.tally.broken is not None


def test_what_is_outstanding_when_the_connection_ends_is_lost() -> None:
    line = whole()
    line.data_received(STREAM[:50])
    line.connection_lost(None)
    assert line.tally.lost == 4


def test_slow_askers_get_status_and_body() -> None:
    assert list(read_answers(STREAM[:51])) == [(201, b"first")]
    assert [status for status, _ in read_answers(STREAM)] == [201, 304, 409, 204, 201]
