"""The sales of one bench: made from a sale file by the command line, as operations would make them."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from loadtests.bench.launch import DoesNotStart, finished, python

PLENTY: Final = 10_000_000  # no run sells so many
SCARCE: Final = 50  # of the items on which each server first shows that it does not oversell
COMMAND_SECONDS_MAX: Final = 180.0  # on a machine that others use too
# One item a kind of run, so that no run meets the leftovers of another.
HOT: Final = (
    "durable", "unwritten", "arrivals", "unwritten-arrivals", "overload", "pair", "warm", "ledger", "single", "statements", "batches",
    "row", "buckets", "reopen", "sold",
)  # fmt: skip
BUCKETS: Final = {"buckets": 8}  # how many an item has; one where it is not named
SCARCE_SKUS: Final = ("scarce", "unwritten-scarce")

_SALE = """\
sale:
  id: {sale_id}
  campaign: bench
  currency: CNY
  opens_at: {opens_at}
  closes_at: {closes_at}
  hold_seconds: 7200
  admission:
    rate_per_second: 1000
  texts:
    zh-CN: {{ title: 压测, rules: 只在压测时出现。 }}
    en: {{ title: Bench, rules: Seen in benches alone. }}
items:
{items}"""
_ITEM = """\
  - sku: {sku}
    price_minor: 19900
    stock: {stock}
    per_user_limit: 1
    buckets: {buckets}
    texts:
      zh-CN: {{ title: 商品 }}
      en: {{ title: Thing }}
"""
_REWARDS = f"""\
rewards:
  - {{ id: points, kind: points, points: 100, budget_points: {100 * PLENTY} }}
  - {{ id: coupon, kind: coupon, coupon_code: BENCH, budget_coupons: {PLENTY} }}
"""


@dataclass(frozen=True, slots=True)
class Sales:
    """Their ids, which no other bench has."""

    mark: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def hot(self) -> str:
        """Everything that is bought."""
        return f"bench-hot-{self.mark}"

    @property
    def shown(self) -> str:
        """What is looked at: three items, as in a usual sale."""
        return f"bench-shown-{self.mark}"

    @property
    def sold_out(self) -> str:
        """One unit, sold before anything is measured."""
        return f"bench-out-{self.mark}"

    @property
    def steps(self) -> str:
        """What is bought from the ticket to the reward."""
        return f"bench-steps-{self.mark}"

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them."""
        return self.hot, self.shown, self.sold_out, self.steps

    def texts(self) -> Mapping[str, str]:
        hot = [(sku, PLENTY) for sku in HOT] + [(sku, SCARCE) for sku in SCARCE_SKUS]
        return {
            self.hot: sale_text(self.hot, hot),
            self.shown: sale_text(self.shown, [(f"item-{number}", PLENTY) for number in range(3)]),
            self.sold_out: sale_text(self.sold_out, [("last", 1)]),
            self.steps: sale_text(self.steps, [("step", PLENTY)]) + _REWARDS,
        }


def sale_text(sale_id: str, items: Sequence[tuple[str, int]]) -> str:
    """A sale file; `items` are (sku, stock)."""
    now = datetime.now(UTC)
    return _SALE.format(
        sale_id=sale_id,
        opens_at=now.isoformat(timespec="seconds"),
        closes_at=(now + timedelta(hours=12)).isoformat(timespec="seconds"),
        items="".join(
            _ITEM.format(sku=sku, stock=stock, buckets=BUCKETS.get(sku, 1)) for sku, stock in items
        ),
    )


def migrate(environment: Mapping[str, str]) -> None:
    """Raises `DoesNotStart`."""
    _run(python("-m", "alembic", "upgrade", "head"), environment)


def apply(sales: Sales, folder: Path, environment: Mapping[str, str]) -> None:
    """Raises `DoesNotStart` with what the command said."""
    for sale_id, text in sales.texts().items():
        file = folder / f"{sale_id}.yaml"
        file.write_text(text, encoding="utf-8")
        _run(
            python("-m", "ops", "sale", "apply", str(file.resolve()), "--opens-in-seconds", "0"), environment
        )


def _run(words: Sequence[str], environment: Mapping[str, str]) -> None:
    done = finished(words, environment, seconds_max=COMMAND_SECONDS_MAX)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise DoesNotStart(f"{' '.join(words[1:4])} failed: {' '.join(said)}")
