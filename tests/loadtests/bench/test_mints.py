"""What the bench signs is what the gateway opens; so is the form of a token that the documents describe."""

import time
from uuid import UUID

import pytest

from kit.clock import SystemClock
from kit.identity import Identities, IdentitySettings
from kit.signing import Keyring
from loadtests.bench.baselines.classic.tokens import NotAdmitted, verify
from loadtests.bench.mints import KID, Mint, forged
from loadtests.bench.requests import Shoppers
from queueing.admissions import open_admission
from queueing.errors import AdmissionInvalid
from queueing.tickets import open_ticket

MINT = Mint("q" * 64, "i" * 64)
KEYRING = Keyring.parse(MINT.environment()["QUEUEING_KEYS"], variable="QUEUEING_KEYS")


def test_an_admission_is_opened_by_the_waiting_room() -> None:
    facts = open_admission(KEYRING, MINT.admission("sale-1", "user-1", 7).decode(), time.time())
    assert (facts.sale_id, facts.user_id, facts.position, facts.admission_id) == (
        "sale-1",
        "user-1",
        7,
        UUID(int=7).bytes,
    )


def test_a_forgery_is_refused_by_the_waiting_room() -> None:
    with pytest.raises(AdmissionInvalid) as refused:
        open_admission(KEYRING, forged(MINT.admission("sale-1", "user-1", 7)).decode(), time.time())
    assert refused.value.reason == "bad_signature"


def test_a_ticket_is_opened_by_the_waiting_room() -> None:
    token = MINT.ticket("sale-1", "user-1", 10**12).decode()
    assert open_ticket(KEYRING, token, sale_id="sale-1", user_id="user-1").position == 10**12


def test_a_user_token_is_accepted_at_the_door() -> None:
    identities = Identities(IdentitySettings(keys=f"{KID}:{MINT.identity_secret}"), SystemClock())
    assert identities.verify(MINT.user_token("user-1").decode()).user_id == "user-1"


def test_the_plain_shop_knows_its_own_admissions_from_forgeries() -> None:
    token = MINT.admission("sale-1", "user-1", 7).decode()
    assert verify(token, MINT.queueing_secret).user_id == "user-1"
    for wrong in (forged(token.encode()).decode(), token[:-2], "", "a.b.c", "没有"):
        with pytest.raises(NotAdmitted):
            verify(wrong, MINT.queueing_secret)


def test_no_two_requests_share_a_user_or_a_key() -> None:
    made = Shoppers(MINT).reservations("sale-1", "sku-1", 500)
    keys = [
        line for request in made for line in request.split(b"\r\n") if line.startswith(b"Idempotency-Key")
    ]
    assert len(set(made)) == len(set(keys)) == 500
