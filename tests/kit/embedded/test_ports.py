"""Ports on loopback."""

import socket

from kit.embedded.ports import free_port, is_taken


def test_a_free_port_can_be_bound_and_is_taken_then() -> None:
    port = free_port()
    assert not is_taken("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        assert is_taken("127.0.0.1", port)
