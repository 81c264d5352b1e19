"""Pure rules of the room: no I/O, no clock."""

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

Band = Literal["plenty", "some", "few", "none", "unknown"]
Verdict = Literal[
    "granted",
    "replayed",
    "key_reused",
    "item_unknown",
    "moved",
    "not_open",
    "over",
    "limit_reached",
    "sold_out",
]
LateVerdict = Literal["regrant", "sold_out", "limit_reached"]

ItemName = tuple[str, str]  # sale_id, sku
BucketName = tuple[str, str, int]  # sale_id, sku, bucket
OwnerKey = tuple[str, str, str]  # sale_id, user_id, idempotency key
OwnerItem = tuple[str, str, str]  # sale_id, user_id, sku

FEW_RATIO: Final = 0.1
SOME_RATIO: Final = 0.4


class Wish(msgspec.Struct, frozen=True, gc=False):
    """One request on its way to a decision; `reservation_id` is its operation id from the first byte to the row."""

    reservation_id: UUID
    sale_id: str
    sku: str
    user_id: str
    quantity: int
    key: str
    fingerprint: bytes
    admission_id: UUID
    admission_position: int
    phone: str | None
    bucket: BucketName  # the home of its user among the item's `buckets`, as far as the asking process knows
    buckets: int

    @property
    def owner(self) -> OwnerKey:
        """Whose key it is: what makes a repeat a repeat."""
        return self.sale_id, self.user_id, self.key


class ItemState(msgspec.Struct, frozen=True, gc=False):
    """A locked bucket of an item, as a decision needs it: its own counts, and the facts of the item."""

    price_minor: int
    total: int
    taken: int
    per_user_limit: int
    epoch: int
    currency: str
    hold_seconds: int
    begun: bool
    over: bool
    opens_at: datetime
    closes_at: datetime
    buckets: int


class UsedKey(msgspec.Struct, frozen=True, gc=False):
    """A key that was answered before: with which reservation, for which request."""

    reservation_id: UUID
    fingerprint: bytes


def home_bucket(user_id: str, buckets: int) -> int:
    """The one bucket of an item in which everything of this user is decided: so its lock guards their limit too."""
    return zlib.crc32(user_id.encode()) % buckets if buckets > 1 else 0


def spread(total: int, taken: Sequence[int]) -> list[int]:
    """The totals of an item's buckets: each keeps what is taken of it and gets an even share of what is free.

    `total` is not below the sum of `taken`.
    """
    share, rest = divmod(total - sum(taken), len(taken))
    return [gone + share + (bucket < rest) for bucket, gone in enumerate(taken)]


def decide(
    wishes: Sequence[Wish],
    items: Mapping[BucketName, ItemState],
    used: Mapping[OwnerKey, UsedKey],
    units: Mapping[OwnerItem, int],
) -> list[Verdict]:
    """One verdict a wish, in order: first come, first served, each grant counted against the next.

    An old key is answered before anything else is asked: the same request gets the same answer, whatever has
    happened to the sale since. Nothing is decided for a process that believes in another number of buckets than there are:
    another bucket may be its user's home by now.
    """
    taken = {name: item.taken for name, item in items.items()}
    owned = dict(units)
    verdicts: list[Verdict] = []
    for wish in wishes:
        sale_id, sku, user_id = wish.sale_id, wish.sku, wish.user_id
        name = wish.bucket
        key = used.get((sale_id, user_id, wish.key))
        item = items.get(name)
        if key is not None:
            verdicts.append("replayed" if key.fingerprint == wish.fingerprint else "key_reused")
        elif item is None:
            verdicts.append("item_unknown")
        elif item.buckets != wish.buckets:
            verdicts.append("moved")
        elif not item.begun:
            verdicts.append("not_open")
        elif item.over:
            verdicts.append("over")
        elif (has := owned.get((sale_id, user_id, sku), 0) + wish.quantity) > item.per_user_limit:
            verdicts.append("limit_reached")
        elif (gone := taken[name] + wish.quantity) > item.total:
            verdicts.append("sold_out")
        else:
            taken[name], owned[sale_id, user_id, sku] = gone, has
            verdicts.append("granted")
    return verdicts


def late_payment(quantity: int, *, item: ItemState, owned: int) -> LateVerdict:
    """Whether the money for an ended hold can still buy its units. The window is not asked: the hold was in it."""
    if owned + quantity > item.per_user_limit:
        return "limit_reached"
    return "regrant" if item.taken + quantity <= item.total else "sold_out"


def band(available: int | None, total: int) -> Band:
    """How much is left, told coarsely: the exact number would invite racing and change with every request."""
    if available is None:
        return "unknown"
    if available <= 0:
        return "none"
    if available <= total * FEW_RATIO:
        return "few"
    return "some" if available <= total * SOME_RATIO else "plenty"
