"""Same duties, or no comparison: what each server that sells must show before it is timed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import uvloop

from loadtests.bench.client.closed import Load, saturate
from loadtests.bench.client.lines import Tally
from loadtests.bench.client.once import Answer, ask
from loadtests.bench.mints import forged
from loadtests.bench.requests import post, reservations_path, wish
from loadtests.bench.sales import PLENTY, SCARCE
from loadtests.bench.scene import Scene

if TYPE_CHECKING:
    from loadtests.bench.measures.reserving import Shop

RUSH: Final = SCARCE * 4  # shoppers for the scarce item
RUSH_SECONDS: Final = 3.0


def duties_complaint(shop: "Shop", scene: Scene) -> str | None:
    """The first duty that the shop does not keep, None when it keeps all."""
    return _refusals(shop, scene) or _scarcity(shop, scene)


def _refusals(shop: "Shop", scene: Scene) -> str | None:
    shop.books("warm", PLENTY)  # puts it on sale
    number, user_id = scene.shoppers.user()
    mint = scene.mint
    token = (
        mint.plain_admission(shop.sale_id, user_id)
        if shop.form == "plain"
        else mint.admission(shop.sale_id, user_id, number)
    )
    path, body, key = reservations_path(shop.sale_id), wish("warm"), b"duty-%d" % number

    def send(token: bytes, key: bytes | None = key, body: bytes = body) -> Answer:
        return ask(shop.up.port, post(path, token, body, key=key))

    first, repeated = send(token), send(token)
    expected: Sequence[tuple[str, int, int]] = (
        ("a forged token", send(forged(token)).status, 401),
        ("a first purchase", first.status, 201),
        ("a second unit", send(token, key + b"-2").status, 409),
    )
    for what, status, right in expected:
        if status != right:
            return f"{what} was answered {status}, not {right}"
    if send(token, None).status not in {400, 422}:
        return "a purchase without a key was not refused"
    if shop.name != "unwritten" and _id(first) != _id(repeated):
        return "the same key got another answer"
    return None


def _id(answer: Answer) -> str:
    return str(msgspec.json.decode(answer.body).get("reservation_id"))


def _scarcity(shop: "Shop", scene: Scene) -> str | None:
    """Four times as many shoppers as units, at once: exactly the units are sold."""
    books = shop.scarce_books()
    requests = scene.shoppers.reservations(shop.sale_id, shop.scarce_sku, RUSH, shop.form)
    tally = rush(shop.up.port, requests)
    if odd := set(tally.counts) - {b"201", b"409", b"503"}:
        return f"answered {sorted(odd)} in a rush"
    complaint = books.complaint(tally)
    if complaint is not None:
        return complaint
    granted = tally.counts.get(b"201", 0)
    return None if granted == SCARCE else f"sold {granted} of {SCARCE} to {RUSH} shoppers"


def rush(port: int, requests: Sequence[bytes]) -> Tally:
    """Everybody at once, each on a connection of their own."""
    load = Load([port], len(requests), 1, seconds=RUSH_SECONDS / 10, warm_seconds=0.0)
    return uvloop.run(saturate(load, iter(requests), keep_granted=True)).tally
