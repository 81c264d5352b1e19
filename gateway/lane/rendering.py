"""Answers as bytes: heads written once a second, bodies encoded from typed documents."""

from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from flashsale.facts import Reservation, Reserved
from gateway.limits_headers import limit_field, policy_field
from kit.clock import rfc3339
from queueing.limits.decisions import Decision
from queueing.limits.terms import Terms
from queueing.service import Admission, Ticket

LENGTH: Final = b"content-type: application/json\r\ncontent-length: "
LIMITS_KEPT_MAX: Final = 4096  # most callers are near a full bucket, so few numbers come again and again
_encode: Final = msgspec.json.Encoder().encode
# A batch is held at one instant, so its answers share their times.
_instant: Final = lru_cache(maxsize=256)(rfc3339)


class TicketDocument(msgspec.Struct, gc=False):
    """`gateway.answers.TicketAnswer`."""

    ticket: str
    position: int


class AdmissionDocument(msgspec.Struct, gc=False):
    """`gateway.answers.AdmissionAnswer`."""

    admission: str
    expires_at: str
    position: int


class ReservationDocument(msgspec.Struct, gc=False):
    """`gateway.answers.ReservationAnswer`."""

    reservation_id: UUID
    sale_id: str
    sku: str
    quantity: int
    amount_minor: int
    currency: str
    state: str
    end_reason: str | None
    held_at: str
    expires_at: str
    ended_at: str | None
    regrant_of: UUID | None
    regranted_as: UUID | None


def reservation_document(held: Reservation) -> ReservationDocument:
    return ReservationDocument(
        held.reservation_id,
        held.sale_id,
        held.sku,
        held.quantity,
        held.amount_minor,
        held.currency,
        held.state,
        held.end_reason,
        _instant(held.held_at),
        _instant(held.expires_at),
        None if held.ended_at is None else _instant(held.ended_at),
        held.regrant_of,
        held.regranted_as,
    )


class Heads:
    """The heads of this second's answers."""

    def __init__(self) -> None:
        self._limits: dict[tuple[Terms, tuple[int, ...]], bytes] = {}
        self.renew("")

    def renew(self, date: str) -> None:
        """Writes them anew; `date` as RFC 9110, 5.6.7 has it."""
        self.date = f"date: {date}\r\n".encode()
        self.ok = b"HTTP/1.1 200 OK\r\n" + self.date
        self.created = b"HTTP/1.1 201 Created\r\n" + self.date
        self.replayed = self.created + b"idempotency-replayed: true\r\n"

    def limits(self, decision: Decision) -> bytes:
        """What an answer says of the limits that let its request pass: it follows from what is left of each."""
        terms = decision.terms
        key = (terms, tuple([decision.remaining(place) for place in range(len(terms.policies))]))
        told = self._limits.get(key)
        if told is None:
            policies, field = policy_field(terms.policies), limit_field(decision)
            told = f"ratelimit-policy: {policies}\r\n".encode() if policies else b""
            told += f"ratelimit: {field}\r\n".encode() if field else b""
            if len(self._limits) >= LIMITS_KEPT_MAX:
                self._limits.clear()
            self._limits[key] = told
        return told

    def ticket(self, ticket: Ticket, limits: bytes) -> bytes:
        body = _encode(TicketDocument(ticket.token, ticket.position))
        return _whole(self.created if ticket.first else self.ok, limits, body)

    def admission(self, given: Admission) -> bytes:
        body = _encode(AdmissionDocument(given.token, _instant(given.expires_at), given.position))
        return _whole(self.created, b"", body)

    def reserved(self, reserved: Reserved, limits: bytes) -> bytes:
        body = _encode(reservation_document(reserved.reservation))
        return _whole(self.replayed if reserved.replayed else self.created, limits, body)


def _whole(head: bytes, fields: bytes, body: bytes) -> bytes:
    return b"%b%b%b%d\r\n\r\n%b" % (head, fields, LENGTH, len(body), body)
