"""Which priority a request has, by its method and path: the one table of what matters more."""

from enum import Enum
from typing import Final

from gateway.overload.priority import Priority


class Seat(Enum):
    """Where a request waits: under a permit of its priority, apart, or nowhere."""

    PAY = Priority.PAY
    RESERVE = Priority.RESERVE
    JOIN = Priority.JOIN
    BROWSE = Priority.BROWSE
    # Waits for the payment provider, not for us: it must neither fill our places nor look like our slowness.
    ABROAD = "abroad"
    STREAM = "stream"  # lives for minutes and is bounded by the live room


_STREAM: Final = "/v1/me/events"


def seat_of(method: str, path: str) -> Seat:
    """The seat of a request. What is not known is browsing: nobody can climb by inventing an address."""
    if path.startswith("/v1/sales/"):
        return _of_sale(method, path)
    if path.startswith("/v1/webhooks/"):
        return Seat.PAY
    if path.startswith("/v1/reservations/"):
        if path.endswith("/payment"):
            return Seat.ABROAD if method == "POST" else Seat.BROWSE
        return Seat.RESERVE if method == "DELETE" else Seat.JOIN
    if path == _STREAM:
        return Seat.STREAM if method == "GET" else Seat.BROWSE
    if path.startswith(("/v1/me/", "/v1/local/")):
        return Seat.JOIN
    return Seat.BROWSE


def _of_sale(method: str, path: str) -> Seat:
    if method == "POST":
        if path.endswith("/reservations"):
            return Seat.RESERVE
        if path.endswith(("/tickets", "/admissions")):
            return Seat.JOIN
    return Seat.BROWSE
