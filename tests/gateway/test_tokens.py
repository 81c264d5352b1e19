"""Every way to come without the right credentials, at every kind of route: refused, in form, without an oracle."""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from itertools import product
from typing import Any
from uuid import uuid4

import httpx
import jwt
import msgspec
import pytest

from gateway import metrics
from kit.clock import SteppedClock
from kit.identity import Identities, IdentitySettings
from kit.signing import Keyring
from queueing.admissions import AdmissionFacts, sign_admission
from tests.gateway.scene import IDENTITY, QUEUEING, SKU, Scene, assert_problem

KEY = IDENTITY.keys.split(":")[1]
CLAIMS: dict[str, Any] = {"sub": "ann", "aud": "floodgate", "exp": int(time.time()) + 600}


def encoded(claims: dict[str, Any], *, key: str = KEY, algorithm: str = "HS256", **head: Any) -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "i1", **head})


def recoded(part: str, **changes: Any) -> str:
    fields = msgspec.json.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return urlsafe_b64encode(msgspec.json.encode({**fields, **changes})).rstrip(b"=").decode()


def unsigned(claims: dict[str, Any]) -> str:
    head, body, _ = encoded(claims).split(".")
    return f"{recoded(head, alg='none')}.{body}."


BAD_USER_TOKENS = {
    "garbage": "not.a.token",
    "one_part": "x",
    "dots": "..",
    "of_another_key": encoded(CLAIMS, key="o" * 32),
    "of_an_unknown_key_id": encoded(CLAIMS, kid="other"),
    "with_a_list_as_key_id": recoded(encoded(CLAIMS).split(".")[0], kid=["i1"])
    + encoded(CLAIMS)[len(encoded(CLAIMS).split(".")[0]) :],
    "truncated": encoded(CLAIMS)[:-5],
    "unsigned": unsigned(CLAIMS),
    "of_another_algorithm": encoded(CLAIMS, algorithm="HS512", key="k" * 64),
    "expired": encoded({**CLAIMS, "exp": int(time.time()) - 1}),
    "without_an_end": encoded({"sub": "ann", "aud": "floodgate"}),
    "whose_end_is_no_number": encoded({**CLAIMS, "exp": "soon"}),
    "not_valid_yet": encoded({**CLAIMS, "nbf": int(time.time()) + 600}),
    "for_another_audience": encoded({**CLAIMS, "aud": "elsewhere"}),
    "without_audience": encoded({"sub": "ann", "exp": CLAIMS["exp"]}),
    "of_nobody": encoded({"aud": "floodgate", "exp": CLAIMS["exp"]}),
    "whose_user_is_no_user_id": encoded({**CLAIMS, "sub": "ann'; --"}),
    "whose_user_is_a_number": encoded({**CLAIMS, "sub": 7}),
    "endless": "a" * 5000,
    "not_ascii": "é.è.à",
}


async def test_a_bad_user_token_is_refused_and_told_to_sign_in_again(scene: Scene) -> None:
    routes = (
        ("POST", f"{scene.path}/tickets"),
        ("GET", "/v1/me/reservations"),
        ("GET", "/v1/me/events"),
        ("DELETE", f"/v1/reservations/{uuid4()}"),
    )
    for token, (method, path) in product(BAD_USER_TOKENS.values(), routes):
        headers = {"Authorization": b"Bearer " + token.encode()}
        answer = await scene.http.request(method, path, headers=headers)
        problem = assert_problem(answer, 401, "token_invalid")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="floodgate", error="invalid_token"'
        assert set(problem) == {"type", "title", "status", "detail", "code"}, "the answer is no oracle"


async def test_no_token_is_another_answer_than_a_bad_one(scene: Scene) -> None:
    for header in (None, "", "Bearer", "Bearer ", "Basic YTpi", "token"):
        headers = {} if header is None else {"Authorization": header}
        answer = await scene.http.get("/v1/me/rewards", headers=headers)
        assert_problem(answer, 401, "token_missing")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="floodgate"'


async def test_a_ticket_or_an_admission_is_no_user_token(scene: Scene) -> None:
    for token in (await scene.ticket("ann"), await scene.admission("ann")):
        answer = await scene.http.get("/v1/me/rewards", headers={"Authorization": f"Bearer {token}"})
        assert_problem(answer, 401, "token_invalid")


async def test_only_the_right_admission_reserves(scene: Scene) -> None:
    ticket, admission = await scene.ticket("ann"), await scene.admission("ann")
    user_token = scene.signed_in("ann")["Authorization"].removeprefix("Bearer ")
    kid, payload, signature = admission.split(".")
    bad = {
        "garbage": "k.e.y",
        "a_ticket": ticket,
        "a_user_token": user_token,
        "truncated": admission[:-4],
        "of_another_key_id": f"q2.{payload}.{signature}",
        "with_another_payload": f"{kid}.{payload[:-4]}AAAA.{signature}",
        "of_another_key": _admission(scene, Keyring.parse("q1:" + "z" * 32, variable="X")),
        "expired": _admission(scene, Keyring.parse(QUEUEING.keys, variable="X"), seconds=-1),
        "endless": "q1." + "a" * 2000 + ".b",
    }
    for name, token in bad.items():
        answer = await scene.reserve(token)
        assert_problem(answer, 401, "admission_invalid"), name
        assert 'realm="admission"' in answer.headers["WWW-Authenticate"]
    assert (await scene.reserve(admission)).status_code == 201


def _admission(scene: Scene, keyring: Keyring, *, seconds: float = 300) -> str:
    facts = AdmissionFacts(scene.sale_id, "ann", uuid4().bytes, 0, int(time.time() + seconds))
    return sign_admission(keyring, facts)


async def test_reserving_without_an_admission_says_what_it_takes(scene: Scene) -> None:
    answer = await scene.http.post(
        f"{scene.path}/reservations",
        headers={"Idempotency-Key": "k"},
        json={"sku": SKU, "quantity": 1},
    )
    assert_problem(answer, 401, "admission_missing")


async def test_an_admission_of_one_sale_gives_no_right_in_another(scene: Scene) -> None:
    admission = await scene.admission("ann")
    answer = await scene.http.post(
        "/v1/sales/another-sale/reservations",
        headers={"Authorization": f"Bearer {admission}", "Idempotency-Key": "k"},
        json={"sku": SKU, "quantity": 1},
    )
    assert_problem(answer, 403, "admission_foreign")


async def test_only_ones_own_ticket_of_this_sale_is_admitted(scene: Scene) -> None:
    ticket, admission = await scene.ticket("ann"), await scene.admission("ann")
    for user, token in {
        "ben": ticket,
        "ann": admission,
        "cleo": "k.e.y",
        "dora": ticket[:-3],
        "emil": scene.signed_in("emil")["Authorization"][7:],
    }.items():
        assert_problem(await _admit(scene, user, token), 403, "ticket_invalid")
    assert (await _admit(scene, "ann", ticket)).status_code == 201


async def _admit(scene: Scene, user: str, ticket: str) -> httpx.Response:
    return await scene.http.post(
        f"{scene.path}/admissions", headers=scene.signed_in(user), json={"ticket": ticket}
    )


async def test_refusals_are_counted_by_their_reason(scene: Scene) -> None:
    def counted(kind: str, reason: str) -> float:
        return metrics.REFUSED_TOKENS.row(kind)[reason]

    before = counted("user", "expired"), counted("admission", "malformed")
    await scene.http.get("/v1/me/rewards", headers={"Authorization": f"Bearer {BAD_USER_TOKENS['expired']}"})
    await scene.reserve("nonsense")
    assert (counted("user", "expired"), counted("admission", "malformed")) == (before[0] + 1, before[1] + 1)


async def test_the_local_issuer_gives_a_shoppers_token_and_never_a_role(scene: Scene) -> None:
    answer = await scene.http.post("/v1/local/sign-in", json={"user_id": "ann", "phone": "13800008000"})
    assert answer.status_code == 200
    identity = scene.parts.identities.verify(answer.json()["token"])
    assert (identity.user_id, identity.phone, identity.roles) == ("ann", "13800008000", frozenset())
    assert answer.json()["expires_at"].endswith("Z")
    answer = await scene.http.post("/v1/local/sign-in", json={"user_id": "ann", "roles": ["lead"]})
    assert_problem(answer, 422, "invalid_request")


async def test_a_token_ends_by_the_injected_clock() -> None:
    clock = SteppedClock()
    identities = Identities(IdentitySettings(keys=IDENTITY.keys, token_seconds=60), clock)
    issued = identities.issue_user("ann")
    clock.step(58)
    assert identities.verify(issued.token).user_id == "ann"
    clock.step(3)
    assert clock.now() > issued.expires_at
    with pytest.raises(Exception, match="expired"):
        identities.verify(issued.token)
