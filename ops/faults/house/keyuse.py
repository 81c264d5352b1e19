"""S5: idempotency keys in every wrong way. One key, one effect, one answer, and its owner's alone."""

import asyncio
from typing import Any, Final

from ops.faults.house.buyers import Buyer
from ops.faults.house.rights import reserve_once, units_of
from ops.faults.house.shared import house_row
from ops.faults.house.shop import Shop
from ops.faults.house.terms import SKU, Terms
from ops.faults.matrix import Found

AT_ONCE: Final = 20
LIMIT: Final = 2


async def misused_keys(shop: Shop) -> Found:
    """One key: for another wish, by another shopper, many times at once, too long, missing, and after the end."""
    before = await shop.wave(shop.take(6))
    one, other = shop.take(2)
    key = one.new_key()
    said: dict[str, Any] = {}
    first = await one.reserve(key)
    said["another wish"] = (await reserve_once(one, key, 2)).status
    said["another shopper"] = (await other.reserve(key)).status
    at_once = await asyncio.gather(*(reserve_once(one, second := "k2-" + key) for _ in range(AT_ONCE)))
    ids = {str(answer.get("reservation_id")) for answer in at_once if answer.ok}
    while not ids:  # all of them met the limit of requests
        ids |= {str((await one.reserve(second)).get("reservation_id"))}
    for answer in at_once:
        if answer.ok:
            one.note_held(answer, second)
    said["at once"] = len(ids)
    said["65 characters"] = (
        await one.door.send("POST", f"{one.path}/reservations", **_wish(one, "k" * 65))
    ).status
    said["8000 characters"] = (
        await one.door.send("POST", f"{one.path}/reservations", **_wish(one, "k" * 8000))
    ).status
    said["none"] = (await one.door.send("POST", f"{one.path}/reservations", **_wish(one, ""))).status
    await one.release()
    after_the_end = await one.door.send("POST", f"{one.path}/reservations", **_wish(one, key))
    said["after the end"] = after_the_end.get("state")
    said["the same one"] = after_the_end.get("reservation_id") == first.get("reservation_id")
    wanted = {
        "another wish": 422, "another shopper": 201, "at once": 1, "65 characters": 400, "8000 characters": 400,
        "none": 400, "after the end": "released", "the same one": True,
    }  # fmt: skip
    shop.wrong += [f"key_{how.replace(' ', '_')}: {said[how]}" for how in wanted if said[how] != wanted[how]]
    if (units := await units_of(shop, one)) != 0:
        shop.wrong.append(f"released_and_held: {units}")
    await other.pay()
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    return await shop.found(f"misuses answered {said}", goodput=(before, after))


def _wish(buyer: Buyer, key: str) -> dict[str, Any]:
    headers = {"Idempotency_Key": key} if key else {}
    return {"bearer": buyer.admission, "body": {"sku": SKU, "quantity": 1}, **headers}


ROWS: Final = (
    house_row("S5.misused_keys", "idempotency keys are reused, borrowed, repeated at once, too long or missing",
              "幂等键被挪用、并发、过长、缺失或事后重用",
              misused_keys, terms=Terms(per_user_limit=LIMIT)),
)  # fmt: skip
