"""The actors of rewards: `grant_rewards` (an outbox event) and `pay_reward` (a payout). Both may run twice."""

import asyncio
from typing import Final, Literal
from uuid import UUID

import structlog
from dramatiq import Broker

from flashsale.events import RESERVATION_CONFIRMED, ReservationConfirmed, outbox
from kit.actors import declare_actor
from kit.postgres import Postgres
from rewards.errors import EarlierConfirmationsOpen
from rewards.grants import grant_for
from rewards.payouts import Payouts

log = structlog.get_logger()

GRANT_REWARDS: Final = "grant_rewards"
PAY_REWARD: Final = "pay_reward"
REWARDS_QUEUE: Final = "rewards"
PAYOUTS_QUEUE: Final = "payouts"

# At the edge of "the first N" an event waits for those before it, which other threads have in hand: milliseconds as a
# rule. After a second it is left to the relay, which sends it again.
EDGE_TRIES_MAX: Final = 20
EDGE_WAIT_SECONDS: Final = 0.05


def declare(broker: Broker, postgres: Postgres, payouts: Payouts) -> None:
    """Declares the room's actors on `broker`."""

    async def grant_rewards(event_id: UUID) -> None:
        await grant_event(postgres, event_id)

    declare_actor(broker, name=GRANT_REWARDS, queue=REWARDS_QUEUE, argument="event_id", act=grant_rewards)
    declare_actor(broker, name=PAY_REWARD, queue=PAYOUTS_QUEUE, argument="payout_id", act=payouts.pay)


async def grant_event(postgres: Postgres, event_id: UUID) -> Literal["granted", "ended"]:
    """Grants what the event earns and marks it done, in one transaction; `ended` when that was done before.

    Raises `EarlierConfirmationsOpen` when earlier events stay open, `Unavailable` when PostgreSQL is away.
    """
    for _ in range(EDGE_TRIES_MAX - 1):
        try:
            return await _grant_once(postgres, event_id)
        except EarlierConfirmationsOpen:
            await asyncio.sleep(EDGE_WAIT_SECONDS)
    return await _grant_once(postgres, event_id)


async def _grant_once(postgres: Postgres, event_id: UUID) -> Literal["granted", "ended"]:
    async with postgres.unit_of_work() as session:
        event = await outbox.open(session, event_id)
        if event is None:
            return "ended"
        if event.kind == RESERVATION_CONFIRMED:
            confirmed = ReservationConfirmed.parse(event.payload)
            grants = await grant_for(session, confirmed, event_id=event_id)
            log.info("rewards_granted", reservation_id=str(confirmed.reservation_id), grants=len(grants))
        await outbox.mark_done(session, event_id)
    return "granted"
