"""Sends the book's webhooks until they are answered with 2xx: signed afresh at each try (Standard Webhooks)."""

import asyncio
from typing import Final

import structlog
from standardwebhooks.webhooks import Webhook

from kit.clock import Clock
from kit.outgoing import HttpClient, Unanswered
from ops.simulator.book import Book, Delivery

log = structlog.get_logger()

POLL_SECONDS: Final = 0.05
IN_FLIGHT_MAX: Final = 32  # more at once would be an attack on the gateway, not a provider
REQUEST_SECONDS_MAX: Final = 5.0
WAIT_SECONDS_MIN: Final = 0.5
WAIT_SECONDS_MAX: Final = 15.0  # after an absence of minutes the gateway hears everything within this
TRIES_MAX: Final = 250  # about an hour; what is undelivered then is a matter for people


class Deliverer:
    """Runs until cancelled; a delivery that was in flight then is sent again at the next start."""

    def __init__(self, book: Book, clock: Clock, *, webhook_url: str, secret: str) -> None:
        self._book = book
        self._clock = clock
        self._http = HttpClient(
            webhook_url,
            connect_seconds_max=REQUEST_SECONDS_MAX,
            call_seconds_max=REQUEST_SECONDS_MAX,
            connections_max=IN_FLIGHT_MAX,
        )
        self._webhook = Webhook(secret)
        self._in_flight: set[int] = set()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    if not self.begin_due(group):
                        await asyncio.sleep(POLL_SECONDS)
                    await asyncio.sleep(0)
        finally:
            await self.close()

    async def close(self) -> None:
        """Ends the connections; `run` does so by itself."""
        await self._http.close()

    def begin_due(self, group: asyncio.TaskGroup) -> int:
        """Begins what is due and not under way yet; how many. One slow answer holds nobody else up."""
        free = IN_FLIGHT_MAX - len(self._in_flight)
        if free <= 0:
            return 0
        due = self._book.due_deliveries(self._clock.now().timestamp(), IN_FLIGHT_MAX + free)
        fresh = [delivery for delivery in due if delivery.delivery not in self._in_flight][:free]
        for delivery in fresh:
            self._in_flight.add(delivery.delivery)
            group.create_task(self._deliver(delivery))
        return len(fresh)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            accepted = await self._send(delivery)
            with self._book.change():
                self._settle(delivery, accepted=accepted)
        finally:
            self._in_flight.discard(delivery.delivery)

    async def _send(self, delivery: Delivery) -> bool:
        now = self._clock.now()
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(delivery.event_id, now, delivery.body),
        }
        try:
            answer = await self._http.request(
                "POST", delivery.path, body=delivery.body.encode(), headers=headers
            )
        except Unanswered:
            return False
        return answer.status // 100 == 2

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
