"""Who comes: seeded shoppers with a character each. Same seed, same crowd, whatever the machine does meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from random import Random
from typing import Final


class Persona(StrEnum):
    """What a shopper is like."""

    BUYER = "buyer"
    LEAVER = "leaver"  # goes away at a random step, mostly without a word
    DOUBLE_CLICKER = "double_clicker"  # sends the same reservation twice at once, then another key
    REFRESHER = "refresher"  # reloads place and document by itself
    LATECOMER = "latecomer"  # comes after the opening
    LATE_PAYER = "late_payer"  # pays after the hold, or so that the notice comes late
    ABANDONER = "abandoner"  # holds and never pays
    RELEASER = "releaser"  # holds and gives it back
    FORGER = "forger"  # everything it sends must be refused


SHARES: Final = {
    Persona.BUYER: 55,
    Persona.LEAVER: 8,
    Persona.DOUBLE_CLICKER: 7,
    Persona.REFRESHER: 8,
    Persona.LATECOMER: 8,
    Persona.LATE_PAYER: 4,
    Persona.ABANDONER: 2,
    Persona.RELEASER: 3,
    Persona.FORGER: 5,
}


class Exit(StrEnum):
    """The step after which a leaver is gone."""

    SIGNED_IN = "signed_in"
    JOINED = "joined"
    ADMITTED = "admitted"
    PAYMENT_OPENED = "payment_opened"


# Stayers wait beside the door for units that come back. They are counted, not diced: a small crowd whose dice gave it
# none left its last returned unit to nobody. Three in ten buyers are more than the units of a demo, so that some of them
# have none yet when the last comes back. A few hundred see each unit at once; more would only send it a storm of refusals.
STAYERS_MAX: Final = 200
STAYS: Final = 0.3
BUYS_SEVERAL: Final = 0.1
CARD_REFUSED_FIRST: Final = 0.04
WATCHES_LIVE: Final = 0.4


@dataclass(frozen=True, slots=True)
class Shopper:
    """One shopper's character; everything that chance decides about it is decided here."""

    number: int
    user_id: str
    phone: str
    persona: Persona
    exit_after: Exit | None
    stays: bool
    wishes_several: bool
    item_turn: int  # which item it looks at first; taken modulo the number of items
    think_seconds: float
    card_refused_first: bool
    watches_live: bool
    webhook_delay_ms: int
    webhook_copies: int


def draw_crowd(shoppers: int, seed: int) -> Iterator[Shopper]:
    """The crowd in order of number; every persona has its share, to within one shopper."""
    dice = Random(f"personas:{seed}")
    personas = _shares(shoppers)
    dice.shuffle(personas)
    buyers = 0
    stayers = min(STAYERS_MAX, ceil(STAYS * personas.count(Persona.BUYER)))
    for number, persona in enumerate(personas):
        stays = persona is Persona.BUYER and buyers < stayers
        buyers += persona is Persona.BUYER
        yield _draw(number, seed, persona, stays=stays, dice=dice)


def _shares(shoppers: int) -> list[Persona]:
    whole = sum(SHARES.values())
    personas = [persona for persona, share in SHARES.items() for _ in range(shoppers * share // whole)]
    # What rounding leaves over goes to the rarest first, so that a small crowd has one of most kinds.
    rarest = sorted(SHARES, key=lambda persona: SHARES[persona])
    return personas + [rarest[place % len(rarest)] for place in range(shoppers - len(personas))]


def _draw(number: int, seed: int, persona: Persona, *, stays: bool, dice: Random) -> Shopper:
    late = persona is Persona.LATE_PAYER
    return Shopper(
        number=number,
        user_id=f"shopper-{seed}-{number:06d}",
        phone=f"138{dice.randrange(10**8):08d}",
        persona=persona,
        exit_after=dice.choice(list(Exit)) if persona is Persona.LEAVER else None,
        stays=stays,
        wishes_several=dice.random() < BUYS_SEVERAL,
        item_turn=dice.randrange(64),
        think_seconds=dice.uniform(0.1, 1.0),
        card_refused_first=persona is Persona.BUYER and dice.random() < CARD_REFUSED_FIRST,
        watches_live=persona is not Persona.FORGER and dice.random() < WATCHES_LIVE,
        webhook_delay_ms=dice.randrange(2_000, 5_000) if late else dice.choice((0, 0, 0, 100, 500)),
        webhook_copies=dice.choice((1, 1, 1, 2, 3)),
    )
