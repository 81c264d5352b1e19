"""The issuer's keys come, go and come again over real HTTP; whatever else the issuer says changes nothing."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from kit import jwks as module
from kit.clock import SystemClock
from kit.identity import Identities, Identity, IdentitySettings
from kit.jwks import DOCUMENT_BYTES_MAX, KEYS_MAX, Jwks, JwksRefused, usable_keys
from kit.signing import TokenRefused
from tests.kit.test_identity_issuers import ISSUER, document, encoded, public_jwk


@dataclass
class Issuer:
    """A tiny HTTP server that publishes keys and counts who asks."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    silent: bool = False
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                if self.silent:
                    await asyncio.sleep(60)
                lines = [f"HTTP/1.1 {self.status} X", f"content-length: {len(self.body)}"]
                lines += [f"{name}: {value}" for name, value in self.headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + self.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    one = Issuer(document(public_jwk("rs")))
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(one.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    yield one
    server.close()
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of tenths of a second in place of tens of seconds."""
    monkeypatch.setattr(module, "HASTE_SECONDS_MIN", 0.2)
    monkeypatch.setattr(module, "RETRY_SECONDS_FIRST", 0.05)
    monkeypatch.setattr(module, "RETRY_SECONDS_MAX", 0.2)


@asynccontextmanager
async def verifying(issuer: Issuer, **settings: Any) -> AsyncIterator[Identities]:
    chosen = IdentitySettings(
        **{"jwks_url": issuer.url, "issuer": ISSUER, "jwks_refresh_seconds": 60, **settings}
    )
    identities = Identities(chosen, SystemClock())
    async with identities.fetching():
        yield identities


async def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def knows(identities: Identities, kid: str, algorithm: str) -> bool:
    try:
        return identities.verify(encoded(kid, algorithm)) == Identity("ann")
    except TokenRefused as refused:
        assert refused.reason == "unknown_key"
        return False


async def test_a_key_that_is_published_verifies_and_one_that_is_not_does_not(issuer: Issuer) -> None:
    async with verifying(issuer) as identities:
        assert knows(identities, "rs", "RS256")
        assert not knows(identities, "es", "ES256")


async def test_a_fresh_key_counts_soon_after_its_first_token_and_the_old_one_as_long_as_it_is_listed(
    issuer: Issuer,
) -> None:
    async with verifying(issuer) as identities:
        issuer.body = document(public_jwk("rs"), public_jwk("es"))
        await until(lambda: knows(identities, "es", "ES256"))
        assert knows(identities, "rs", "RS256")
        issuer.body = document(public_jwk("es"))
        await until(lambda: not knows(identities, "ed", "EdDSA") and not knows(identities, "rs", "RS256"))
        assert knows(identities, "es", "ES256")


async def test_invented_key_ids_do_not_hasten_more_than_one_fetch_a_while(issuer: Issuer) -> None:
    async with verifying(issuer) as identities:
        ends = time.monotonic() + 1.0
        while time.monotonic() < ends:
            for _ in range(50):
                assert not knows(identities, "ed", "EdDSA")
            await asyncio.sleep(0.01)
        assert 2 <= issuer.asked <= 7


async def test_keys_are_fetched_anew_without_anybody_asking(issuer: Issuer) -> None:
    async with verifying(issuer, jwks_refresh_seconds=1.0) as identities:
        issuer.body = document(public_jwk("ed"))
        await until(lambda: identities.jwks is not None and "ed" in identities.jwks._keys)


BAD: dict[str, Callable[[Issuer], None]] = {
    "an_error": lambda issuer: setattr(issuer, "status", 500),
    "a_redirect": lambda issuer: (
        setattr(issuer, "status", 302),
        issuer.headers.update(location="http://evil/"),
    )[0],
    "no_json": lambda issuer: setattr(issuer, "body", b"<html>"),
    "an_endless_document": lambda issuer: setattr(issuer, "body", b" " * (DOCUMENT_BYTES_MAX + 1)),
    "no_keys": lambda issuer: setattr(issuer, "body", b'{"keys": []}'),
    "silence": lambda issuer: setattr(issuer, "silent", True),
}


@pytest.mark.parametrize("break_it", BAD.values(), ids=[*BAD])
async def test_whatever_the_issuer_says_then_the_last_good_keys_stay(
    issuer: Issuer, break_it: Callable[[Issuer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FETCH_SECONDS_MAX", 0.3)
    good = issuer.body
    async with verifying(issuer, jwks_refresh_seconds=1.0) as identities:
        break_it(issuer)
        asked = issuer.asked
        await until(lambda: issuer.asked >= asked + 2)
        assert knows(identities, "rs", "RS256")
        issuer.body, issuer.status, issuer.silent = document(public_jwk("es")), 200, False
        await until(lambda: knows(identities, "es", "ES256"))
        assert good != issuer.body


async def test_an_issuer_that_is_away_at_the_start_is_waited_for_and_then_taken(issuer: Issuer) -> None:
    issuer.status = 503
    jwks = Jwks(issuer.url, refresh_seconds=60, stale_seconds_max=600)
    running = asyncio.create_task(jwks.run())
    await until(lambda: issuer.asked >= 3)
    assert not jwks.usable
    issuer.status = 200
    await asyncio.wait_for(jwks.first.wait(), 5)
    assert jwks.usable
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("said", "seconds"), [("max-age=45", 45), ("max-age=5", 30), ("no-cache", 300), ("max-age=9999", 300)]
)
async def test_the_issuers_word_on_freshness_counts_within_bounds(
    issuer: Issuer, said: str, seconds: float
) -> None:
    issuer.headers["cache-control"] = said
    jwks = Jwks(issuer.url, refresh_seconds=300, stale_seconds_max=600)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert await jwks.fetch(client) == seconds


UNUSABLE = {
    "a_shared_secret": {"kty": "oct", "kid": "rs", "k": "c2VjcmV0", "alg": "HS256"},
    "a_private_key": public_jwk("rs", d="AQAB"),
    "another_algorithm": public_jwk("rs", alg="RS512"),
    "a_symmetric_algorithm": public_jwk("rs", alg="HS256"),
    "for_encryption": public_jwk("rs", use="enc"),
    "for_signing_only": public_jwk("rs", key_ops=["sign"]),
    "another_curve": public_jwk("es", crv="P-384"),
    "no_id": {name: value for name, value in public_jwk("rs").items() if name != "kid"},
    "a_number_as_id": public_jwk("rs", kid=7),
    "an_endless_id": public_jwk("rs", kid="k" * 200),
    "an_unknown_kind": public_jwk("rs", kty="DSA"),
    "a_list_as_kind": public_jwk("rs", kty=["RSA"]),
    "a_broken_number": public_jwk("rs", n="!"),
    "a_point_off_the_curve": public_jwk("es", x="AAAA"),
    "a_word": "key",
}


@pytest.mark.parametrize("one", UNUSABLE.values(), ids=[*UNUSABLE])
def test_a_key_that_cannot_be_meant_is_passed_over(one: Any) -> None:
    assert set(usable_keys(document(public_jwk("ed"), one))) == {"ed"}
    with pytest.raises(JwksRefused, match="no usable key"):
        usable_keys(document(one))


def test_a_weak_key_is_passed_over() -> None:
    import jwt

    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    jwk = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(weak.public_key())), "kid": "weak"}
    with pytest.raises(JwksRefused):
        usable_keys(document(jwk))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"7", b'{"keys": 7}', b'{"keys": {}}', b"\xff", b"[" * 100_000, b'{"keys": null}']
)
def test_a_document_without_a_list_of_keys_is_refused(content: bytes) -> None:
    with pytest.raises(JwksRefused):
        usable_keys(content)


def test_too_many_keys_and_two_of_one_id_are_refused() -> None:
    with pytest.raises(JwksRefused, match="at most"):
        usable_keys(document(*(public_jwk("rs", kid=f"k{n}") for n in range(KEYS_MAX + 1))))
    with pytest.raises(JwksRefused, match="two keys"):
        usable_keys(document(public_jwk("rs"), public_jwk("ed", kid="rs")))
