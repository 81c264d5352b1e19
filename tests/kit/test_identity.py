"""User tokens: what is issued is verified, by the injected clock, and nothing else is."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.clock import SteppedClock
from kit.errors import StartRefused
from kit.identity import Identities, IdentitySettings
from kit.signing import TokenRefused

KEY = "k" * 32
SETTINGS = IdentitySettings(keys=f"a:{KEY}", token_seconds=60)
CLOCK = SteppedClock()
IDENTITIES = Identities(SETTINGS, CLOCK)


def claims(**changes: Any) -> dict[str, Any]:
    return {"sub": "ann", "aud": "floodgate", "exp": CLOCK.now() + timedelta(seconds=60), **changes}


def encoded(*, key: str = KEY, algorithm: str = "HS256", kid: Any = "a", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid})


def test_what_was_issued_is_verified_with_phone_and_roles() -> None:
    identity = IDENTITIES.verify(IDENTITIES.issue("ann", phone="13800008000", roles=frozenset({"cs_agent"})))
    assert (identity.user_id, identity.phone, identity.roles) == ("ann", "13800008000", {"cs_agent"})


def test_a_shoppers_token_tells_its_end_and_carries_no_role() -> None:
    clock = SteppedClock()
    identities = Identities(SETTINGS, clock)
    issued = identities.issue_user("ann")
    assert identities.verify(issued.token).roles == frozenset()
    clock.step((issued.expires_at - clock.now()).total_seconds() - 0.001)
    identities.verify(issued.token)
    clock.step(0.001)
    with pytest.raises(TokenRefused, match="expired"):
        identities.verify(issued.token)


@pytest.mark.parametrize(
    ("reason", "token"),
    [
        ("bad_signature", encoded(key="o" * 32)),
        ("unknown_key", encoded(kid="b")),
        ("unknown_key", encoded(kid="")),
        ("bad_algorithm", encoded(key="o" * 64, algorithm="HS512")),
        ("expired", encoded(exp=CLOCK.now())),
        ("expired", encoded(exp=-(10**30))),
        ("not_yet", encoded(nbf=CLOCK.now() + timedelta(seconds=60))),
        ("foreign", encoded(aud="elsewhere")),
        ("malformed", encoded(exp=True)),
        ("malformed", encoded(exp=None)),
        ("malformed", encoded(sub="a b")),
        ("malformed", encoded(sub="")),
        ("malformed", encoded(roles="lead")),
        ("malformed", encoded(phone_number=1)),
        ("malformed", encoded(phone_number="1" * 21)),
        ("malformed", "a" * 5000),
        ("malformed", ""),
    ],
)
def test_everything_else_is_refused_with_a_reason_for_the_counters(reason: str, token: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        IDENTITIES.verify(token)
    assert refused.value.reason == reason


def test_a_far_end_is_borne() -> None:
    assert IDENTITIES.verify(encoded(exp=10**30)).user_id == "ann"


def test_roles_nobody_knows_give_no_right() -> None:
    assert IDENTITIES.verify(encoded(roles=["root", 7, "viewer"])).roles == {"viewer"}


@given(st.text(max_size=300))
def test_any_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(TokenRefused):
        IDENTITIES.verify(text)


def test_without_keys_a_process_does_not_start() -> None:
    with pytest.raises(StartRefused, match="IDENTITY_KEYS"):
        Identities(IdentitySettings(keys=""), CLOCK)
