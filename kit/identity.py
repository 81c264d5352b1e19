"""Who is asking: JSON Web Tokens (RFC 7519, 8725) with pinned algorithms, key ids and audience, verified without I/O.

Shoppers and staff carry the same kind of token; staff have `roles`. The issuer is the shop's own, and its public keys
come from the address it publishes them at, or its shared keys are configured; a local issuer exists in the embedded
mode only. A shared key verifies HS256 and nothing else; a public key verifies the one algorithm of its kind, never
HS256: no token can choose how it is judged.
"""

import asyncio
import hmac
import math
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Protocol

import jwt
import msgspec
from pydantic import Field
from pydantic_settings import BaseSettings

from kit.clock import Clock
from kit.errors import StartRefused, Unavailable
from kit.ids import is_user_id
from kit.jwks import FETCH_SECONDS_MAX, Jwks, checked_url
from kit.mac import Mac
from kit.settings import room_config
from kit.signing import Keyring, TokenRefused

ALGORITHM: Final = "HS256"
PUBLIC_ALGORITHMS: Final = frozenset({"RS256", "ES256", "EdDSA"})
TOKEN_CHARACTERS_MAX: Final = 4096
LEEWAY_SECONDS: Final = 5  # the issuer's clock may run ahead of ours by so much
KNOWN_HEADS_MAX: Final = 512  # one a key and kind of token; the rest is read anew each time
ROLES: Final = frozenset(
    {"lead", "tech", "content", "operations", "cs_agent", "cs_lead", "finance", "viewer", "auditor"}
)


class IdentitySettings(BaseSettings):
    """Whose user tokens count: shared keys `IDENTITY_KEYS=kid:secret[,kid:secret]`, or `IDENTITY_JWKS_URL`, or both."""

    model_config = room_config("IDENTITY_")

    keys: str = ""
    jwks_url: str = ""
    # The `iss` that tokens of the public keys must carry; required with them.
    issuer: str = ""
    audience: str = "floodgate"
    token_seconds: int = Field(default=4 * 3600, ge=60, le=86400)
    # How long a withdrawn key may still count at most; issuers announce new keys a day ahead.
    jwks_refresh_seconds: float = Field(default=300.0, ge=1, le=86400)
    # With the issuer away, its last keys serve for a sale's day and no longer.
    jwks_stale_seconds_max: float = Field(default=86400.0, ge=60, le=7 * 86400)


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified user: `user_id`, `phone` where the token carries one, `roles` for staff. `expires_at`, in epoch
    seconds, is when its token ends: whoever remembers an identity forgets it then."""

    user_id: str
    phone: str | None = None
    roles: frozenset[str] = frozenset()
    expires_at: float = field(default=math.inf, compare=False)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token and the instant from which it is refused."""

    token: str
    expires_at: datetime


class _Head(msgspec.Struct):
    alg: str
    kid: str
    crit: Any = None


class _Claims(msgspec.Struct):
    sub: str
    exp: int | float
    aud: str | list[str]
    nbf: int | float = 0
    iss: Any = None
    phone_number: str | None = None
    roles: list[Any] = []


class _VerifyingKey(Protocol):
    @property
    def algorithm(self) -> str: ...

    def verify(self, message: bytes, signature: bytes) -> bool: ...


class _SharedKey:
    algorithm = ALGORITHM

    def __init__(self, secret: bytes) -> None:
        self._mac = Mac(secret)

    def verify(self, message: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(self._mac.digest(message), signature)


_claims_of: Final = msgspec.json.Decoder(_Claims).decode
_head_of: Final = msgspec.json.Decoder(_Head).decode


class Identities:
    """Verifies user tokens, and issues them where the process is its own issuer. Raises `StartRefused`."""

    def __init__(self, settings: IdentitySettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._keyring: Keyring | None = None
        self._shared: dict[str, _SharedKey] = {}
        self.jwks: Jwks | None = None
        if settings.keys or not settings.jwks_url:
            self._keyring = Keyring.parse(settings.keys, variable="IDENTITY_KEYS")
            self._shared = {kid: _SharedKey(secret) for kid, secret in self._keyring.keys.items()}
        if settings.jwks_url:
            if not settings.issuer:
                raise StartRefused(
                    "Set IDENTITY_ISSUER to the `iss` of the tokens that IDENTITY_JWKS_URL has keys for."
                )
            self.jwks = Jwks(
                checked_url(settings.jwks_url, variable="IDENTITY_JWKS_URL"),
                refresh_seconds=settings.jwks_refresh_seconds,
                stale_seconds_max=settings.jwks_stale_seconds_max,
            )

    @property
    def can_issue(self) -> bool:
        """Whether there is a key of our own to sign with."""
        return self._keyring is not None

    def why_not_ready(self) -> str | None:
        """A reason while no token of the issuer could be judged."""
        return "identity_keys" if self.jwks is not None and not self.jwks.usable else None

    @asynccontextmanager
    async def fetching(self) -> AsyncIterator[None]:
        """Keeps the issuer's keys fresh inside; waits for the first for as long as one fetch may take."""
        if self.jwks is None:
            yield
            return
        running = asyncio.create_task(self.jwks.run(), name="identity_keys")
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.jwks.first.wait(), FETCH_SECONDS_MAX)
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def verify(self, token: str) -> Identity:
        """The identity in `token`. Raises `TokenRefused`, whose reason is for counters and not for the answer, and
        `Unavailable` while the issuer's keys are not here."""
        if len(token) > TOKEN_CHARACTERS_MAX or not token.isascii():
            raise TokenRefused("malformed")
        message, _, signature = token.rpartition(".")
        head, _, body = message.partition(".")
        # What cannot be judged for its form is refused before anything is computed.
        key = self._key(*_read_head(head))
        given, content = _decoded(signature), _decoded(body)
        if not key.verify(message.encode(), given):
            raise TokenRefused("bad_signature")
        try:
            claims = _claims_of(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise TokenRefused("malformed") from None
        self._judge(claims, public=key.algorithm != ALGORITHM)
        return _identity(claims)

    def _key(self, algorithm: str, kid: str) -> _VerifyingKey:
        key: _VerifyingKey | None
        if algorithm == ALGORITHM:
            key = self._shared.get(kid)
        elif algorithm not in PUBLIC_ALGORITHMS:
            raise TokenRefused("bad_algorithm")
        elif self.jwks is None:
            key = None
        elif not self.jwks.usable:
            raise Unavailable("identity_keys", retry_after_seconds=2.0)
        else:
            key = self.jwks.find(kid)
        if key is None:
            raise TokenRefused("unknown_key")
        if key.algorithm != algorithm:
            raise TokenRefused("bad_algorithm")
        return key

    def _judge(self, claims: _Claims, *, public: bool) -> None:
        audience, now = self._settings.audience, self._clock.now().timestamp()
        if audience != claims.aud and (isinstance(claims.aud, str) or audience not in claims.aud):
            raise TokenRefused("foreign")
        issuer = self._settings.issuer
        if issuer and claims.iss != issuer and (public or claims.iss is not None):
            raise TokenRefused("foreign")
        if now >= claims.exp:
            raise TokenRefused("expired")
        if claims.nbf > now + LEEWAY_SECONDS:
            raise TokenRefused("not_yet")

    def issue(self, user_id: str, *, phone: str | None = None, roles: frozenset[str] = frozenset()) -> str:
        """A token for `user_id`, valid for `token_seconds`; with `roles` for a member of staff."""
        return self._issue(user_id, phone, roles).token

    def issue_user(self, user_id: str, *, phone: str | None = None) -> IssuedToken:
        """A shopper's token and its end; it never carries a role."""
        return self._issue(user_id, phone, frozenset())

    def _issue(self, user_id: str, phone: str | None, roles: frozenset[str]) -> IssuedToken:
        if self._keyring is None:
            raise StartRefused(
                "Set IDENTITY_KEYS to kid:secret: this process has no key of its own to sign with."
            )
        kid, key = next(iter(self._keyring.keys.items()))
        now = self._clock.now().replace(microsecond=0)  # JWT dates are whole seconds
        expires_at = now + timedelta(seconds=self._settings.token_seconds)
        claims: dict[str, object] = {
            "sub": user_id,
            "aud": self._settings.audience,
            "iat": now,
            "exp": expires_at,
        }
        if phone is not None:
            claims["phone_number"] = phone
        if roles:
            claims["roles"] = sorted(roles)
        token = jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid})
        return IssuedToken(token, expires_at)


@lru_cache(maxsize=KNOWN_HEADS_MAX)
def _read_head(segment: str) -> tuple[str, str]:
    """Algorithm and key id. Raises `TokenRefused`."""
    try:
        head = _head_of(_decoded(segment))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise TokenRefused("malformed") from None
    if head.crit is not None:  # an extension that must be understood (RFC 7515, 4.1.11): none is
        raise TokenRefused("malformed")
    return head.alg, head.kid


# base64url to base64; what belongs to the other alphabet becomes what no alphabet knows.
_URL_SAFE: Final = bytes.maketrans(b"-_+/=", b"+/!!!")


def _decoded(segment: str) -> bytes:
    """base64url without padding (RFC 7515, 2). Raises `TokenRefused`."""
    plain = segment.encode().translate(_URL_SAFE)
    try:
        return a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True)
    except Base64Error:
        raise TokenRefused("malformed") from None


def _identity(claims: _Claims) -> Identity:
    phone = claims.phone_number
    if not is_user_id(claims.sub) or (phone is not None and not 5 <= len(phone) <= 20):
        raise TokenRefused("malformed")
    roles = (
        frozenset(one for one in claims.roles if isinstance(one, str)) & ROLES
        if claims.roles
        else frozenset()
    )
    return Identity(claims.sub, phone, roles, float(claims.exp))
