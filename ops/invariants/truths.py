"""What must hold, one line a truth; the words beside it stand in `sql/<name>.sql`, which lists what breaks it."""

from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from sqlalchemy import TextClause, text

from kit.outbox import STUCK_DELIVERIES
from kit.postgres import ReadSession


@dataclass(frozen=True, slots=True)
class Bounds:
    """How late the system may be before lateness is a violation, in seconds.

    The defaults bear one outage of a neighbour (provider, broker, keeper) that the design promises to bear.
    """

    overdue_seconds: float = 60.0  # a keeper takes over within 10 s and expires in batches
    grant_seconds: float = 600.0  # the provider may be away for minutes
    outbox_seconds: float = 120.0  # relay, worker restart and redelivery, with room to spare
    notice_seconds: float = 600.0  # the provider's webhook retries bear minutes without a gateway
    # A claim of a killed gateway comes back after 10 s, by a keeper that may need 10 to take over, with its next repair.
    trail_seconds: float = 30.0

    @classmethod
    def closing(cls) -> "Bounds":
        """For a report after everything has come to rest: nothing may still be on its way."""
        return cls(overdue_seconds=15, grant_seconds=30, outbox_seconds=15, notice_seconds=30)


@dataclass(frozen=True, slots=True)
class Truth:
    """One thing that must hold. `needs` names the evidence beside PostgreSQL that it is judged by.

    `trails`: the evidence comes from two stores that agree a moment later, so only what lasts is a violation.
    """

    truth_id: str
    what: str
    needs: frozenset[str] = frozenset()
    trails: bool = False


_BOOK: Final = frozenset({"book"})
_HISTORY: Final = frozenset({"history"})

TRUTHS: Final = (
    Truth("stock_within_total", "held and confirmed units never exceed an item's stock"),
    Truth("stock_taken_is_sum", "each bucket's counter is the sum of its held and confirmed units"),
    Truth("stock_buckets_are_total", "an item's buckets have together exactly its stock"),
    Truth("users_within_limit", "no user is over the limit of an item"),
    Truth("holds_end_once", "each hold ends once and says how"),
    Truth("holds_end_in_time", "no hold outlives its deadline"),
    Truth("money_serves_or_returns", "money serves one confirmed reservation or goes back, never both"),
    Truth("confirmed_once_announced", "a confirmation is announced to the other rooms exactly once"),
    Truth("nobody_before_turn", "nobody bought before the frontier had passed them", trails=True),
    Truth("bought_with_admission", "every reservation has an admission and lies in its sale's window"),
    Truth("positions_unique", "a position and an admission belong to one shopper"),
    Truth("positions_below_mark", "no position lies beyond the durable mark"),
    Truth("ledger_sums_to_zero", "the ledger sums to zero in every currency"),
    Truth("ledger_balances_are_transfers", "every balance equals its transfers"),
    Truth("ledger_append_only", "the ledger refuses changes to what was written"),
    Truth("budget_never_negative", "no budget is overdrawn and no rule grants too often"),
    Truth("grants_earned", "every grant was earned and has one payout that agrees with it"),
    Truth("grants_end", "every grant ends, or is blocked with an owner and a reason"),
    Truth("outbox_flows", "no event for another room is late or stuck"),
    Truth("grants_paid_once", "no reward was paid twice, by the provider's own book", _BOOK),
    Truth("payouts_match_book", "our payouts and the provider's book agree", _BOOK, trails=True),
    Truth("paid_charged_once", "a paid reservation has one charge of its amount", _BOOK, trails=True),
    Truth("charges_serve_or_return", "every charge buys something or goes back", _BOOK, trails=True),
    Truth("told_is_readable", "every acknowledged reservation is readable, as told", _HISTORY),
    Truth("ends_told_truly", "who was told confirmed or released finds it so", _HISTORY),
    Truth("sold_out_told_truly", "nobody was told sold_out while units lay free", _HISTORY | {"sale_id"}),
    Truth("rewards_told_truly", "every reward told was paid once", _HISTORY | _BOOK, trails=True),
    Truth("changes_audited", "every change of a sale by staff has an audit row"),
    Truth("staff_reads_audited", "what staff looked up has an audit row that says who and whom"),
)


_NO_NESTED_LOOPS: Final = text("SET LOCAL enable_nestloop = off")


@cache
def read_truth(truth_id: str) -> TextClause:
    """The statement of a truth: its rows name what breaks it."""
    return text(resources.files("ops.invariants").joinpath("sql", f"{truth_id}.sql").read_text("utf-8"))


async def find_violations(
    session: ReadSession, truth_id: str, bounds: Bounds, evidence: dict[str, Any]
) -> list[str]:
    """What breaks a truth, by name. One statement, so one snapshot: a violation found is one that was."""
    statement = read_truth(truth_id)
    given = asdict(bounds) | {"stuck_deliveries": STUCK_DELIVERIES} | evidence
    wanted = {name: given[name] for name in statement.compile().params}
    # A young sale's tables have no statistics and the book never has: the planner would take both for tiny and compare
    # each row with each.
    await session.execute(_NO_NESTED_LOOPS)
    # A row whose name is missing is a violation like any other; it must not break the sorting of those that have one.
    return sorted(subject or "unnamed" for subject in await session.scalars(statement, wanted))
