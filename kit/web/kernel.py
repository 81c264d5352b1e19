"""What the kernel knows of a socket: how long bytes waited before anybody read them, how many wait to be accepted; and
how a listener is closed without resetting anybody.

Only Linux tells (`TCP_INFO`) and only Linux is told (`SO_ATTACH_FILTER`); elsewhere the answers are None, 0 and False.
"""

import ctypes
import socket
import struct
import sys
from typing import Any, Final

_INFO: Final = getattr(socket, "TCP_INFO", None)
# struct tcp_info: 8 bytes of flags, then 32-bit fields; those read here have stood there since Linux 2.6.
_UNACKED, _LAST_DATA_RECEIVED, _LAST_ACK_RECEIVED = 8 + 4 * 4, 8 + 4 * 11, 8 + 4 * 12
_BYTES: Final = 8 + 4 * 13
_ATTACH_FILTER: Final = 26
# Classic BPF over the TCP header: drop what has SYN and not ACK (a first knock), pass everything else.
_NO_FIRST_KNOCKS: Final = (
    (0x30, 0, 0, 13),  # load the flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # only SYN?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # pass
)


def _field(of: Any, offset: int) -> int | None:
    if _INFO is None or of is None:
        return None
    try:
        info = of.getsockopt(socket.IPPROTO_TCP, _INFO, _BYTES)
    except OSError:
        return None
    return int(struct.unpack_from("=I", info, offset)[0]) if len(info) >= _BYTES else None


def receipt_wait_seconds(of: Any) -> float | None:
    """How long ago the last bytes came in: just after they were read, how long they waited. In milliseconds' steps."""
    waited = _field(of, _LAST_DATA_RECEIVED)
    return None if waited is None else waited / 1000


def accept_wait_seconds(of: Any) -> float | None:
    """How long ago the peer last acknowledged anything: just after the accept, how long it waited for it, at least."""
    waited = _field(of, _LAST_ACK_RECEIVED)
    return None if waited is None else waited / 1000


def accept_queue(listener: socket.socket) -> int:
    """Connections that are made and wait to be accepted."""
    return (_field(listener, _UNACKED) or 0) if listener.fileno() >= 0 else 0


def turn_away(listener: socket.socket) -> bool:
    """From now on nobody new is connected, as if the first packet had been lost; whoever is being connected still is.

    A listener closed while it connects people resets them after they have been told that they are connected. Who is
    turned away knocks again after a second and finds the port closed, which is a clear word to go elsewhere.
    """
    if sys.platform != "linux":
        return False
    program = b"".join(struct.pack("=HBBI", *one) for one in _NO_FIRST_KNOCKS)
    held = ctypes.create_string_buffer(program, len(program))
    filter_of = struct.pack("@HP", len(_NO_FIRST_KNOCKS), ctypes.addressof(held))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, filter_of)
    except OSError:
        return False
    return True


def accepted_by_kernel(listener: socket.socket) -> list[socket.socket]:
    """Takes everybody who has been connected and not been accepted yet: closing the listener would reset them."""
    accepted: list[socket.socket] = []
    while True:
        try:
            one, _ = listener.accept()
        except OSError:  # nobody is left, or the listener is gone
            return accepted
        one.setblocking(False)
        accepted.append(one)
