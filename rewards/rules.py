"""Pure rules of rewards: who earns, what a payout does next, how long it waits. No I/O and no clock."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from kit.money import AMOUNT_MINOR_MAX

Kind = Literal["points", "coupon", "cash"]

POINTS: Final = "PTS"
COUPONS: Final = "CPN"
ATTEMPTS_MAX: Final = 5  # declines in a row before a person looks; with the waits below about half a minute
DECLINE_WAIT_SECONDS: Final = 2.0  # doubled with each number
UNKNOWN_WAIT_SECONDS_MIN: Final = 1.0
UNKNOWN_WAIT_SECONDS_MAX: Final = (
    60.0  # an outage of hours costs the provider one question a minute and payout
)

# blocked: by whom it is unblocked.
OWNER_FINANCE: Final = "finance"
OWNER_OPERATIONS: Final = "operations"
BUDGET_SPENT: Final = "budget_spent"


@dataclass(frozen=True, slots=True)
class RulePlan:
    """A reward rule as the sale file states it. `amount_minor`: points, coupons, or minor units of money."""

    rule_id: str
    kind: Kind
    amount_minor: int
    currency: str
    coupon_code: str | None
    first_n: int | None
    budget_minor: int


def find_fault(plan: RulePlan) -> tuple[str, str] | None:
    """The field that cannot be meant and why, or None."""
    if not 1 <= plan.amount_minor <= AMOUNT_MINOR_MAX:
        return "amount_minor", f"must lie in 1..{AMOUNT_MINOR_MAX}"
    if not plan.amount_minor <= plan.budget_minor <= AMOUNT_MINOR_MAX:
        return "budget_minor", f"must cover one reward and not exceed {AMOUNT_MINOR_MAX}"
    if plan.first_n is not None and plan.first_n < 1:
        return "first_n", "must be at least 1, or left out for everybody"
    if (plan.coupon_code is not None) != (plan.kind == "coupon"):
        return "coupon_code", "belongs to a coupon, and every coupon has one"
    expected = {"points": POINTS, "coupon": COUPONS}.get(plan.kind)
    if expected is None and plan.currency in {POINTS, COUPONS}:
        return "currency", "cash is paid in money"
    if expected is not None and plan.currency != expected:
        return "currency", f"must be {expected} for {plan.kind}"
    return None


Verdict = Literal["earned", "first_n_reached", "budget_spent", "wait_for_earlier"]


def judge(
    *, granted: int, first_n: int | None, amount_minor: int, budget_left_minor: int, earlier_open: int
) -> Verdict:
    """Whether a confirmation earns the reward, seen under the lock of its rule.

    `earlier_open` confirmations came before and have not been judged: as long as what is left suffices for them too
    nobody waits; at the edge they go first, so that "the first N" are the first N.
    """
    if first_n is not None and granted >= first_n:
        return "first_n_reached"
    if budget_left_minor < amount_minor:
        return "budget_spent"
    left = budget_left_minor // amount_minor
    if first_n is not None:
        left = min(left, first_n - granted)
    return "earned" if earlier_open < left else "wait_for_earlier"


Outcome = Literal["unknown", "paid", "declined"]


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """The newest attempt of a payout."""

    number: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Open:
    """Commit a new attempt of this number, then send it."""

    number: int


@dataclass(frozen=True, slots=True)
class Ask:
    """The attempt's outcome is unknown: ask for it; where the provider knows nothing, send it again as it was."""

    number: int


def next_step(last: LastAttempt | None) -> Open | Ask:
    """What an unfinished payout does next. A new number only after the provider has said no to the one before."""
    if last is None:
        return Open(1)
    if last.outcome == "unknown":
        return Ask(last.number)
    return Open(last.number + 1)


def provider_key(payout_id: object, number: int) -> str:
    """The idempotency key of an attempt; the same for as long as the attempt exists."""
    return f"{payout_id}:{number}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider said about an attempt."""

    outcome: Outcome
    reference: str | None = None
    reason: str | None = None
    retryable: bool = True


UNKNOWN: Final = Answer("unknown")


def read_answer(key: str, answer: dict[str, Any]) -> Answer:
    """The provider's answer in our words. What we do not understand, or about another key, is unknown."""
    if answer.get("provider_key") != key:
        return UNKNOWN
    if answer.get("state") == "paid":
        return Answer("paid", reference=_text(answer.get("reference")))
    if answer.get("state") == "declined":
        return Answer(
            "declined",
            reason=_text(answer.get("reason")) or "declined",
            retryable=answer.get("retryable") is True,
        )
    return UNKNOWN


def _text(value: object) -> str | None:
    return value[:200].replace("\x00", "") if isinstance(value, str) else None


def is_final(number: int, answer: Answer) -> bool:
    """Whether a decline ends the payout instead of opening the next number."""
    return not answer.retryable or number >= ATTEMPTS_MAX


def decline_wait_seconds(number: int) -> float:
    """How long after a decline of attempt `number` the next one is due: 2, 4, 8, 16 s."""
    return float(DECLINE_WAIT_SECONDS * 2 ** (number - 1))


def unknown_wait_seconds(age_seconds: float) -> float:
    """How long until an unknown attempt is asked for again: its age, so that the waits double by themselves."""
    return min(UNKNOWN_WAIT_SECONDS_MAX, max(UNKNOWN_WAIT_SECONDS_MIN, age_seconds))
