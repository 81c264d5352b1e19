"""`floodgate desk` and `floodgate staff-token`, as they are typed."""

import asyncio
import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from kit.clock import SystemClock
from kit.embedded import ServerUrls
from kit.errors import DomainError, StartRefused
from kit.identity import Identities, IdentitySettings
from kit.postgres import Postgres
from ops.cli import app
from ops.models import AuditEntry
from tests.ops.invariants.scene import BUYER, play
from tests.patience import patient

KEYS = "k1:" + "s" * 40


@pytest.fixture
def played_sale(servers: ServerUrls, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A sale on the test's servers, which the environment names as it would for a person."""
    sale_id = f"sale-{uuid4().hex[:16]}"
    monkeypatch.setenv("DATABASE_URL", servers.database)
    monkeypatch.setenv("REDIS_QUEUE_URL", servers.redis_queue)

    async def prepare() -> None:
        postgres = Postgres(patient(servers.database))
        await play(postgres, sale_id)
        await postgres.close()

    asyncio.run(prepare())
    yield sale_id


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_the_answer_is_one_state_one_reason_and_the_steps(played_sale: str) -> None:
    result = typed("desk", BUYER, "--sale", played_sale, "--lang", "en")
    assert result.exit_code == 0, result.exception
    assert "Bought and rewarded [rewarded]" in result.output
    assert "Every reward has been sent. [reward_sent]" in result.output
    assert "Paid 9.90 CNY" in result.output


def test_agents_read_chinese_by_default(played_sale: str) -> None:
    assert "已购买，奖励已到账" in typed("desk", BUYER, "--sale", played_sale).output


def test_json_is_the_consoles_answer(played_sale: str) -> None:
    answer = json.loads(typed("desk", BUYER, "--sale", played_sale, "--json").output)
    (sale,) = answer["sales"]
    assert (sale["state"]["code"], sale["reason"]["code"]) == ("rewarded", "reward_sent")
    assert all(step["at"].endswith("Z") for step in sale["steps"])


def test_a_user_id_that_is_a_phone_is_never_printed(played_sale: str) -> None:
    for extra in ([], ["--json"]):
        output = typed("desk", "13800138000", "--sale", played_sale, *extra).output
        assert "138****8000" in output
        assert "13800138000" not in output


def test_who_sits_at_the_terminal_is_in_the_audit(
    played_sale: str, servers: ServerUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "mei")
    answer = json.loads(typed("desk", BUYER, "--sale", played_sale, "--json").output)

    async def read() -> AuditEntry:
        postgres = Postgres(patient(servers.database))
        async with postgres.read() as session:
            entry = await session.scalars(select(AuditEntry).where(AuditEntry.entry_id == answer["audit_id"]))
            found = entry.one()
        await postgres.close()
        return found

    entry = asyncio.run(read())
    assert (entry.actor, entry.details["door"]) == ("os/mei", "cli")


def test_refusals_are_business_facts_and_no_traceback(
    played_sale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = typed("desk", BUYER, "--sale", "no-such-sale").exception
    assert isinstance(unknown, DomainError)
    assert unknown.code == "sale_unknown"
    assert isinstance(typed("desk", "not a user").exception, StartRefused)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    away = typed("desk", BUYER).exception
    assert isinstance(away, StartRefused)
    assert "127.0.0.1:1/none" in str(away)
    monkeypatch.setenv("DATABASE_URL", "")
    assert isinstance(typed("desk", BUYER).exception, StartRefused)


def test_a_staff_token_carries_the_roles_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_KEYS", KEYS)
    token = typed("staff-token", "--role", "cs_agent", "--role", "auditor", "--user", "mei").output.strip()
    identity = Identities(IdentitySettings(keys=KEYS), SystemClock()).verify(token)
    assert identity.user_id == "mei"
    assert identity.roles == {"cs_agent", "auditor"}


def test_no_staff_token_without_keys_or_with_a_role_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_KEYS", "")
    assert isinstance(typed("staff-token", "--role", "cs_agent").exception, StartRefused)
    monkeypatch.setenv("IDENTITY_KEYS", KEYS)
    assert isinstance(typed("staff-token", "--role", "emperor").exception, StartRefused)
