"""The issuer's public keys (RFC 7517), fetched in the background, so that verifying never waits and never asks anybody.

Everything about the document is bounded, and a document that cannot be trusted changes nothing: the keys of the last
good one stay until they are too old. A key id that nobody knows may be a fresh key: it hastens the next fetch, but
never beyond one in `HASTE_SECONDS_MIN`, whoever invents key ids.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from kit import metrics
from kit.errors import StartRefused

log = structlog.get_logger()

DOCUMENT_BYTES_MAX: Final = 128 * 1024  # sixty RSA keys with their certificates
KEYS_MAX: Final = 64
KEY_ID_CHARACTERS_MAX: Final = 128
RSA_BITS: Final = range(2048, 8193)  # RFC 7518, 3.3; above, one signature would cost a millisecond
FETCH_SECONDS_MAX: Final = 5.0
HASTE_SECONDS_MIN: Final = 10.0
RETRY_SECONDS_FIRST: Final = 1.0
RETRY_SECONDS_MAX: Final = 60.0
REFRESH_SECONDS_MIN: Final = 30.0  # whatever the issuer's Cache-Control says
_MAX_AGE: Final = re.compile(r"max-age=(\d{1,9})")
# The one algorithm of each kind of key. Symmetric keys have no business in a public document.
_ALGORITHMS: Final[Mapping[tuple[object, object], str]] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


class JwksRefused(Exception):
    """The document is not one that keys are taken from."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key and the only algorithm it may verify."""

    algorithm: str
    _jwk: jwt.PyJWK

    def verify(self, message: bytes, signature: bytes) -> bool:
        return self._jwk.Algorithm.verify(message, self._jwk.key, signature)


def usable_keys(document: bytes) -> dict[str, PublicKey]:
    """The keys of a document that verify user tokens, by id. Raises `JwksRefused` when there are none, or too many."""
    try:
        listed = msgspec.json.decode(document)["keys"]
    except (msgspec.DecodeError, KeyError, TypeError, RecursionError) as error:
        raise JwksRefused("no JSON object with keys") from error
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise JwksRefused(f"no list of at most {KEYS_MAX} keys")
    keys: dict[str, PublicKey] = {}
    for one in listed:
        found = _usable(one)
        if found is not None:
            kid, key = found
            if kid in keys:
                raise JwksRefused("two keys with one id")
            keys[kid] = key
    if not keys:
        raise JwksRefused("no usable key")
    return keys


def _usable(one: Any) -> tuple[str, PublicKey] | None:
    if not isinstance(one, dict) or not _PRIVATE_MEMBERS.isdisjoint(one):
        return None
    kid = one.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= KEY_ID_CHARACTERS_MAX:
        return None
    kind = one.get("kty")
    curve = one.get("crv") if kind != "RSA" else None
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return None
    algorithm = _ALGORITHMS.get((kind, curve))
    if algorithm is None or one.get("alg", algorithm) != algorithm or one.get("use", "sig") != "sig":
        return None
    if "verify" not in one.get("key_ops", ("verify",)):
        return None
    try:
        jwk = jwt.PyJWK(one, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    if isinstance(jwk.key, RSAPublicKey) and jwk.key.key_size not in RSA_BITS:
        return None
    return kid, PublicKey(algorithm, jwk)


def checked_url(url: str, *, variable: str) -> str:
    """The address of a key document: https, or http on this machine. Raises `StartRefused`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    with suppress(ValueError):
        host = "localhost" if ip_address(host).is_loopback else host
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host == "localhost")):
        raise StartRefused(f"{variable} must be an https:// address (http:// on this machine only).")
    return url


class Jwks:
    """The keys of one issuer. `run` keeps them fresh."""

    def __init__(
        self,
        url: str,
        *,
        refresh_seconds: float,
        stale_seconds_max: float,
        transport: httpx.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._refresh_seconds, self._stale_seconds_max = url, refresh_seconds, stale_seconds_max
        self._transport, self._monotonic = transport, monotonic
        self._keys: dict[str, PublicKey] = {}
        self._fetched_at: float | None = None
        self._hasten = asyncio.Event()
        self.first = asyncio.Event()  # set when the first keys are here

    @property
    def usable(self) -> bool:
        """Whether there are keys, and young enough ones."""
        at = self._fetched_at
        return at is not None and self._monotonic() - at <= self._stale_seconds_max

    def find(self, kid: str) -> PublicKey | None:
        """The key, without I/O; None hastens the next fetch."""
        key = self._keys.get(kid)
        if key is None:
            self._hasten.set()
        return key

    async def run(self) -> None:
        """Fetches until cancelled, whatever the issuer does."""
        retry_seconds = RETRY_SECONDS_FIRST
        client = httpx.AsyncClient(
            timeout=FETCH_SECONDS_MAX, follow_redirects=False, transport=self._transport, trust_env=False
        )
        async with client:
            while True:
                try:
                    pause = await self.fetch(client)
                    retry_seconds = RETRY_SECONDS_FIRST
                    metrics.KEY_FETCHES.labels("fetched").inc()
                except (httpx.HTTPError, JwksRefused, TimeoutError) as error:
                    log.warning("identity_keys_not_fetched", why=str(error) or type(error).__name__)
                    metrics.KEY_FETCHES.labels("failed").inc()
                    pause, retry_seconds = retry_seconds, min(RETRY_SECONDS_MAX, 2 * retry_seconds)
                await self._pause(pause)

    async def fetch(self, client: httpx.AsyncClient) -> float:
        """Takes the document over; for how long it is fresh. Raises `JwksRefused`, `TimeoutError` and httpx errors."""
        async with asyncio.timeout(FETCH_SECONDS_MAX):
            async with client.stream("GET", self._url, headers={"Accept": "application/json"}) as answer:
                if answer.status_code != 200:
                    raise JwksRefused(f"status {answer.status_code}")
                document = bytearray()
                async for chunk in answer.aiter_bytes():
                    document += chunk
                    if len(document) > DOCUMENT_BYTES_MAX:
                        raise JwksRefused(f"more than {DOCUMENT_BYTES_MAX} bytes")
        # A key that is not listed any more is withdrawn, from now on.
        self._keys = usable_keys(bytes(document))
        self._fetched_at = self._monotonic()
        self.first.set()
        metrics.KEYS.set(len(self._keys))
        said = _MAX_AGE.search(answer.headers.get("cache-control", ""))
        fresh_seconds = float(said[1]) if said else self._refresh_seconds
        return max(min(REFRESH_SECONDS_MIN, self._refresh_seconds), min(self._refresh_seconds, fresh_seconds))

    async def _pause(self, seconds: float) -> None:
        """Until the keys are due again, or somebody showed a key id that nobody knows."""
        seconds *= random.uniform(0.9, 1.0)  # noqa: S311 - so that a fleet does not ask at once
        self._hasten.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.sleep(min(seconds, HASTE_SECONDS_MIN))
                await self._hasten.wait()
