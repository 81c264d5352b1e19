"""The repair without a Redis that answers: it says so, and keeps nobody waiting."""

import asyncio
from collections.abc import Iterable

import pytest

from flashsale import loading
from flashsale.ledger import lock_buckets
from flashsale.rules import BucketName, ItemState
from flashsale.upkeep import StockRepair, stock_views
from kit.embedded import ServerUrls
from kit.embedded.wire import Wire
from kit.redis import connect
from kit.settings import RedisSettings
from kit.statements import Rows
from tests.flashsale.conftest import OpenShop
from tests.flashsale.scenes import IMPATIENT


async def test_without_redis_the_repair_says_so_and_views_have_no_redis_side(
    open_shop: OpenShop, redis_settings: RedisSettings
) -> None:
    shop = await open_shop()
    away = connect("redis://127.0.0.1:1/0", redis_settings, purpose="stock")
    assert (await StockRepair(shop.postgres, away, IMPATIENT).run_once()).away
    async with shop.postgres.read() as session:
        (view,) = await stock_views(session, away, shop.sale_id)
    assert (view.total, view.redis_available, view.redis_epoch) == (10, None, None)
    await away.aclose()


async def test_a_redis_that_falls_silent_in_a_load_does_not_keep_the_buckets_lock(
    open_shop: OpenShop, servers: ServerUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that waits thirty seconds would keep it so long, and with it whoever buys there."""
    shop = await open_shop()
    await shop.forget()
    patient = RedisSettings(redis_command_seconds=30)
    async with Wire(servers.redis_stock) as wire:
        stock = connect(wire.url, patient, purpose="stock")

        async def lock_and_silence(session: Rows, names: Iterable[BucketName]) -> dict[BucketName, ItemState]:
            wire.silence()
            return await lock_buckets(session, names)

        monkeypatch.setattr(loading, "lock_buckets", lock_and_silence)
        async with asyncio.timeout(20):
            assert (await StockRepair(shop.postgres, stock, IMPATIENT).run_once()).away
        await stock.aclose()
