"""What flashsale refuses, as business facts. The doors alone know their HTTP status."""

from kit.errors import DomainError
from kit.idempotency import KeyReused

__all__ = [
    "AlreadyPaid",
    "HoldEnded",
    "HoldExpired",
    "InProgress",
    "ItemUnknown",
    "KeyReused",
    "LimitReached",
    "QuantityInvalid",
    "ReservationUnknown",
    "SaleAlreadyOpen",
    "SaleNotOpen",
    "SaleOver",
    "SaleUnknown",
    "SoldOut",
    "StockBelowTaken",
]


class SaleUnknown(DomainError):
    """No sale has this id. Facts: `sale_id`."""

    code = "sale_unknown"


class SaleNotOpen(DomainError):
    """The sale has not begun. Facts: `sale_id`, `opens_at`."""

    code = "sale_not_open"


class SaleOver(DomainError):
    """The sale's window has passed. Facts: `sale_id`, `closes_at`."""

    code = "sale_over"


class SaleAlreadyOpen(DomainError):
    """The change would break a promise made to shoppers who are already buying. Facts: `sale_id`, `changes`."""

    code = "sale_already_open"


class StockBelowTaken(DomainError):
    """The new total is less than what is already held or sold. Facts: `sku`, `total`, `taken`."""

    code = "stock_below_taken"


class ItemUnknown(DomainError):
    """The sale has no such item. Facts: `sale_id`, `sku`."""

    code = "item_unknown"


class QuantityInvalid(DomainError):
    """The quantity is no number of units one could buy. Facts: `quantity_max`."""

    code = "quantity_invalid"


class SoldOut(DomainError):
    """Not so many units are free now; holds that end may free some. Facts: `sku`."""

    code = "sold_out"


class LimitReached(DomainError):
    """The user would hold more of the item than one person may. Facts: `sku`, `per_user_limit`."""

    code = "limit_reached"


class InProgress(DomainError):
    """The same key is being answered right now; ask again in a moment."""

    code = "in_progress"


class ReservationUnknown(DomainError):
    """No reservation of this user has this id."""

    code = "reservation_unknown"


class HoldEnded(DomainError):
    """The hold is no longer open. Facts: `state`."""

    code = "hold_ended"


class HoldExpired(DomainError):
    """The time to pay has run out. Facts: `expires_at`."""

    code = "hold_expired"


class AlreadyPaid(DomainError):
    """The reservation is paid for."""

    code = "already_paid"
