"""The bearer of a user token: what every door asks before it answers someone in particular."""

from starlette.requests import Request

from kit.errors import DomainError
from kit.identity import Identities, Identity
from kit.signing import TokenRefused


class TokenMissing(DomainError):
    """The request carries no bearer token."""

    code = "token_missing"


class TokenInvalid(DomainError):
    """The bearer token is not valid. `reason` is for counters, never for the answer."""

    code = "token_invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__()


def bearer_token(request: Request) -> str | None:
    """The token of `Authorization: Bearer …`; None where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def bearer_identity(request: Request, identities: Identities) -> Identity:
    """Who is asking. Raises `TokenMissing`, `TokenInvalid`."""
    token = bearer_token(request)
    if token is None:
        raise TokenMissing
    try:
        return identities.verify(token)
    except TokenRefused as refused:
        raise TokenInvalid(refused.reason) from None
