"""Tickets: a signed place in the waiting room, bound to a user and a sale.

The position is inside, so that a loss of Redis takes no place from anybody who still has the ticket.
"""

from typing import Final

import msgspec

from kit.signing import Keyring, TokenRefused
from queueing.errors import TicketInvalid

PURPOSE: Final = "ticket"


class TicketFacts(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
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
    try:
        facts = _decoder.decode(keyring.verify(PURPOSE, token))
    except TokenRefused as error:
        raise TicketInvalid(error.reason) from None
    except msgspec.DecodeError:
        raise TicketInvalid("malformed") from None
    if (facts.sale_id, facts.user_id) != (sale_id, user_id):
        raise TicketInvalid("foreign")
    return facts
