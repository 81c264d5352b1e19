"""What forgers send: a catalogue of requests of which each must be refused with a 4xx, whatever the system is doing."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec

from loadtests.crowd.wire import Request

BODY_BYTES_OVER: Final = 40 * 1024  # more than twice what the contract takes
STAGE: Final = "forged"
NOBODYS: Final = str(UUID(int=0))


@dataclass(frozen=True, slots=True)
class Loot:
    """What a forger has to work with; all of it is real."""

    path: str
    sku: str
    token: str
    ticket: str = ""
    admission: str = ""
    foreign_ticket: str = ""
    foreign_reservation: str = NOBODYS


Forgery = Callable[[Loot], Request]


def _post(url: str, bearer: str | None, body: Any = None, **headers: str) -> Request:
    return Request(
        STAGE,
        "POST",
        url,
        bearer=bearer,
        body=body,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def _join(loot: Loot, token: str | None) -> Request:
    return _post(f"{loot.path}/tickets", token)


def _admit(loot: Loot, body: Any, token: str | None = None) -> Request:
    return _post(f"{loot.path}/admissions", token or loot.token, body)


def _reserve(loot: Loot, admission: str | None, body: Any = None, **headers: str) -> Request:
    order = {"sku": loot.sku, "quantity": 1} if body is None else body
    return _post(
        f"{loot.path}/reservations", admission, order, **(headers or {"Idempotency_Key": str(uuid4())})
    )


def _order(loot: Loot, **changes: Any) -> Request:
    return _reserve(loot, loot.admission, {"sku": loot.sku, "quantity": 1, **changes})


def _webhook(**headers: str) -> Request:
    notice = {
        "event_id": str(uuid4()),
        "type": "payment.succeeded",
        "payment_id": str(uuid4()),
        "amount_minor": 1,
        "currency": "CNY",
        "occurred_at": "2026-11-11T00:00:00Z",
    }
    return _post("/v1/webhooks/payments", None, notice, **headers)


def truncated(token: str) -> str:
    return token[: max(1, len(token) - 9)]


def flipped(token: str) -> str:
    """The token with one character of its middle part changed; the signature stays."""
    place = len(token) // 2
    while token[place] == ".":
        place += 1
    return token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]


def with_claims(token: str, *, algorithm: str | None = None, **claims: Any) -> str:
    """A JWT whose claims were rewritten under the old signature, or without one where an algorithm is named."""
    head, content, signature = token.split(".")
    content = _recoded(content, claims)
    if algorithm is not None:
        head, signature = _recoded(head, {"alg": algorithm}), ""
    return f"{head}.{content}.{signature}"


def _recoded(part: str, changes: dict[str, Any]) -> str:
    fields = msgspec.json.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return urlsafe_b64encode(msgspec.json.encode({**fields, **changes})).rstrip(b"=").decode()


_FAR: Final = 4_000_000_000
_SIGNED: Final = {"webhook_id": "msg_forged", "webhook_timestamp": "1793000000"}

# At the door: these need a user token and a ticket, no turn.
AT_THE_DOOR: Final[dict[str, Forgery]] = {
    "token_missing": lambda loot: _join(loot, None),
    "token_garbage": lambda loot: _join(loot, "not.a.token"),
    "token_truncated": lambda loot: _join(loot, truncated(loot.token)),
    "token_flipped": lambda loot: _join(loot, flipped(loot.token)),
    "token_unsigned": lambda loot: _join(loot, with_claims(loot.token, algorithm="none", exp=_FAR)),
    "token_of_another": lambda loot: _join(loot, with_claims(loot.token, sub="somebody-else")),
    "token_expired": lambda loot: _join(loot, with_claims(loot.token, exp=1)),
    "token_with_roles": lambda loot: _join(loot, with_claims(loot.token, roles=["lead"])),
    "token_is_ticket": lambda loot: _join(loot, loot.ticket or "x"),
    "token_endless": lambda loot: _join(loot, "a" * 5_000),
    "ticket_garbage": lambda loot: _admit(loot, {"ticket": "k.e.y"}),
    "ticket_truncated": lambda loot: _admit(loot, {"ticket": truncated(loot.ticket)}),
    "ticket_flipped": lambda loot: _admit(loot, {"ticket": flipped(loot.ticket or "aaaa")}),
    "ticket_foreign": lambda loot: _admit(loot, {"ticket": loot.foreign_ticket or "x"}),
    "ticket_is_token": lambda loot: _admit(loot, {"ticket": loot.token}),
    "ticket_missing": lambda loot: _admit(loot, {}),
    "ticket_number": lambda loot: _admit(loot, {"ticket": 7}),
    "ticket_unknown_field": lambda loot: _admit(loot, {"ticket": loot.ticket, "position": 0}),
    "body_not_json": lambda loot: _admit(loot, b'{"ticket": '),
    "body_not_object": lambda loot: _admit(loot, [loot.ticket]),
    "body_not_text": lambda loot: _admit(loot, b"\xff\xfe\x00"),
    "body_too_large": lambda loot: _admit(loot, {"ticket": "a" * BODY_BYTES_OVER}),
    "sale_unknown": lambda loot: _post("/v1/sales/no-such-sale-anywhere/tickets", loot.token),
    "method_wrong": lambda loot: Request(STAGE, "DELETE", f"{loot.path}/tickets", bearer=loot.token),
    "reservation_foreign": lambda loot: Request(
        STAGE, "GET", f"/v1/reservations/{loot.foreign_reservation}", bearer=loot.token
    ),
    "release_foreign": lambda loot: Request(
        STAGE, "DELETE", f"/v1/reservations/{loot.foreign_reservation}", bearer=loot.token
    ),
    "payment_foreign": lambda loot: _post(f"/v1/reservations/{loot.foreign_reservation}/payment", loot.token),
    "reservation_no_uuid": lambda loot: Request(STAGE, "GET", "/v1/reservations/1%27--", bearer=loot.token),
    "webhook_unsigned": lambda _loot: _webhook(),
    "webhook_badly_signed": lambda _loot: _webhook(webhook_signature="v1,Zm9yZ2Vk", **_SIGNED),
    "admission_missing": lambda loot: _reserve(loot, None),
    "admission_garbage": lambda loot: _reserve(loot, "k.e.y"),
    "admission_is_ticket": lambda loot: _reserve(loot, loot.ticket or "x"),
    "admission_is_token": lambda loot: _reserve(loot, loot.token),
}

# Inside: these carry a real admission, and ask for what nobody may have.
INSIDE: Final[dict[str, Forgery]] = {
    "admission_truncated": lambda loot: _reserve(loot, truncated(loot.admission)),
    "admission_flipped": lambda loot: _reserve(loot, flipped(loot.admission)),
    "admission_elsewhere": lambda loot: _post(
        "/v1/sales/no-such-sale-anywhere/reservations",
        loot.admission,
        {"sku": loot.sku, "quantity": 1},
        Idempotency_Key=str(uuid4()),
    ),
    "quantity_zero": lambda loot: _order(loot, quantity=0),
    "quantity_negative": lambda loot: _order(loot, quantity=-1),
    "quantity_huge": lambda loot: _order(loot, quantity=10**30),
    "quantity_64_bits": lambda loot: _order(loot, quantity=2**63 - 1),
    "quantity_fraction": lambda loot: _order(loot, quantity=1.5),
    "quantity_text": lambda loot: _order(loot, quantity="1"),
    "quantity_null": lambda loot: _order(loot, quantity=None),
    "quantity_true": lambda loot: _order(loot, quantity=True),
    "quantity_nan": lambda loot: _reserve(
        loot, loot.admission, b'{"sku": "' + loot.sku.encode() + b'", "quantity": NaN}'
    ),
    "sku_unknown": lambda loot: _order(loot, sku="no-such-thing"),
    "sku_number": lambda loot: _order(loot, sku=1),
    "sku_missing": lambda loot: _reserve(loot, loot.admission, {"quantity": 1}),
    "field_unknown": lambda loot: _order(loot, price_minor=1),
    "order_not_json": lambda loot: _reserve(loot, loot.admission, b"sku=1&quantity=1"),
    "order_not_text": lambda loot: _reserve(loot, loot.admission, b"\x80\x81"),
    "order_too_large": lambda loot: _order(loot, sku="a" * BODY_BYTES_OVER),
    "key_missing": lambda loot: _reserve(loot, loot.admission, Content_Type="application/json"),
    "key_too_long": lambda loot: _reserve(loot, loot.admission, Idempotency_Key="k" * 300),
    "key_blank": lambda loot: _reserve(loot, loot.admission, Idempotency_Key=" "),
}
