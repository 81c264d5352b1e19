"""What the kernel tells of sockets, and that a listener can be closed without resetting whoever it has connected."""

import socket
import sys
import time
from collections.abc import Iterator

import pytest

from kit.web.kernel import (
    accept_queue,
    accept_wait_seconds,
    accepted_by_kernel,
    receipt_wait_seconds,
    turn_away,
)

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells; elsewhere the answers are None"
)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(16)
        one.setblocking(False)
        yield one


@pytest.fixture
def callers(listener: socket.socket) -> Iterator[list[socket.socket]]:
    """Three who are connected and have not been accepted."""
    made = [socket.create_connection(listener.getsockname(), timeout=5) for _ in range(3)]
    yield made
    for one in made:
        one.close()


def test_the_accept_queue_is_counted(listener: socket.socket, callers: list[socket.socket]) -> None:
    assert accept_queue(listener) == len(callers)


def test_a_connection_tells_how_long_it_and_its_bytes_waited(
    listener: socket.socket, callers: list[socket.socket]
) -> None:
    callers[0].sendall(b"x")
    time.sleep(0.2)
    for accepted in accepted_by_kernel(listener):
        with accepted:
            waited = accept_wait_seconds(accepted)
            assert waited is not None
            assert 0.15 <= waited < 5
            if accepted.getpeername() == callers[0].getsockname():
                waited = receipt_wait_seconds(accepted)
                assert waited is not None
                assert 0.15 <= waited < 5


def test_a_closed_socket_tells_nothing(listener: socket.socket) -> None:
    gone = socket.socket()
    gone.close()
    assert (accept_queue(gone), receipt_wait_seconds(gone), accept_wait_seconds(None)) == (0, None, None)


def test_who_is_turned_away_is_not_connected_and_who_was_connected_is_answered(
    listener: socket.socket, callers: list[socket.socket]
) -> None:
    assert turn_away(listener)
    with pytest.raises(TimeoutError):
        socket.create_connection(listener.getsockname(), timeout=0.3)
    accepted = accepted_by_kernel(listener)
    assert len(accepted) == len(callers)
    address = listener.getsockname()
    listener.close()
    for one in accepted:
        one.sendall(b"answer")
        one.close()
    assert [one.recv(16) for one in callers] == [b"answer"] * 3
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)


def test_control_a_listener_that_is_just_closed_resets_who_it_has_connected(
    listener: socket.socket, callers: list[socket.socket]
) -> None:
    listener.close()
    with pytest.raises(ConnectionResetError):
        callers[0].recv(16)
