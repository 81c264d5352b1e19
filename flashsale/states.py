"""What a reservation and one of its payments can be together, what can happen to them, what a step may ask for."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

# The reason of a payment that only people can clear up; a gauge counts it and a runbook names it.
NEEDS_PEOPLE: Final = "payment_needs_people"


class Hold(StrEnum):
    """The reservation. A hold ends once, as one of the other three."""

    HELD = "held"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


class Money(StrEnum):
    """One payment of the reservation."""

    NONE = "none"  # nobody has asked for its page
    OPEN = "open"  # its page may be paid
    UNKNOWN = "unknown"  # the provider was asked what became of it, and did not answer
    BLOCKED = "blocked"  # asked in vain for too long, or told what contradicts itself: people must look
    FAILED = "failed"  # the provider said no, or that nobody has paid
    SUPERSEDED = (
        "superseded"  # closed here, because another payment bought the units; its page may still be paid
    )
    LATE = "late"  # paid in full after the hold had ended; lives within one transaction
    SERVING = "serving"  # paid, and the units are the shopper's for it
    REFUND_DUE = "refund_due"
    REFUND_SENT = "refund_sent"  # the provider was asked to send it back
    REFUNDED = "refunded"


class Event(StrEnum):
    """What happens to them."""

    RELEASED = "released"  # the shopper lets go of the hold
    DEADLINE = "deadline"  # the time to pay has run out
    OPENED = "opened"  # the shopper asks where to pay
    PAID = "paid"  # the first word that it succeeded, with exactly what is due
    PAID_PART = "paid_part"  # with less
    PAID_MORE = "paid_more"  # with more
    PAID_CURRENCY = "paid_currency"  # in another currency
    PAID_AGAIN = "paid_again"  # a later word that it succeeded, with the sum of the first
    PAID_OTHERWISE = "paid_otherwise"  # with another sum than the first
    UNITS_FOUND = "units_found"  # there are units for late money
    SOLD_OUT = "sold_out"  # there are none
    LIMIT_REACHED = "limit_reached"  # the shopper has bought as many meanwhile as one may
    OTHER_BOUGHT = "other_bought"  # another payment of the same reservation got the units
    REFUSED = "refused"  # the provider says no
    UNPAID = "unpaid"  # asked, the provider says that nobody has paid
    UNPAID_FOR_LONG = "unpaid_for_long"
    UNANSWERED = "unanswered"  # asked, it does not answer
    UNANSWERED_FOR_LONG = "unanswered_for_long"
    REFUND_RUNG = "refund_rung"  # somebody is about to ask for the money to be sent back
    REFUNDED = "refunded"  # the provider says that it has gone back


class Effect(StrEnum):
    """What whoever takes a step must do in the transaction that writes it."""

    OPEN_PAYMENT = "open_payment"  # a payment row of its own
    RETURN_UNITS = "return_units"  # to the ledger now, to Redis once that is durable
    SEEK_UNITS = "seek_units"  # under the item's lock; its answer is the next event
    TAKE_UNITS = "take_units"  # for a reservation in the ended one's place
    SUPERSEDE_OTHERS = "supersede_others"  # OTHER_BOUGHT for every other payment of the reservation
    ANNOUNCE = "announce"  # the event of a confirmed reservation, for the other rooms
    ASK_AGAIN = "ask_again"  # at the provider, later
    SEND_REFUND = "send_refund"
    CALL_PEOPLE = "call_people"


Outcome = Literal[
    "released", "expired", "hold_ended", "hold_expired", "already_paid", "opened", "same_payment",
    "confirmed", "late", "regranted", "refund_due", "refused", "refunded", "duplicate", "unmatched", "needs_people",
    "superseded", "asked_again", "abandoned", "refund_sent", "not_due", "nothing",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """`bought`: some payment of the reservation got units, in the hold itself or in a re-grant after its end."""

    hold: Hold
    money: Money = Money.NONE
    bought: bool = False

    @property
    def may_be(self) -> bool:
        """Whether a reservation and a payment can stand so: money serves only what was bought, and nothing is late then."""
        if (self.hold is Hold.HELD and self.bought) or (self.hold is Hold.CONFIRMED and not self.bought):
            return False
        match self.money:
            case Money.SERVING:
                return self.bought
            case Money.LATE:
                return self.hold in ENDED and not self.bought
            case Money.OPEN | Money.UNKNOWN:
                return not self.bought
            case Money.SUPERSEDED:
                return self.bought
            case _:
                return True


@dataclass(frozen=True, slots=True)
class Step:
    """Where an event leads. `reason` is why a payment now stands as it does, None where nothing more is to be said."""

    state: State
    outcome: Outcome
    effects: tuple[Effect, ...] = ()
    reason: str | None = None


ENDED: Final = frozenset({Hold.RELEASED, Hold.EXPIRED})
# Money of which the provider has said nothing final: it is asked.
UNHEARD: Final = frozenset({Money.OPEN, Money.UNKNOWN, Money.BLOCKED, Money.SUPERSEDED})
# A success may still come for these; a card that was refused can be tried again on the same page.
PAYABLE: Final = UNHEARD | {Money.FAILED}
# The first word that money has come, whatever the sum.
FIRST_PAID: Final = frozenset({Event.PAID, Event.PAID_PART, Event.PAID_MORE, Event.PAID_CURRENCY})


def every_state() -> Iterator[State]:
    """Every way in which a reservation and a payment can stand."""
    for hold in Hold:
        for money in Money:
            for bought in (False, True):
                if (state := State(hold, money, bought)).may_be:
                    yield state
