"""No token chooses how it is judged: every algorithm against every kind of key, and every bend of form and claim."""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from itertools import product
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kit.clock import SteppedClock, SystemClock
from kit.errors import StartRefused, Unavailable
from kit.identity import Identities, Identity, IdentitySettings
from kit.jwks import usable_keys
from kit.signing import TokenRefused

SECRET = "s" * 40
ISSUER = "https://shop.test"
SETTINGS = IdentitySettings(keys=f"hs:{SECRET}", jwks_url="https://shop.test/jwks.json", issuer=ISSUER)
PRIVATE: dict[str, Any] = {
    "rs": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "es": ec.generate_private_key(ec.SECP256R1()),
    "ed": ed25519.Ed25519PrivateKey.generate(),
}
OWN = {"hs": "HS256", "rs": "RS256", "es": "ES256", "ed": "EdDSA"}
SYMMETRIC = ("HS256", "HS384", "HS512")


def public_jwk(which: str, **more: Any) -> dict[str, Any]:
    kind = {
        "rs": jwt.algorithms.RSAAlgorithm,
        "es": jwt.algorithms.ECAlgorithm,
        "ed": jwt.algorithms.OKPAlgorithm,
    }
    jwk = json.loads(kind[which].to_jwk(PRIVATE[which].public_key()))
    return {**jwk, "kid": which, **more}


def document(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


@pytest.fixture
def identities() -> Identities:
    made = Identities(SETTINGS, SystemClock())
    assert made.jwks is not None
    made.jwks._keys = usable_keys(document(*(public_jwk(kid) for kid in PRIVATE)))
    made.jwks._fetched_at = time.monotonic()
    return made


def claims(**changes: Any) -> dict[str, Any]:
    return {"sub": "ann", "aud": "floodgate", "iss": ISSUER, "exp": int(time.time()) + 600, **changes}


def encoded(kid: str, algorithm: str, **changes: Any) -> str:
    key = SECRET if kid == "hs" else PRIVATE[kid]
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid})


def segment(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(kid: str, head: Any, content: Any) -> str:
    """Whatever head and claims, honestly signed by the key with its own algorithm."""
    signed = f"{segment(head)}.{segment(content)}"
    algorithm = jwt.algorithms.get_default_algorithms()[OWN[kid]]
    key = algorithm.prepare_key(SECRET.encode() if kid == "hs" else PRIVATE[kid])
    return f"{signed}.{segment(algorithm.sign(signed.encode(), key))}"


def reason(identities: Identities, token: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        identities.verify(token)
    return refused.value.reason


@pytest.mark.parametrize("kid", OWN)
def test_each_kind_of_key_verifies_its_own_algorithm(identities: Identities, kid: str) -> None:
    assert identities.verify(encoded(kid, OWN[kid])) == Identity("ann")


def public_bytes(kid: str) -> list[bytes]:
    """Every way in which a careless verifier might turn a public key into a shared one."""
    public = PRIVATE[kid].public_key()
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    jwk = public_jwk(kid)
    return [
        public.public_bytes(pem, info),
        public.public_bytes(pem, info).strip(),
        public.public_bytes(der, info),
        json.dumps(jwk).encode(),
        str(jwk.get("n", jwk.get("x"))).encode(),
    ]


@pytest.mark.parametrize(("kid", "algorithm"), [*product(PRIVATE, SYMMETRIC)])
def test_a_public_key_is_never_taken_for_a_shared_one(
    identities: Identities, kid: str, algorithm: str
) -> None:

    for secret in public_bytes(kid):
        signed = f"{segment({'alg': algorithm, 'kid': kid, 'typ': 'JWT'})}.{segment(claims())}"
        digest = hmac.new(secret, signed.encode(), getattr(hashlib, f"sha{algorithm[2:]}")).digest()
        assert reason(identities, f"{signed}.{segment(digest)}") in {"unknown_key", "bad_algorithm"}


@pytest.mark.parametrize(
    ("kid", "claimed"), [(kid, alg) for kid, alg in product(OWN, sorted({*OWN.values()})) if OWN[kid] != alg]
)
def test_a_token_cannot_claim_another_algorithm_than_its_keys(
    identities: Identities, kid: str, claimed: str
) -> None:
    token = by_hand(kid, {"alg": claimed, "kid": kid}, claims())
    assert reason(identities, token) in {"unknown_key", "bad_algorithm"}


@pytest.mark.parametrize(("kid", "other"), [(a, b) for a, b in product(OWN, OWN) if a != b])
def test_a_token_cannot_claim_another_key(identities: Identities, kid: str, other: str) -> None:
    _, body, signature = encoded(kid, OWN[kid]).split(".")
    for algorithm in (OWN[kid], OWN[other]):
        token = f"{segment({'alg': algorithm, 'kid': other})}.{body}.{signature}"
        assert reason(identities, token) in {"unknown_key", "bad_algorithm", "bad_signature"}


@pytest.mark.parametrize(
    "algorithm",
    ["none", "None", "NONE", "", "hs256", "RS384", "RS512", "PS256", "ES384", "ES512", "ES256K", "HS512"],
)
@pytest.mark.parametrize("kid", OWN)
def test_any_other_algorithm_is_refused_unread(identities: Identities, kid: str, algorithm: str) -> None:
    _, body, signature = encoded(kid, OWN[kid]).split(".")
    head = segment({"alg": algorithm, "kid": kid})
    assert reason(identities, f"{head}.{body}.{signature}") == "bad_algorithm"
    assert reason(identities, f"{head}.{body}.") == "bad_algorithm"


@pytest.mark.parametrize("kid", OWN)
def test_a_changed_claim_or_signature_is_refused(identities: Identities, kid: str) -> None:
    head, body, signature = encoded(kid, OWN[kid]).split(".")
    assert reason(identities, f"{head}.{segment(claims(sub='eve'))}.{signature}") == "bad_signature"
    assert reason(identities, f"{head}.{body}.") == "bad_signature"
    assert reason(identities, f"{head}.{body}.{segment(b'x' * 64)}") == "bad_signature"


HEAD_BENDS = {
    "no_key_id": {"alg": "HS256"},
    "a_list_as_key_id": {"alg": "HS256", "kid": ["hs"]},
    "no_algorithm": {"kid": "hs"},
    "a_list_of_algorithms": {"alg": ["HS256"], "kid": "hs"},
    "an_extension_to_understand": {"alg": "HS256", "kid": "hs", "crit": ["b64"], "b64": False},
    "a_list": ["HS256", "hs"],
}


@pytest.mark.parametrize("head", HEAD_BENDS.values(), ids=[*HEAD_BENDS])
def test_a_bent_head_is_malformed(identities: Identities, head: Any) -> None:
    _, body, signature = encoded("hs", "HS256").split(".")
    assert reason(identities, f"{segment(head)}.{body}.{signature}") == "malformed"


def test_keys_that_a_token_brings_along_are_not_looked_at(identities: Identities) -> None:
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key()))
    headers = {"kid": "rs", "jwk": jwk, "jku": "https://evil.test/jwks", "x5u": "https://evil.test/x"}
    assert (
        reason(identities, jwt.encode(claims(), own, algorithm="RS256", headers=headers)) == "bad_signature"
    )


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a", "a.b", "a.b.c.d", "é.è.à", "a" * 5000, ".." + "=" * 8, "\x00.\x00.\x00"],
)
def test_what_is_no_token_is_malformed(identities: Identities, token: str) -> None:
    assert reason(identities, token) == "malformed"


@pytest.mark.parametrize("bend", ["=", "+", "/", "\n", " ", "!"])
def test_a_segment_with_foreign_characters_is_malformed(identities: Identities, bend: str) -> None:
    head, body, signature = encoded("hs", "HS256").split(".")
    assert reason(identities, f"{head}.{body}.{signature}{bend}") == "malformed"
    assert reason(identities, f"{head}{bend}.{body}.{signature}") == "malformed"


CLAIM_BENDS: dict[str, tuple[dict[str, Any], str]] = {
    "another_audience": ({"aud": "elsewhere"}, "foreign"),
    "other_audiences": ({"aud": ["elsewhere", "nowhere"]}, "foreign"),
    "a_number_as_audience": ({"aud": 7}, "malformed"),
    "another_issuer": ({"iss": "https://evil.test"}, "foreign"),
    "an_end_in_the_past": ({"exp": 1}, "expired"),
    "an_end_in_words": ({"exp": "soon"}, "malformed"),
    "an_end_that_is_true": ({"exp": True}, "malformed"),
    "a_far_beginning": ({"nbf": 4e9}, "not_yet"),
    "a_user_that_is_no_user_id": ({"sub": "ann'; --"}, "malformed"),
    "a_number_as_user": ({"sub": 7}, "malformed"),
    "a_short_phone": ({"phone_number": "1"}, "malformed"),
    "roles_in_words": ({"roles": "lead"}, "malformed"),
}


@pytest.mark.parametrize("kid", OWN)
@pytest.mark.parametrize(("changes", "why"), CLAIM_BENDS.values(), ids=[*CLAIM_BENDS])
def test_a_bent_claim_is_refused_with_its_reason(
    identities: Identities, kid: str, changes: dict[str, Any], why: str
) -> None:
    assert reason(identities, by_hand(kid, {"alg": OWN[kid], "kid": kid}, claims(**changes))) == why


@pytest.mark.parametrize("missing", ["sub", "exp", "aud"])
def test_a_claim_that_is_missing_is_malformed(identities: Identities, missing: str) -> None:
    less = {name: value for name, value in claims().items() if name != missing}
    assert (
        reason(identities, jwt.encode(less, SECRET, algorithm="HS256", headers={"kid": "hs"})) == "malformed"
    )


def test_tokens_of_public_keys_must_name_their_issuer(identities: Identities) -> None:
    assert reason(identities, by_hand("rs", {"alg": "RS256", "kid": "rs"}, claims(iss=None))) == "foreign"
    assert identities.verify(identities.issue("bob")) == Identity("bob")


def test_one_of_several_audiences_is_enough(identities: Identities) -> None:
    assert identities.verify(encoded("es", "ES256", aud=["else", "floodgate"])).user_id == "ann"


def test_an_identity_knows_when_its_token_ends() -> None:
    clock = SteppedClock()
    identities = Identities(IdentitySettings(keys=f"hs:{SECRET}", token_seconds=60), clock)
    issued = identities.issue_user("ann")
    identity = identities.verify(issued.token)
    assert identity.expires_at == issued.expires_at.timestamp()
    clock.step(60)
    assert reason(identities, issued.token) == "expired"


def test_without_the_issuers_keys_nothing_is_said_about_its_tokens() -> None:
    """A 401 would send an honest shopper to sign in again, to no avail."""
    identities = Identities(SETTINGS, SystemClock())
    with pytest.raises(Unavailable):
        identities.verify(encoded("rs", "RS256"))
    assert identities.why_not_ready() == "identity_keys"
    assert identities.verify(encoded("hs", "HS256")) == Identity("ann")


def test_keys_that_are_too_old_do_not_count(identities: Identities) -> None:
    assert identities.jwks is not None
    assert identities.why_not_ready() is None
    identities.jwks._fetched_at = time.monotonic() - SETTINGS.jwks_stale_seconds_max - 1
    with pytest.raises(Unavailable):
        identities.verify(encoded("ed", "EdDSA"))
    assert identities.why_not_ready() == "identity_keys"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (IdentitySettings(keys=""), "Set IDENTITY_KEYS"),
        (IdentitySettings(keys="k1:short"), "IDENTITY_KEYS must be"),
        (IdentitySettings(jwks_url="https://shop.test/jwks"), "IDENTITY_ISSUER"),
        (IdentitySettings(jwks_url="http://shop.test/jwks", issuer=ISSUER), "https://"),
        (IdentitySettings(jwks_url="file:///etc/passwd", issuer=ISSUER), "https://"),
        (IdentitySettings(jwks_url="https://", issuer=ISSUER), "https://"),
    ],
)
def test_settings_that_cannot_be_meant_are_told_at_the_start(settings: IdentitySettings, says: str) -> None:
    with pytest.raises(StartRefused, match=says):
        Identities(settings, SystemClock())


def test_who_has_no_key_of_its_own_issues_nothing() -> None:
    identities = Identities(
        IdentitySettings(jwks_url="http://127.0.0.1:1/jwks", issuer=ISSUER), SystemClock()
    )
    assert not identities.can_issue
    with pytest.raises(StartRefused, match="IDENTITY_KEYS"):
        identities.issue("ann")
