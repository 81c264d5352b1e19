"""Ports on loopback."""

import socket

from kit.embedded.ports import CLUSTER_BUS_OFFSET, LAST_PORT, free_cluster_port, free_port, is_taken


def test_a_free_port_can_be_bound_and_is_taken_then() -> None:
    port = free_port()
    assert not is_taken("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        assert is_taken("127.0.0.1", port)


def test_a_cluster_port_leaves_its_bus_a_port_that_no_client_is_given() -> None:
    port = free_cluster_port()
    assert port + CLUSTER_BUS_OFFSET < LAST_PORT
    with socket.create_server(("127.0.0.1", port + CLUSTER_BUS_OFFSET)):
        assert is_taken("127.0.0.1", port + CLUSTER_BUS_OFFSET)
