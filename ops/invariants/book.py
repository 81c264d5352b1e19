"""The provider's own book: one entry a real effect, the only judge of who was charged and who was paid."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from kit.provider import ProviderClient, ProviderUnknown

PAGES_MAX: Final = 10_000  # a book that never ends would be read forever; ours ends after a few dozen


class BookEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One effect. `key` is what we called it by: the payment id of a payment or refund, the provider key of a payout."""

    number: int
    kind: Literal["payment", "refund", "payout"]
    key: str
    user_id: str | None = None
    amount_minor: int
    currency: str
    at: datetime


class ProviderBook:
    """Reads the book over HTTP; what was read once is kept, for a book only grows."""

    def __init__(self, client: ProviderClient) -> None:
        self._client = client
        self._entries: list[BookEntry] = []

    async def entries(self) -> Sequence[BookEntry]:
        """Everything in the book now. Raises `ProviderUnknown`, `ProviderRefused`."""
        for _ in range(PAGES_MAX):
            last = self._entries[-1].number if self._entries else 0
            answer = await self._client.get(f"/book?after={last}")
            page = _read_page(answer)
            if not page:
                break
            self._entries.extend(page)
        return self._entries


def _read_page(answer: dict[str, Any] | None) -> list[BookEntry]:
    if answer is None:
        raise ProviderUnknown("no_book")
    try:
        return msgspec.convert(answer["entries"], list[BookEntry], strict=False)
    except (KeyError, msgspec.ValidationError) as error:
        raise ProviderUnknown("unreadable_book") from error


def book_json(entries: Iterable[BookEntry]) -> str:
    """The book as the SQL truths read it."""
    return msgspec.json.encode(list(entries)).decode()
