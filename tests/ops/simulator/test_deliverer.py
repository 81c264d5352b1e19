"""Webhooks: signed, repeated until heard, and remembered through restarts and absences."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest

from kit.clock import SteppedClock
from kit.embedded.ports import free_port
from kit.provider import PaymentNotice, PayoutNotice, WebhookRefused, read_notice
from ops.simulator.book import Book
from ops.simulator.deliverer import TRIES_MAX, Deliverer
from tests.ops.simulator.running import WEBHOOK_SECRET, RunningSimulator, running_inbox, running_simulator
from tests.ops.simulator.test_provider import payment_body, payout_body


async def _pay(simulator: RunningSimulator, **decision: object) -> str:
    body = payment_body()
    async with simulator.http() as http:
        await http.post("/payments", json=body)
        answer = await http.post(f"/pay/{body['payment_id']}", json={"outcome": "succeed", **decision})
        assert answer.status_code == 200
    return str(body["payment_id"])


async def test_a_payment_is_announced_signed_and_readable(tmp_path: Path) -> None:
    async with running_inbox() as inbox, running_simulator(tmp_path, webhook_url=inbox.url) as simulator:
        payment_id = await _pay(simulator)
        await inbox.wait_for(1)
        path, headers, body = inbox.received[0]
    notice = read_notice(WEBHOOK_SECRET, headers, body, PaymentNotice)
    assert path == "v1/webhooks/payments"
    assert (notice.type, str(notice.payment_id)) == ("payment.succeeded", payment_id)
    assert (notice.amount_minor, notice.currency) == (1299, "CNY")
    assert headers["webhook-id"] == notice.event_id
    with pytest.raises(WebhookRefused, match="bad_signature"):
        read_notice(WEBHOOK_SECRET, headers, body.replace(b"1299", b"1298"), PaymentNotice)


async def test_a_payout_is_announced(tmp_path: Path) -> None:
    async with running_inbox() as inbox, running_simulator(tmp_path, webhook_url=inbox.url) as simulator:
        body = payout_body()
        simulator.provider.pay_out(body)
        await inbox.wait_for(1)
        path, headers, raw = inbox.received[0]
    notice = read_notice(WEBHOOK_SECRET, headers, raw, PayoutNotice)
    assert (path, notice.type, notice.provider_key) == (
        "v1/webhooks/payouts",
        "payout.paid",
        body["provider_key"],
    )


async def test_copies_on_command_carry_one_event_id(tmp_path: Path) -> None:
    async with running_inbox() as inbox, running_simulator(tmp_path, webhook_url=inbox.url) as simulator:
        await _pay(simulator, webhook_copies=3)
        await inbox.wait_for(3)
    assert len({headers["webhook-id"] for _, headers, _ in inbox.received}) == 1


async def test_a_delay_on_command_is_written_down_and_kept(tmp_path: Path) -> None:
    async with running_inbox() as inbox, running_simulator(tmp_path, webhook_url=inbox.url) as simulator:
        await _pay(simulator, webhook_delay_ms=600_000)
        at_once = await _pay(simulator)
        await inbox.wait_for(1)
        assert [json.loads(body)["payment_id"] for _, _, body in inbox.received] == [at_once]
        assert simulator.book.count_deliveries()["pending"] >= 1


async def test_what_was_not_heard_is_said_again_until_it_is(tmp_path: Path) -> None:
    async with running_inbox() as inbox, running_simulator(tmp_path, webhook_url=inbox.url) as simulator:
        inbox.answer = 503
        await _pay(simulator)
        await inbox.wait_for(2)
        inbox.answer = 204
        await inbox.wait_for(3)
    ids = {headers["webhook-id"] for _, headers, _ in inbox.received}
    assert len(ids) == 1


async def test_webhooks_survive_a_restart_and_an_absent_gateway(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with running_simulator(tmp_path, webhook_url=url) as simulator:
        payment_id = await _pay(simulator)
    async with running_inbox(port) as inbox, running_simulator(tmp_path, webhook_url=url):
        await inbox.wait_for(1)
    assert json.loads(inbox.received[0][2])["payment_id"] == payment_id


async def test_retries_wait_longer_each_time_and_end_after_about_an_hour(tmp_path: Path) -> None:
    """Goal: the gateway may be away for minutes. Method: the deliverer's own clock is stepped, nobody waits."""
    clock = SteppedClock()
    start = clock.now()
    book = Book(tmp_path / "book.sqlite3")
    deliverer = Deliverer(book, clock, webhook_url="http://127.0.0.1:1", secret=WEBHOOK_SECRET)
    with book.change():
        book.add_delivery(f"evt_{uuid4().hex}", "/v1/webhooks/payments", "{}", clock.now().timestamp())
    tries, waits = 0, []
    while "pending" in book.count_deliveries():
        async with asyncio.TaskGroup() as group:
            begun = deliverer.begin_due(group)
        if begun:
            tries += 1
            waits.append(clock.now())
        clock.step(0.5)
    await deliverer.close()
    assert tries == TRIES_MAX
    seconds = [(later - earlier).total_seconds() for earlier, later in pairwise(waits)]
    assert seconds[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0]
    assert 3_000 < (clock.now() - start).total_seconds() < 4_500
    assert book.count_deliveries() == {"abandoned": 1}
    book.close()


async def test_one_answer_that_does_not_come_holds_no_other_delivery_up(tmp_path: Path) -> None:
    """The first is sent to where nobody answers, and the others are heard while it still waits."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    mute = silent.sockets[0].getsockname()[1]
    async with running_inbox() as inbox:
        book, clock = Book(tmp_path / "book.sqlite3"), SteppedClock()
        deliverer = Deliverer(book, clock, webhook_url=inbox.url, secret=WEBHOOK_SECRET)
        now = clock.now().timestamp()
        with book.change():
            book.add_delivery("evt_mute", f"@127.0.0.1:{mute}/", "{}", now - 1)
            for number in range(40):
                book.add_delivery(f"evt_{number}", "/v1/webhooks/payments", "{}", now)
        running = asyncio.create_task(deliverer.run())
        await inbox.wait_for(40)
        assert book.count_deliveries()["pending"] >= 1
        running.cancel()
        await asyncio.wait([running])
        book.close()
    silent.close()
    await silent.wait_closed()
