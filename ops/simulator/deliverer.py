"""Sends the book's webhooks until they are answered with 2xx: signed afresh at each try (Standard Webhooks)."""

import asyncio
from contextlib import suppress
from typing import Final

import httpx
import structlog
from standardwebhooks.webhooks import Webhook

from kit.clock import Clock
from ops.simulator.book import Book, Delivery

log = structlog.get_logger()

POLL_SECONDS: Final = 0.1
BATCH_MAX: Final = 32  # in flight at once; more would be an attack on the gateway, not a provider
REQUEST_SECONDS_MAX: Final = 5.0
WAIT_SECONDS_MIN: Final = 0.5
WAIT_SECONDS_MAX: Final = 15.0  # after an absence of minutes the gateway hears everything within this
TRIES_MAX: Final = 250  # about an hour; what is undelivered then is a matter for people


class Deliverer:
    """Runs until cancelled; a delivery that was in flight then is sent again at the next start."""

    def __init__(self, book: Book, clock: Clock, *, webhook_url: str, secret: str) -> None:
        self._book = book
        self._clock = clock
        self._url = webhook_url.rstrip("/")
        self._webhook = Webhook(secret)

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=REQUEST_SECONDS_MAX, trust_env=False) as http:
            while True:
                due = self._book.due_deliveries(self._clock.now().timestamp(), BATCH_MAX)
                if due:
                    await self.send_all(http, due)
                else:
                    await asyncio.sleep(POLL_SECONDS)

    async def send_all(self, http: httpx.AsyncClient, due: list[Delivery]) -> None:
        """Sends a batch at once and writes down what became of it."""
        answers = await asyncio.gather(*(self._send(http, delivery) for delivery in due))
        with self._book.change():
            for delivery, accepted in zip(due, answers, strict=True):
                self._settle(delivery, accepted=accepted)

    async def _send(self, http: httpx.AsyncClient, delivery: Delivery) -> bool:
        now = self._clock.now()
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(delivery.event_id, now, delivery.body),
        }
        with suppress(httpx.HTTPError):
            response = await http.post(self._url + delivery.path, content=delivery.body, headers=headers)
            return response.is_success
        return False

    def _settle(self, delivery: Delivery, *, accepted: bool) -> None:
        now = self._clock.now().timestamp()
        if accepted:
            self._book.settle_delivery(delivery.delivery, "delivered", due_at=now)
        elif delivery.tries + 1 >= TRIES_MAX:
            log.error("webhook_abandoned", event_id=delivery.event_id)
            self._book.settle_delivery(delivery.delivery, "abandoned", due_at=now)
        else:
            wait = min(WAIT_SECONDS_MAX, WAIT_SECONDS_MIN * 2 ** min(delivery.tries, 10))
            self._book.settle_delivery(delivery.delivery, "pending", due_at=now + wait)
