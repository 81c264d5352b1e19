"""S2, S3: rights in the wrong hands, too often, too early. They give exactly what they say."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from typing import Final

import msgspec

from kit.clock import SystemClock
from kit.signing import Keyring
from ops.faults.house.buyers import Buyer
from ops.faults.house.door import Answer
from ops.faults.house.shared import house_row
from ops.faults.house.shop import Shop
from ops.faults.house.terms import SKU, Terms
from ops.faults.matrix import Found
from queueing.admissions import AdmissionFacts, sign_admission
from queueing.tickets import TicketFacts, sign_ticket

PARALLEL: Final = 1000
LIMIT: Final = 2
TABS: Final = 20
JOIN_TABS: Final = 8  # what one shopper may ask at once without being put off
OPENS_IN_SECONDS: Final = 8.0  # long enough for all their tricks on a busy machine
TOO_EARLY_SECONDS: Final = 2 * 3600.0  # the room opens an hour before the sale


async def reserve_once(buyer: Buyer, key: str, quantity: int = 1, *, bearer: str | None = None) -> Answer:
    return await buyer.door.once(
        "POST",
        f"{buyer.path}/reservations",
        bearer=buyer.admission if bearer is None else bearer,
        body={"sku": SKU, "quantity": quantity},
        Idempotency_Key=key,
    )


async def units_of(shop: Shop, buyer: Buyer) -> int:
    """What the ledger says that one shopper has."""
    taken = """SELECT sum(quantity) FROM flashsale.reservations
        WHERE sale_id = :sale_id AND user_id = :user_id AND state IN ('held', 'confirmed')"""
    return await shop.count(taken, user_id=buyer.user_id)


def _note_all(buyer: Buyer, keys: list[str], answers: list[Answer]) -> Counter[str]:
    for key, answer in zip(keys, answers, strict=True):
        if answer.ok:
            buyer.note_held(answer, key)
    return Counter(str(answer.status) for answer in answers)


async def used_1000_times(shop: Shop) -> Found:
    """One admission, a thousand wishes at once, each with a key of its own; and the ticket a thousand times."""
    before = await shop.wave(shop.take(6))
    (buyer,) = shop.take(1)
    keys = [buyer.new_key() for _ in range(PARALLEL)]
    seen = _note_all(buyer, keys, await asyncio.gather(*(reserve_once(buyer, key) for key in keys)))
    body = {"ticket": buyer.ticket}
    path = f"{buyer.path}/admissions"
    given = await asyncio.gather(
        *(shop.door.once("POST", path, bearer=buyer.token, body=body) for _ in range(PARALLEL))
    )
    fresh = [str(answer.get("admission")) for answer in given if answer.ok][:TABS]
    more = [buyer.new_key() for _ in fresh]
    again = await asyncio.gather(
        *(reserve_once(buyer, key, bearer=right) for key, right in zip(more, fresh, strict=True))
    )
    seen += _note_all(buyer, more, again)
    while await units_of(shop, buyer) < LIMIT and (await buyer.reserve()).ok:
        pass  # the limit of requests let fewer through than the limit of units allows
    if (units := await units_of(shop, buyer)) != LIMIT or len(buyer.held) != LIMIT:
        shop.wrong.append(f"limit_not_exact: {units} units, {len(buyer.held)} told")
    await buyer.pay()
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    shown = f"{PARALLEL} wishes under one admission and {len(fresh)} under others of its ticket: {dict(seen)}"
    return await shop.found(f"{shown}; {units} units", goodput=(before, after))


async def on_another_account(shop: Shop) -> Found:
    """A stolen ticket is worth nothing; a stolen admission buys for its owner alone, within the owner's limit."""
    before = await shop.wave(shop.take(6))
    owner, thief = shop.take(2)
    body = {"ticket": owner.ticket}
    stolen = await asyncio.gather(
        *(
            shop.door.once("POST", f"{thief.path}/admissions", bearer=thief.token, body=body)
            for _ in range(100)
        )
    )
    if any(answer.ok for answer in stolen):
        shop.wrong.append("ticket_of_another_accepted")
    key = owner.new_key()
    bought = await reserve_once(thief, key, bearer=owner.admission)
    if not bought.ok:
        shop.wrong.append(f"admission_refused: {bought.status}")
    owner.note_held(bought, key)
    path = f"/v1/reservations/{bought.get('reservation_id')}"
    prying = [
        await shop.door.once(method, f"{path}{rest}", bearer=thief.token)
        for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/payment"))
    ]
    if any(answer.status != 404 for answer in prying):
        shop.wrong.append(f"reservation_of_another: {[answer.status for answer in prying]}")
    if await units_of(shop, thief) != 0:
        shop.wrong.append("thief_has_units")
    await owner.pay()
    after = await shop.wave(shop.take(6))
    await shop.sell_out()
    shown = f"{len(stolen)} uses of a stolen ticket: {dict(Counter(str(a.status) for a in stolen))}"
    return await shop.found(shown, goodput=(before, after))


def _forged(shop: Shop, buyer: Buyer) -> dict[str, tuple[str, str]]:
    """Tickets and admissions that put a shopper in front, by how they were made: (ticket, admission)."""
    kid, payload, signature = buyer.ticket.split(".")
    facts = msgspec.msgpack.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    moved = urlsafe_b64encode(msgspec.msgpack.encode([*facts[:2], 0])).decode().rstrip("=")
    strange = Keyring.parse(f"{kid}:{shop.dice.getrandbits(256):064x}", variable="STRANGE")
    until = int(SystemClock().seconds()) + 300
    first = TicketFacts(shop.sale_id, buyer.user_id, 0)
    right = AdmissionFacts(shop.sale_id, buyer.user_id, shop.dice.randbytes(16), 0, until)
    return {
        "moved to the front": (f"{kid}.{moved}.{signature}", f"{kid}.{moved}.{signature}"),
        "signed by a stranger": (sign_ticket(strange, first), sign_admission(strange, right)),
        "ticket as admission": (buyer.ticket[:-2], buyer.ticket),
        "nothing": ("", ""),
        "no signature": (f"{kid}.{payload}.", f"{kid}.{payload}."),
        "unknown key": (f"none.{payload}.{signature}", f"none.{payload}.{signature}"),
    }


async def jumped(shop: Shop) -> Found:
    """Before the start and from behind: too early, with another position, past the waiting room, in many tabs."""
    honest, jumpers = shop.newcomers(12), shop.newcomers(6)
    await asyncio.gather(*(buyer.sign_in() for buyer in shop.buyers))
    tried: Counter[str] = Counter()
    early = await shop.announce(f"{shop.sale_id}-early", TOO_EARLY_SECONDS)
    for jumper in jumpers:
        path = f"/v1/sales/{early}/tickets"
        _must_refuse(shop, tried, "too early", await shop.door.once("POST", path, bearer=jumper.token))
    shop.sale_id = await shop.announce(f"{shop.sale_id}-s", OPENS_IN_SECONDS)
    for buyer in shop.buyers:
        buyer.sale_id = shop.sale_id
    await asyncio.gather(*(buyer.join() for buyer in honest))
    for jumper in jumpers:
        tabs = await asyncio.gather(*(jumper.join() for _ in range(JOIN_TABS)))
        places = {answer.get("position") for answer in tabs if answer.ok}
        if len(places) != 1 or min(places) <= max(buyer.position for buyer in honest):
            shop.wrong.append(f"tabs_gave_places: {places}")
    await asyncio.gather(*(_jump(shop, tried, jumper) for jumper in jumpers))
    began = await shop.count("SELECT count(*) FROM flashsale.reservations WHERE sale_id = :sale_id")
    if began:
        shop.wrong.append(f"bought_before_the_start: {began}")
    await asyncio.gather(*(buyer.come_in() for buyer in [*honest, *jumpers]))
    goodput = await shop.wave([*honest, *jumpers])
    await shop.settle()
    await shop.let_in(6)
    await shop.sell_out()
    early_sold = """SELECT count(*) FROM flashsale.reservations r JOIN flashsale.sales s USING (sale_id)
        WHERE r.sale_id = :sale_id AND r.held_at < s.opens_at"""
    if await shop.count(early_sold):
        shop.wrong.append("sold_before_the_start")
    return await shop.found(
        f"{tried.total()} jumps of {len(jumpers)} shoppers: {dict(tried)}", goodput=(goodput, goodput)
    )


async def _jump(shop: Shop, tried: Counter[str], jumper: Buyer) -> None:
    _must_refuse(shop, tried, "before the turn", await jumper.ask_in())
    for how, (ticket, admission) in _forged(shop, jumper).items():
        path = f"{jumper.path}/admissions"
        asked = await shop.door.once("POST", path, bearer=jumper.token, body={"ticket": ticket})
        _must_refuse(shop, tried, how, asked)
        _must_refuse(shop, tried, how, await reserve_once(jumper, jumper.new_key(), bearer=admission))


def _must_refuse(shop: Shop, tried: Counter[str], how: str, answer: Answer) -> None:
    tried[how] += 1
    if not 400 <= answer.status < 500:
        shop.wrong.append(f"jump_accepted: {how}, {answer.status}")


ROWS: Final = (
    house_row("S2.used_1000_times", "one admission and one ticket are used a thousand times at once",
              "同一入场凭证并发使用一千次", used_1000_times, terms=Terms(per_user_limit=LIMIT)),
    house_row("S2.on_another_account", "a ticket and an admission are used on another account",
              "排队号与入场凭证被他人盗用", on_another_account),
    house_row("S3.jumped", "shoppers try to get in before the start and past the queue",
              "开场前与插队的各种尝试", jumped, shoppers=0),
)  # fmt: skip
