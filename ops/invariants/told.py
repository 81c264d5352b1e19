"""Truths that the crowd's history proves by itself, without asking any store. Pure."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from ops.invariants.history import Told

# Without the time of asking, an answer may be as old as the crowd's request time-out; only what lies further apart
# than that is known to have happened in that order.
ANSWER_SECONDS_MAX: Final = 10.0
# Each gateway answers from a view of the frontier that is a second old, and a lost Redis takes it back to the durable
# one; so only who asks this much later than another was let in has been passed over.
TURN_SECONDS_MAX: Final = 5.0
GRANTED: Final = frozenset({"admitted", "reserved", "payment_opened", "paid", "confirmed", "rewarded"})


def positions_shared(lines: Sequence[Told]) -> list[str]:
    """Positions that were told to more than one shopper."""
    owners: dict[int, set[str]] = defaultdict(set)
    for line in lines:
        if line.what == "joined" and line.position is not None:
            owners[line.position].add(line.user)
    return [str(owned) for owned, users in owners.items() if len(users) > 1]


def places_inverted(lines: Sequence[Told]) -> list[str]:
    """Shoppers who asked for a place after another had been answered, and got a lower one.

    A shopper's first answer counts: whoever joins again keeps the place, or lost it with Redis and starts anew.
    """
    asked, told = [], []
    seen: set[str] = set()
    for line in lines:
        if line.what != "joined" or line.position is None or line.user in seen:
            continue
        seen.add(line.user)
        asked.append((_asked_at(line), line.position))
        told.append((line.at, line.position))
    return _inversions(sorted(asked), sorted(told))


def turns_inverted(lines: Sequence[Told]) -> list[str]:
    """Shoppers who were sent back to wait although somebody behind them had been let in before they asked."""
    admitted, refused = [], []
    for line in lines:
        if line.position is None:
            continue
        if line.what == "admitted":
            admitted.append((line.at, line.position))
        elif line.what == "refused" and line.code == "not_your_turn":
            refused.append((_asked_at(line) - TURN_SECONDS_MAX, line.position))
    return _inversions(sorted(refused), sorted(admitted))


def _asked_at(line: Told) -> float:
    return line.at - ANSWER_SECONDS_MAX if line.asked_at is None else line.asked_at


def _inversions(asked: list[tuple[float, int]], told: list[tuple[float, int]]) -> list[str]:
    """Those of `asked` (time, position) that lie below the highest position that was `told` before that time."""
    found, highest, place = [], -1, 0
    for asked_at, position in asked:
        while place < len(told) and told[place][0] < asked_at:
            highest = max(highest, told[place][1])
            place += 1
        if position < highest:
            found.append(f"position/{position}")
    return found


def keys_with_two_answers(lines: Sequence[Told]) -> list[str]:
    """Idempotency keys under which a shopper was told two different reservations."""
    answers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in lines:
        if line.what == "reserved" and line.key is not None and line.reservation_id is not None:
            answers[line.user, line.key].add(line.reservation_id)
    return [min(reservations) for reservations in answers.values() if len(reservations) > 1]


def reservations_shared(lines: Sequence[Told]) -> list[str]:
    """Reservations that were acknowledged to more than one shopper."""
    owners: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        if line.what == "reserved" and line.reservation_id is not None:
            owners[line.reservation_id].add(line.user)
    return [str(owned) for owned, users in owners.items() if len(users) > 1]


def forgeries_accepted(lines: Sequence[Told]) -> list[str]:
    """Lines that tell of something a forger was given, or of a forgery answered with anything but a plain refusal.

    No answer at all (a killed gateway) is no acceptance.
    """
    return [f"line/{number}" for number, line in enumerate(lines, start=1) if _is_accepted(line)]


def _is_accepted(line: Told) -> bool:
    if line.what == "forged_refused":
        return not 400 <= line.status < 500
    if line.persona != "forger":
        return False
    forged = line.what == "error" and (line.code or "").startswith("forgery")
    return line.what in GRANTED or (forged and 200 <= line.status < 400)


TOLD_TRUTHS: Final[tuple[tuple[str, str, Callable[[Sequence[Told]], list[str]]], ...]] = (
    ("told_positions_unique", "no position was told to two shoppers", positions_shared),
    ("told_fifo", "nobody who came later was given an earlier place", places_inverted),
    ("told_turns", "nobody was let in before someone who stood ahead and asked", turns_inverted),
    ("told_one_answer_a_key", "no idempotency key was answered with two reservations", keys_with_two_answers),
    ("told_reservations_unique", "no reservation was acknowledged to two shoppers", reservations_shared),
    ("forgeries_refused", "everything forged was refused", forgeries_accepted),
)
