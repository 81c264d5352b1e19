"""The forger's visit: it queues like everybody, and everything else it sends must be refused."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Final

from loadtests.crowd.forgeries import AT_THE_DOOR, INSIDE, NOBODYS, Forgery, Loot
from loadtests.crowd.scene import instant
from loadtests.crowd.visit import Over, Visit
from loadtests.crowd.wire import Answer

TRIES_EACH: Final = 7  # a hundred forgers send each forgery some twenty times
EXPIRY_WAITED_SECONDS_MAX: Final = 15.0


async def forge(visit: Visit) -> str:
    """The whole visit; its outcome is `forged` even when the turn never came."""
    dice = Random(f"forger:{visit.scene.seed}:{visit.shopper.number}")
    await visit.sign_in()
    await visit.join()
    await _try_all(visit, AT_THE_DOOR, dice)
    try:
        await visit.wait_turn()
        await visit.admit()
    except Over:
        return "forged"
    await _try_all(visit, INSIDE, dice)
    await _try_expired(visit)
    return "forged"


def _loot(visit: Visit) -> Loot:
    scene = visit.scene
    foreign = [ticket for user, ticket in scene.known_tickets if user != visit.shopper.user_id]
    return Loot(
        path=visit.path,
        sku=scene.sale.offers[0].sku,
        token=visit.token,
        ticket=visit.ticket,
        admission=visit.admission,
        foreign_ticket=foreign[0] if foreign else "",
        foreign_reservation=scene.known_reservations[0] if scene.known_reservations else NOBODYS,
    )


async def _try_all(visit: Visit, catalogue: Mapping[str, Forgery], dice: Random) -> None:
    for name in dice.sample(sorted(catalogue), TRIES_EACH):
        judge(visit, name, await visit.scene.wire.send(catalogue[name](_loot(visit))))


async def _try_expired(visit: Visit) -> None:
    """A real admission after its time, where that comes soon enough to wait for."""
    if visit.admission_expires_at is None:
        return
    left = instant(visit.admission_expires_at) - visit.scene.server_now()
    if left < EXPIRY_WAITED_SECONDS_MAX:
        await asyncio.sleep(max(0.0, left) + 1.0)
        request = AT_THE_DOOR["admission_is_ticket"](
            Loot(visit.path, visit.scene.sale.offers[0].sku, visit.token, ticket=visit.admission)
        )
        judge(visit, "admission_expired", await visit.scene.wire.send(request))


def judge(visit: Visit, name: str, answer: Answer) -> None:
    """Writes down whether a forgery was refused as it must be."""
    if 400 <= answer.status < 500:
        visit.told("forged_refused", answer, code=answer.code)
        if answer.code is None:
            visit.fault(f"forgery {name}: refused without a code", answer)
        return
    visit.scene.figures.errors["forgery_accepted"] += answer.ok
    visit.fault(f"forgery {name}: {answer.status or 'no answer'}", answer)
