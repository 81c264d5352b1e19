"""The shop: token, limit in Redis, then one transaction a purchase that locks the item's row, checks and writes."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel, Field
from redis.asyncio import BlockingConnectionPool, Redis
from sqlalchemy import Select, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from loadtests.bench import keys
from loadtests.bench.baselines.classic.models import Base, Item, Purchase
from loadtests.bench.baselines.classic.tokens import Admitted, NotAdmitted, verify

REQUESTS_A_SECOND = 5
HOLD = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Stores:
    sessions: async_sessionmaker[AsyncSession]
    redis: Redis
    secret: str
    limited: bool


class Wish(BaseModel):
    sku: str
    quantity: int = Field(ge=1)


class Held(BaseModel):
    reservation_id: UUID
    sale_id: str
    sku: str
    quantity: int
    amount_minor: int
    currency: str
    state: str
    held_at: datetime
    expires_at: datetime


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    address = os.environ["DATABASE_URL"].partition("://")[2]
    engine = create_async_engine(f"postgresql+asyncpg://{address}", pool_size=10, max_overflow=0)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA IF NOT EXISTS bench_classic"))
        await connection.run_sync(Base.metadata.create_all)
    # The usual pool raises when more callers come than it has connections; this one lets them wait.
    pool = BlockingConnectionPool.from_url(os.environ["REDIS_LIMITS_URL"], max_connections=64, timeout=30)
    redis = Redis(connection_pool=pool)
    secret = os.environ["QUEUEING_KEYS"].partition(":")[2]
    sessions, limited = async_sessionmaker(engine, expire_on_commit=False), os.environ["BENCH_LIMITED"] != "0"
    app.state.stores = Stores(sessions, redis, secret, limited)
    yield
    await redis.aclose()
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def stores(request: Request) -> Stores:
    found: Stores = request.app.state.stores
    return found


StoresOf = Annotated[Stores, Depends(stores)]


async def admitted(sale_id: str, stores: StoresOf, authorization: Annotated[str, Header()] = "") -> Admitted:
    try:
        found = verify(authorization.removeprefix("Bearer "), stores.secret)
    except NotAdmitted:
        raise HTTPException(401, "admission_invalid") from None
    if found.sale_id != sale_id:
        raise HTTPException(403, "admission_foreign")
    return found


async def limited(shopper: Annotated[Admitted, Depends(admitted)], stores: StoresOf) -> Admitted:
    if not stores.limited:
        return shopper
    key = keys.classic_window(shopper.user_id)
    async with stores.redis.pipeline(transaction=True) as pipeline:
        pipeline.incr(key)
        pipeline.expire(key, 1)
        count, _ = await pipeline.execute()
    if count > REQUESTS_A_SECOND:
        raise HTTPException(429, "rate_limited", {"Retry-After": "1"})
    return shopper


@app.post("/v1/sales/{sale_id}/reservations", status_code=201)
async def reserve(
    sale_id: str,
    wish: Wish,
    shopper: Annotated[Admitted, Depends(limited)],
    stores: StoresOf,
    idempotency_key: Annotated[str, Header()],
) -> Held:
    try:
        async with stores.sessions() as session, session.begin():
            purchase = await _buy(session, shopper, wish, idempotency_key)
    except IntegrityError:  # the same key at the same time: the first one's answer
        async with stores.sessions() as session:
            purchase = (await session.scalars(_same_key(shopper, idempotency_key))).one()
    return Held(currency="CNY", state="held", **_shown(purchase))


async def _buy(session: AsyncSession, shopper: Admitted, wish: Wish, key: str) -> Purchase:
    before = (await session.scalars(_same_key(shopper, key))).one_or_none()
    if before is not None:
        return before
    item = await session.get(Item, (shopper.sale_id, wish.sku), with_for_update=True)
    if item is None:
        raise HTTPException(404, "item_unknown")
    had = await session.scalar(
        select(func.coalesce(func.sum(Purchase.quantity), 0)).where(
            Purchase.user_id == shopper.user_id,
            Purchase.sale_id == shopper.sale_id,
            Purchase.sku == wish.sku,
        )
    )
    if (had or 0) + wish.quantity > item.per_user_limit:
        raise HTTPException(409, "limit_reached")
    if item.taken + wish.quantity > item.total:
        raise HTTPException(409, "sold_out")
    item.taken += wish.quantity
    now = datetime.now(UTC)
    purchase = Purchase(
        reservation_id=uuid4(),
        sale_id=shopper.sale_id,
        sku=wish.sku,
        user_id=shopper.user_id,
        quantity=wish.quantity,
        amount_minor=item.price_minor * wish.quantity,
        idempotency_key=key,
        held_at=now,
        expires_at=now + HOLD,
    )
    session.add(purchase)
    return purchase


def _same_key(shopper: Admitted, key: str) -> Select[Purchase]:
    return select(Purchase).where(
        Purchase.sale_id == shopper.sale_id,
        Purchase.user_id == shopper.user_id,
        Purchase.idempotency_key == key,
    )


def _shown(purchase: Purchase) -> dict[str, Any]:
    names = ("reservation_id", "sale_id", "sku", "quantity", "amount_minor", "held_at", "expires_at")
    return {name: getattr(purchase, name) for name in names}
