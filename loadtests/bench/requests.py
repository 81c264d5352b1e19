"""Requests as bytes, made before anything is measured: each shopper has a name, a token and a key of their own."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from loadtests.bench.mints import NEVER_THEIR_TURN, Mint, forged

# What a shopper's app behind a balancer sends beside what matters; the same to every server.
COMMON: Final = b"Host: shop.example\r\nUser-Agent: floodgate-bench/1\r\nAccept: application/json\r\nAccept-Language: zh-CN\r\n"
POOL: Final = 20_000  # shoppers that are refused, over and over: more than a process should remember
POLLING: Final = 10_000  # shoppers that wait at one process and ask it again and again
TokenForm = Literal["admission", "plain"]


def get(path: str, *, etag: str | None = None) -> bytes:
    condition = b"" if etag is None else b"If-None-Match: " + etag.encode() + b"\r\n"
    return b"GET " + path.encode() + b" HTTP/1.1\r\n" + COMMON + condition + b"\r\n"


def post(path: str, token: bytes, body: bytes, *, key: bytes | None = None) -> bytes:
    named = b"" if key is None else b"Idempotency-Key: " + key + b"\r\n"
    return b"".join(
        (
            b"POST ", path.encode(), b" HTTP/1.1\r\n", COMMON,
            b"Authorization: Bearer ", token, b"\r\n", named,
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body), body,
        )
    )  # fmt: skip


def reservations_path(sale_id: str) -> str:
    return f"/v1/sales/{sale_id}/reservations"


def wish(sku: str) -> bytes:
    return b'{"sku":"%s","quantity":1}' % sku.encode()


@dataclass(slots=True)
class Shoppers:
    """New shoppers for ever: no two requests of a bench share a user or a key."""

    mint: Mint
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def user(self) -> tuple[int, str]:
        number = next(self._numbers)
        return number, f"bench-{number:09d}"

    def reservation(self, sale_id: str, sku: str, form: TokenForm = "admission") -> bytes:
        number, user_id = self.user()
        token = (
            self.mint.admission(sale_id, user_id, number)
            if form == "admission"
            else self.mint.plain_admission(sale_id, user_id)
        )
        return post(reservations_path(sale_id), token, wish(sku), key=b"key-%d" % number)

    def reservations(self, sale_id: str, sku: str, count: int, form: TokenForm = "admission") -> list[bytes]:
        """So many first wishes, each of another shopper."""
        return [self.reservation(sale_id, sku, form) for _ in range(count)]

    def forgeries(self, sale_id: str, sku: str, count: int = POOL) -> list[bytes]:
        """Wishes under signatures that nobody made."""
        path, body, made = reservations_path(sale_id), wish(sku), []
        for _ in range(count):
            number, user_id = self.user()
            token = forged(self.mint.admission(sale_id, user_id, number))
            made.append(post(path, token, body, key=b"key-%d" % number))
        return made

    def early_birds(self, sale_id: str, count: int) -> list[bytes]:
        """Asking for admission with a good ticket whose turn has not come."""
        path, made = f"/v1/sales/{sale_id}/admissions", []
        for _ in range(count):
            _, user_id = self.user()
            ticket = self.mint.ticket(sale_id, user_id, NEVER_THEIR_TURN)
            made.append(post(path, self.mint.user_token(user_id), b'{"ticket":"%s"}' % ticket))
        return made

    def pushers(self, sale_id: str, sku: str, users: int, keys: int) -> list[bytes]:
        """A few shoppers who ask far more often than anybody should, each time under another key."""
        path, body = reservations_path(sale_id), wish(sku)
        names = [self.user() for _ in range(users)]
        admitted = [(number, self.mint.admission(sale_id, user_id, number)) for number, user_id in names]
        return [
            post(path, token, body, key=b"push-%d-%d" % (number, key))
            for key in range(keys)
            for number, token in admitted
        ]
