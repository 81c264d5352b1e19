"""Tickets: a signed place in the waiting room, bound to a user and a sale.

The position is inside, so that a loss of Redis takes no place from anybody who still has the ticket.
"""

from typing import Final

import msgspec

from kit.signing import Keyring, as_bytes
from queueing.errors import TicketInvalid

PURPOSE: Final = "ticket"


class TicketFacts(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What a ticket says."""

    sale_id: str
    user_id: str
    position: int


_decoder = msgspec.msgpack.Decoder(TicketFacts)


def sign_ticket(keyring: Keyring, facts: TicketFacts) -> str:
    """The ticket as a token."""
    return keyring.sign(PURPOSE, msgspec.msgpack.encode(facts))


def open_ticket(keyring: Keyring, token: str, *, sale_id: str, user_id: str) -> TicketFacts:
    """The facts of `token`. Raises `TicketInvalid`: not ours, or somebody else's."""
    facts = read_ticket(keyring, as_bytes(token), sale_id=sale_id, user_id=user_id)
    if isinstance(facts, str):
        raise TicketInvalid(facts)
    return facts


def read_ticket(keyring: Keyring, token: bytes, *, sale_id: str, user_id: str) -> TicketFacts | str:
    """The facts of `token`, or the reason why it is no ticket of this user for this sale."""
    content = keyring.open(PURPOSE, token)
    if isinstance(content, str):
        return content
    try:
        facts = _decoder.decode(content)
    except msgspec.DecodeError:
        return "malformed"
    return facts if facts.sale_id == sale_id and facts.user_id == user_id else "foreign"
