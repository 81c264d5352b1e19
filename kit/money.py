"""Money in integer minor units; no float ever touches an amount."""

from dataclasses import dataclass
from typing import Final

AMOUNT_MINOR_MAX: Final = 10**15  # fits a bigint and a JavaScript integer a thousand times over


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies were to be added."""


@dataclass(frozen=True, slots=True)
class Money:
    """`amount_minor` of `currency` (ISO 4217, or PTS for points), never negative, bounded by `AMOUNT_MINOR_MAX`."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if not 0 <= self.amount_minor <= AMOUNT_MINOR_MAX:
            raise ValueError(f"amount_minor must lie in 0..{AMOUNT_MINOR_MAX}, not {self.amount_minor}")
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise ValueError(f"currency must be three capital letters, not {self.currency!r}")

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} + {other.currency}")
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def times(self, quantity: int) -> "Money":
        return Money(self.amount_minor * quantity, self.currency)
