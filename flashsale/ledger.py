"""The ledger of stock: what PostgreSQL decides about a batch, in the caller's transaction.

Lock the buckets in one order, read what the askers already have, decide, write, count. Never commits.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Uuid, any_, bindparam

from flashsale import models, statements
from flashsale.facts import Reservation
from flashsale.readings import select_reservations
from flashsale.rules import BucketName, ItemState, OwnerItem, OwnerKey, UsedKey, Verdict, Wish, decide
from kit.statements import Rows, Statement, array_literal

_RESERVATIONS: Final = Statement(
    select_reservations().where(
        models.Reservation.reservation_id == any_(bindparam("ids", type_=ARRAY(Uuid)))
    )
)


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What the ledger said about one wish. `reservation` is there for granted and replayed, `item` where its bucket exists."""

    verdict: Verdict
    reservation: Reservation | None = None
    item: ItemState | None = None


class GuardTripped(Exception):
    """The bucket could not give what was decided under its own lock; the transaction must not commit."""


async def lock_buckets(session: Rows, names: Iterable[BucketName]) -> dict[BucketName, ItemState]:
    """The buckets, locked until the caller's transaction ends, in the one order that everybody uses."""
    rows = await session.rows(statements.LOCK_BUCKETS, _columns(set(names)))
    return {(row[0], row[1], row[2]): ItemState(*row[3:]) for row in rows}


async def write_batch(session: Rows, wishes: Sequence[Wish]) -> list[Decision]:
    """Decides and writes a batch; one decision a wish, in order, true once the caller has committed.

    Raises `GuardTripped` if the last guard refuses what was decided, which the bucket's lock rules out; and what the table
    says of a key that was used since it was looked up (the same one for another item, in a batch that holds other locks):
    then nothing is written, and the same batch again sees it.
    """
    items = await lock_buckets(session, {wish.bucket for wish in wishes})
    used, units = await find_standing(session, wishes)
    verdicts = decide(wishes, items, used, units)
    granted = [wish for wish, verdict in zip(wishes, verdicts, strict=True) if verdict == "granted"]
    held_at = await _insert_holds(session, granted) if granted else None
    replays = await _replays(session, wishes, verdicts, used) if "replayed" in verdicts else {}
    holds = hold(granted, items, held_at) if held_at is not None else []
    return _decisions(wishes, verdicts, items, iter(holds), replays)


async def find_standing(
    session: Rows, wishes: Sequence[Wish]
) -> tuple[dict[OwnerKey, UsedKey], dict[OwnerItem, int]]:
    """Which keys were used before, and how many units the askers have of the items they ask for."""
    rows = await session.rows(
        statements.STANDING,
        {
            "sale_ids": array_literal(list({wish.sale_id for wish in wishes})),
            "user_ids": array_literal([wish.user_id for wish in wishes]),
            "keys": array_literal([wish.key for wish in wishes]),
        },
    )
    used: dict[OwnerKey, UsedKey] = {}
    units: defaultdict[OwnerItem, int] = defaultdict(int)
    for sale_id, user_id, sku, key, reservation_id, fingerprint, count in rows:
        used[sale_id, user_id, key] = UsedKey(reservation_id, bytes(fingerprint))
        units[sale_id, user_id, sku] += count
    return used, units


async def find_replays(session: Rows, wishes: Sequence[Wish]) -> list[Decision | None]:
    """For each wish the decision that its key got before, or None for a key that is new."""
    used, _ = await find_standing(session, wishes)
    keys = [used.get(wish.owner) for wish in wishes]
    replays = await read_reservations(session, [key.reservation_id for key in keys if key is not None])
    found: list[Decision | None] = []
    for wish, key in zip(wishes, keys, strict=True):
        if key is None:
            found.append(None)
        elif key.fingerprint == wish.fingerprint:
            found.append(Decision("replayed", replays[key.reservation_id]))
        else:
            found.append(Decision("key_reused"))
    return found


async def read_reservations(session: Rows, ids: Sequence[UUID]) -> dict[UUID, Reservation]:
    """Those of `ids` that exist."""
    if not ids:
        return {}
    rows = await session.rows(_RESERVATIONS, {"ids": ids})
    return {row[0]: Reservation(*row) for row in rows}


async def take_units(session: Rows, taken: Iterable[tuple[BucketName, int]]) -> dict[BucketName, int]:
    """Counts units as taken; the epoch of each bucket. Raises `GuardTripped` if one has not enough."""
    wanted = _sum_up(taken)
    if not wanted:
        return {}
    rows = await session.rows(statements.TAKE_UNITS, _arrays(wanted))
    epochs = _epochs(rows)
    if epochs.keys() != wanted.keys():
        raise GuardTripped(sorted(wanted.keys() - epochs.keys()))
    return epochs


async def return_units(session: Rows, ended: Iterable[tuple[BucketName, int]]) -> dict[BucketName, int]:
    """Counts units of ended holds as free again; the epoch under which each bucket got them back."""
    wanted = _sum_up(ended)
    if not wanted:
        return {}
    await lock_buckets(session, wanted)
    rows = await session.rows(statements.RETURN_UNITS, _arrays(wanted))
    return _epochs(rows)


def _sum_up(counted: Iterable[tuple[BucketName, int]]) -> Counter[BucketName]:
    sums: Counter[BucketName] = Counter()
    for name, units in counted:
        sums[name] += units
    return sums


def _columns(names: Collection[BucketName]) -> dict[str, list[object]]:
    return {
        "sale_ids": [sale_id for sale_id, _, _ in names],
        "skus": [sku for _, sku, _ in names],
        "buckets": [bucket for _, _, bucket in names],
    }


def _arrays(sums: Counter[BucketName]) -> dict[str, list[object]]:
    return {**_columns(sums), "units": list(sums.values())}


def _epochs(rows: Iterable[Sequence[Any]]) -> dict[BucketName, int]:
    return {(sale_id, sku, bucket): int(epoch) for sale_id, sku, bucket, epoch in rows}


async def _insert_holds(session: Rows, granted: Sequence[Wish]) -> datetime:
    """Writes the holds and counts their units; the instant from which they are held. Raises `GuardTripped`."""
    units: dict[BucketName, int] = {}
    for wish in granted:
        name = wish.bucket
        units[name] = units.get(name, 0) + wish.quantity
    places = {name: place for place, name in enumerate(units, start=1)}
    ((holds, held_at),) = await session.rows(
        statements.INSERT_HOLDS,
        {
            "place_sale_ids": array_literal([sale_id for sale_id, _, _ in units]),
            "place_skus": array_literal([sku for _, sku, _ in units]),
            "place_buckets": array_literal([bucket for _, _, bucket in units]),
            "place_units": array_literal(list(units.values())),
            "places": array_literal([places[wish.bucket] for wish in granted]),
            "reservation_ids": array_literal([wish.reservation_id for wish in granted]),
            "user_ids": array_literal([wish.user_id for wish in granted]),
            "quantities": array_literal([wish.quantity for wish in granted]),
            "keys": array_literal([wish.key for wish in granted]),
            "fingerprints": array_literal([wish.fingerprint.hex() for wish in granted]),
            "admission_ids": array_literal([wish.admission_id for wish in granted]),
            "admission_positions": array_literal([wish.admission_position for wish in granted]),
            "phones": array_literal([wish.phone for wish in granted]),
        },
    )
    if holds != len(granted):
        raise GuardTripped(sorted(units))
    moment: datetime = held_at
    return moment


async def _replays(
    session: Rows, wishes: Sequence[Wish], verdicts: Sequence[Verdict], used: dict[OwnerKey, UsedKey]
) -> dict[OwnerKey, Reservation]:
    keys = [wish.owner for wish, verdict in zip(wishes, verdicts, strict=True) if verdict == "replayed"]
    stored = await read_reservations(session, [used[key].reservation_id for key in keys])
    return {key: stored[used[key].reservation_id] for key in keys}


def _decisions(
    wishes: Sequence[Wish],
    verdicts: Sequence[Verdict],
    items: dict[BucketName, ItemState],
    holds: Iterator[Reservation],
    replays: dict[OwnerKey, Reservation],
) -> list[Decision]:
    decisions = []
    for wish, verdict in zip(wishes, verdicts, strict=True):
        reservation = None
        if verdict == "granted":
            reservation = next(holds)
        elif verdict == "replayed":
            reservation = replays[wish.owner]
        decisions.append(Decision(verdict, reservation, items.get(wish.bucket)))
    return decisions


def hold(
    granted: Sequence[Wish], items: Mapping[BucketName, ItemState], held_at: datetime
) -> list[Reservation]:
    """The holds that granted wishes become, in order, as the table has them."""
    ends = {name: held_at + timedelta(seconds=item.hold_seconds) for name, item in items.items()}
    holds = []
    for wish in granted:
        name = wish.bucket
        item = items[name]
        # By place: by name costs half as much again, on every reservation there is.
        reservation = Reservation(
            wish.reservation_id,
            wish.sale_id,
            wish.sku,
            wish.user_id,
            wish.quantity,
            item.price_minor * wish.quantity,
            item.currency,
            "held",
            None,
            held_at,
            ends[name],
            None,
            None,
            None,
            wish.phone,
        )
        holds.append(reservation)
    return holds
