"""The desk over HTTP: who may ask, what they are told, in which language, and that it is written down."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from kit.clock import SystemClock
from kit.identity import ROLES, Identities, IdentitySettings
from kit.postgres import Postgres
from kit.settings import PostgresSettings
from ops.console.app import Parts, create_app
from ops.console.desk import ROLES as DESK_ROLES
from ops.desk.service import Desk
from ops.models import AuditEntry
from tests.ops.console.conftest import SignedIn
from tests.ops.invariants.scene import BUYER, LATE, Scene


async def ask(http: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return await http.get(f"/v1/desk/{path}", headers=headers)


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


async def entry_of(postgres: Postgres, body: dict[str, Any]) -> AuditEntry:
    async with postgres.read() as session:
        found = await session.scalars(select(AuditEntry).where(AuditEntry.entry_id == UUID(body["audit_id"])))
        return found.one()


async def test_an_agent_is_told_one_state_one_reason_and_every_step(
    http: httpx.AsyncClient, scene: Scene, signed_in: SignedIn
) -> None:
    answer = await ask(http, f"users/{BUYER}?sale_id={scene.sale_id}", signed_in("cs_agent"))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    (sale,) = answer.json()["sales"]
    assert sale["state"] == {"code": "rewarded", "text": "Bought and rewarded"}
    assert sale["reason"] == {"code": "reward_sent", "text": "Every reward has been sent."}
    assert [step["at"] for step in sale["steps"]] == sorted(step["at"] for step in sale["steps"])
    assert {"held", "paid", "confirmed", "reward_sent"} <= {step["code"] for step in sale["steps"]}


async def test_the_answer_speaks_the_callers_language(
    http: httpx.AsyncClient, scene: Scene, signed_in: SignedIn
) -> None:
    path = f"users/{LATE}?sale_id={scene.sale_id}"
    answer = await ask(http, path, signed_in("cs_agent", language="zh-CN"))
    assert answer.headers["content-language"] == "zh-CN"
    assert answer.json()["sales"][0]["state"]["text"] == "已退款"


async def test_a_look_is_written_down(
    http: httpx.AsyncClient, scene: Scene, postgres: Postgres, signed_in: SignedIn
) -> None:
    body = (await ask(http, f"users/{BUYER}", signed_in("cs_lead"))).json()
    entry = await entry_of(postgres, body)
    assert (entry.actor, entry.action, entry.subject) == ("mei", "desk_lookup", f"user/{BUYER}")
    assert entry.details["door"] == "console"
    assert entry.details["roles"] == ["cs_lead"]


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_each_role_is_let_in_or_kept_out(
    http: httpx.AsyncClient, signed_in: SignedIn, role: str
) -> None:
    answer = await ask(http, "users/somebody", signed_in(role))
    if role in DESK_ROLES:
        assert answer.status_code == 200
    else:
        assert_problem(answer, 403, "role_missing")
        assert "cs_agent" in answer.json()["detail"]


async def test_a_shoppers_token_opens_nothing(http: httpx.AsyncClient, signed_in: SignedIn) -> None:
    for path in ("users/somebody", "search?phone=13800138000"):
        assert_problem(await ask(http, path, signed_in()), 403, "role_missing")


@pytest.mark.parametrize("token", ["", "forged", "a.b.c"])
async def test_without_a_valid_token_nothing_is_read(http: httpx.AsyncClient, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else None
    answer = await ask(http, "users/somebody", headers)
    assert_problem(answer, 401, "token_invalid" if token else "token_missing")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_signed_with_another_key_opens_nothing(
    http: httpx.AsyncClient, identities: Identities
) -> None:
    foreign = Identities(IdentitySettings(keys="k1:" + "x" * 40), SystemClock())
    token = foreign.issue("mei", roles=frozenset({"lead"}))
    assert_problem(
        await ask(http, "users/somebody", {"Authorization": f"Bearer {token}"}), 401, "token_invalid"
    )


async def test_a_phone_finds_its_shoppers_and_is_shown_masked(
    http: httpx.AsyncClient, scene: Scene, postgres: Postgres, signed_in: SignedIn
) -> None:
    phone = f"137{uuid4().int % 10**8:08d}"
    await scene.plant(f"UPDATE flashsale.reservations SET phone = '{phone}' WHERE reservation_id = :won")
    answer = await ask(http, f"search?phone={phone}", signed_in("cs_agent"))
    (shopper,) = answer.json()["shoppers"]
    assert shopper["user"] == BUYER
    assert f"137****{phone[-4:]}" in shopper["phones"]
    assert phone not in answer.text
    assert phone not in str((await entry_of(postgres, answer.json())).details)


async def test_a_reservation_finds_its_shopper(
    http: httpx.AsyncClient, scene: Scene, signed_in: SignedIn
) -> None:
    answer = await ask(http, f"search?reservation_id={scene.ids['won']}", signed_in("auditor"))
    assert [shopper["user"] for shopper in answer.json()["shoppers"]] == [BUYER]
    unknown = await ask(http, f"search?reservation_id={uuid4()}", signed_in("auditor"))
    assert_problem(unknown, 404, "reservation_unknown")


async def test_a_user_id_that_is_a_phone_is_masked_in_the_answer(
    http: httpx.AsyncClient, signed_in: SignedIn
) -> None:
    answer = await ask(http, "users/13800138000", signed_in("lead"))
    assert answer.json()["user"] == "138****8000"
    assert "13800138000" not in answer.text


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("search", 422, "search_unclear"),
        (
            "search?phone=13800138000&reservation_id=01930b6e-7c1e-7d57-9d35-6f0c1c1a2b3c",
            422,
            "search_unclear",
        ),
        ("search?phone=138%2A%2A%2A%2A8000", 422, "invalid_request"),
        ("search?phone=%00", 422, "invalid_request"),
        ("search?reservation_id=1", 422, "invalid_request"),
        ("users/%20", 422, "invalid_request"),
        ("users/" + "u" * 65, 422, "invalid_request"),
        ("users/somebody?sale_id=NO", 422, "invalid_request"),
        ("users/somebody?sale_id=no-such-sale", 404, "sale_unknown"),
        ("users/somebody?sale=some-sale", 422, "invalid_request"),
        ("search?phone=13800138000&more=1", 422, "invalid_request"),
        ("users/a/b", 404, "not_found"),
    ],
)
async def test_bad_input_is_answered_by_the_contract(
    http: httpx.AsyncClient, signed_in: SignedIn, path: str, status: int, code: str
) -> None:
    assert_problem(await ask(http, path, signed_in("cs_agent")), status, code)


async def test_the_desk_only_reads(http: httpx.AsyncClient, signed_in: SignedIn) -> None:
    answer = await http.post("/v1/desk/users/somebody", headers=signed_in("lead"))
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


async def test_a_postgres_that_is_away_is_said_to_be(identities: Identities, signed_in: SignedIn) -> None:
    async def nowhere(_sale: str, _user: str) -> int | None:
        return None

    away = Postgres(PostgresSettings(database_url="postgresql://nobody@127.0.0.1:1/none"))
    transport = httpx.ASGITransport(create_app(Parts(away, Desk(nowhere), identities)))
    async with httpx.AsyncClient(transport=transport, base_url="http://console") as http:
        answer = await ask(http, "users/somebody", signed_in("cs_agent"))
    await away.close()
    assert_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
