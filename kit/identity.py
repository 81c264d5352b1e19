"""Who is asking: JSON Web Tokens (RFC 7519) with pinned algorithm, key ids and audience, verified without I/O.

Shoppers and staff carry the same kind of token; staff have `roles`. The issuer is the shop's own; a local one exists
in the embedded mode only.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import jwt
from pydantic import Field
from pydantic_settings import BaseSettings

from kit.clock import Clock
from kit.ids import is_user_id
from kit.settings import room_config
from kit.signing import Keyring, TokenRefused

ALGORITHM: Final = "HS256"
TOKEN_CHARACTERS_MAX: Final = 4096
LEEWAY_SECONDS: Final = 5  # the issuer's clock may run ahead of ours by so much
ROLES: Final = frozenset(
    {"lead", "tech", "content", "operations", "cs_agent", "cs_lead", "finance", "viewer", "auditor"}
)


class IdentitySettings(BaseSettings):
    """The keys that sign user tokens: `IDENTITY_KEYS=kid:secret[,kid:secret]`."""

    model_config = room_config("IDENTITY_")

    keys: str = ""
    audience: str = "floodgate"
    token_seconds: int = Field(default=4 * 3600, ge=60, le=86400)


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified user: `user_id`, `phone` where the token carries one, `roles` for staff."""

    user_id: str
    phone: str | None = None
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token and the instant from which it is refused."""

    token: str
    expires_at: datetime


class Identities:
    """Verifies user tokens, and issues them where the process is its own issuer."""

    def __init__(self, settings: IdentitySettings, clock: Clock) -> None:
        self._keyring = Keyring.parse(settings.keys, variable="IDENTITY_KEYS")
        self._settings = settings
        self._clock = clock

    def verify(self, token: str) -> Identity:
        """The identity in `token`. Raises `TokenRefused`; its reason is for counters, not for the answer."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise TokenRefused("malformed")
        try:
            key = self._keyring.keys.get(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                raise TokenRefused("unknown_key")
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._settings.audience,
                # Times are judged below, by the injected clock.
                options={
                    "require": ["sub", "exp", "aud"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidSignatureError:
            raise TokenRefused("bad_signature") from None
        except jwt.InvalidAudienceError:
            raise TokenRefused("foreign") from None
        except jwt.InvalidAlgorithmError:
            raise TokenRefused("bad_algorithm") from None
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
            raise TokenRefused("malformed") from None
        self._judge_times(claims)
        return _identity(claims)

    def _judge_times(self, claims: dict[str, object]) -> None:
        now = self._clock.now().timestamp()
        expires, begins = claims["exp"], claims.get("nbf", 0)
        if type(expires) not in {int, float} or type(begins) not in {int, float}:
            raise TokenRefused("malformed")
        # Written so that NaN, which no comparison holds for, is refused too.
        if not now < expires:  # type: ignore[operator]
            raise TokenRefused("expired")
        if not begins <= now + LEEWAY_SECONDS:  # type: ignore[operator]
            raise TokenRefused("not_yet")

    def issue(self, user_id: str, *, phone: str | None = None, roles: frozenset[str] = frozenset()) -> str:
        """A token for `user_id`, valid for `token_seconds`; with `roles` for a member of staff."""
        return self._issue(user_id, phone, roles).token

    def issue_user(self, user_id: str, *, phone: str | None = None) -> IssuedToken:
        """A shopper's token and its end; it never carries a role."""
        return self._issue(user_id, phone, frozenset())

    def _issue(self, user_id: str, phone: str | None, roles: frozenset[str]) -> IssuedToken:
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


def _identity(claims: dict[str, object]) -> Identity:
    user_id, phone, roles = claims.get("sub"), claims.get("phone_number"), claims.get("roles", [])
    if not isinstance(user_id, str) or not is_user_id(user_id) or not isinstance(roles, list):
        raise TokenRefused("malformed")
    if phone is not None and (not isinstance(phone, str) or not 5 <= len(phone) <= 20):
        raise TokenRefused("malformed")
    return Identity(user_id, phone, frozenset(r for r in roles if isinstance(r, str)) & ROLES)
