"""From verdicts to named refusals, and what is refused before anything is asked."""

from datetime import datetime
from typing import Final

from flashsale.errors import (
    InProgress,
    ItemUnknown,
    KeyReused,
    LimitReached,
    QuantityInvalid,
    SaleNotOpen,
    SaleOver,
    SoldOut,
)
from flashsale.facts import ReserveRequest
from flashsale.rules import Verdict, Wish
from flashsale.saleplans import PER_USER_LIMIT_MAX, ItemFacts, SaleFacts
from flashsale.sales import SaleBook
from flashsale.stock import Claim
from kit.clock import rfc3339
from kit.errors import DomainError, InvalidInput, Unavailable
from kit.idempotency import KEY_CHARACTERS_MAX, KeyMissing, is_key
from kit.ids import is_user_id

PHONE_CHARACTERS_MAX: Final = 20  # E.164 and some


def outside_window(sale: SaleFacts, now: datetime) -> DomainError | None:
    """`SaleNotOpen` or `SaleOver` by this process's clock; PostgreSQL's asks again before it grants."""
    if now < sale.opens_at:
        return SaleNotOpen(
            retry_after_seconds=max(1.0, (sale.opens_at - now).total_seconds()),
            sale_id=sale.sale_id,
            opens_at=rfc3339(sale.opens_at),
        )
    if now >= sale.closes_at:
        return SaleOver(sale_id=sale.sale_id, closes_at=rfc3339(sale.closes_at))
    return None


def unfit(sale_id: str, item: ItemFacts | None, request: ReserveRequest) -> DomainError | None:
    """What could not be stored or meant, before it shares a batch with others.

    `ItemUnknown`, `QuantityInvalid`, `LimitReached`, `KeyMissing`, `InvalidInput`.
    """
    if item is None:
        return ItemUnknown(sale_id=sale_id, sku=request.sku)
    if not is_key(request.idempotency_key):
        return KeyMissing(characters_max=KEY_CHARACTERS_MAX)
    if not is_user_id(request.admitted.user_id):
        return InvalidInput("user_id", "is not a user id")
    phone = request.phone
    if phone is not None and not (
        phone.isprintable() and phone.isascii() and len(phone) <= PHONE_CHARACTERS_MAX
    ):
        return InvalidInput("phone", "is not a phone number")
    quantity = request.quantity
    if type(quantity) is not int or not 1 <= quantity <= PER_USER_LIMIT_MAX:
        return QuantityInvalid(quantity_max=item.per_user_limit)
    if quantity > item.per_user_limit:
        return LimitReached(sku=item.sku, per_user_limit=item.per_user_limit)
    return None


def refusal(said: Claim | Verdict, wish: Wish, book: SaleBook) -> DomainError:
    """The named error of a refusal, with the facts its reader needs."""
    sale = book.get(wish.sale_id)
    item = sale.item(wish.sku)
    match said:
        case "in_progress":
            return InProgress(retry_after_seconds=1.0)
        case "key_reused":
            return KeyReused()
        case "limit_reached":
            return LimitReached(sku=wish.sku, per_user_limit=item.per_user_limit if item is not None else 0)
        case "not_open":
            return SaleNotOpen(retry_after_seconds=1.0, sale_id=sale.sale_id, opens_at=rfc3339(sale.opens_at))
        case "over":
            return SaleOver(sale_id=sale.sale_id, closes_at=rfc3339(sale.closes_at))
        case "moved":
            return Unavailable(
                "stock"
            )  # this process's view of the sale is a second old: the next try sees it
        case "item_unknown":
            return ItemUnknown(sale_id=sale.sale_id, sku=wish.sku)
        case _:
            return SoldOut(sku=wish.sku)
