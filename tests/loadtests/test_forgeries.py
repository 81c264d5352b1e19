"""The catalogue of forgeries: each is a request, and each differs from what an honest shopper would send."""

import json
from base64 import urlsafe_b64decode

import jwt
import pytest

from loadtests.crowd.forgeries import AT_THE_DOOR, INSIDE, Loot, flipped, truncated, with_claims
from loadtests.crowd.wire import Request

KEY = "k" * 32
LOOT = Loot(
    path="/v1/sales/s",
    sku="lamp",
    token=jwt.encode({"sub": "me", "exp": 4_000_000_000}, KEY, algorithm="HS256"),
    ticket="kid.ticketticketticket.signature",
    admission="kid.admissionadmission.signature",
    foreign_ticket="kid.theirstheirstheirs.signature",
)
ALL = AT_THE_DOOR | INSIDE


@pytest.mark.parametrize("name", sorted(ALL))
def test_each_forgery_is_a_request_that_can_be_sent(name: str) -> None:
    request = ALL[name](LOOT)
    assert isinstance(request, Request)
    assert request.stage == "forged"
    body, headers = request.packed()
    assert body is None or isinstance(body, bytes)
    assert all("_" not in header for header in headers)


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_forgery_is_what_an_honest_shopper_would_send(name: str) -> None:
    request = ALL[name](LOOT)
    joins = request.method == "POST" and request.url == f"{LOOT.path}/tickets"
    admits = request.url.endswith("/admissions") and request.body == {"ticket": LOOT.ticket}
    buys = (
        request.url == f"{LOOT.path}/reservations"
        and json.dumps(request.body, default=repr) == json.dumps({"sku": LOOT.sku, "quantity": 1})
        and 1 <= len(request.headers.get("Idempotency-Key", "").strip()) <= 64
    )
    assert not (joins and request.bearer == LOOT.token)
    assert not (admits and request.bearer == LOOT.token)
    assert not (buys and request.bearer == LOOT.admission)


@pytest.mark.parametrize("token", [LOOT.token, LOOT.ticket, "a.b.c", "aaaa"])
def test_a_flipped_token_differs_in_one_character(token: str) -> None:
    changed = flipped(token)
    assert len(changed) == len(token)
    assert sum(one != other for one, other in zip(token, changed, strict=True)) == 1
    assert changed.count(".") == token.count(".")


def test_a_truncated_token_is_shorter_and_not_empty() -> None:
    assert truncated(LOOT.token) != LOOT.token
    assert LOOT.token.startswith(truncated(LOOT.token))
    assert truncated("ab") == "a"


def test_rewritten_claims_keep_the_old_signature() -> None:
    forged = with_claims(LOOT.token, sub="another")
    assert forged.split(".")[2] == LOOT.token.split(".")[2]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(forged, KEY, algorithms=["HS256"])
    assert jwt.decode(forged, options={"verify_signature": False})["sub"] == "another"


def test_an_unsigned_token_says_so() -> None:
    head, _, signature = with_claims(LOOT.token, algorithm="none").split(".")
    assert json.loads(urlsafe_b64decode(head + "=="))["alg"] == "none"
    assert signature == ""
