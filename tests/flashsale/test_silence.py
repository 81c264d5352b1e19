"""PostgreSQL goes silent under load: every request is answered, and the lanes serve again after the thaw."""

import asyncio

import pytest

from flashsale.errors import LimitReached
from flashsale.facts import Reserved
from kit.embedded import ServerUrls
from kit.embedded.wire import Wire
from kit.errors import Unavailable
from kit.postgres import Postgres
from kit.settings import PostgresSettings
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.scenes import a_request

ENOUGH_SECONDS = 30.0  # several times all bounds together; reached only by who waits for ever
BRIEF = {"commit_seconds_max": 0.3, "read_back_seconds_max": 0.3, "queue_seconds_max": 5.0}


async def test_a_silent_postgresql_stops_no_lane(
    open_shop: OpenShop, start_service: StartService, servers: ServerUrls
) -> None:
    shop = await open_shop()
    here = shop.postgres
    async with Wire(servers.database) as frozen:
        settings = PostgresSettings(
            database_url=frozen.url, postgres_statement_seconds=0.5, postgres_pool_wait_seconds=0.5
        )
        shop.postgres = Postgres(settings)
        service = await start_service(shop, **BRIEF)
        await service.reserve(a_request(shop.sale_id, "ada"))
        with pytest.raises(LimitReached):
            await service.reserve(a_request(shop.sale_id, "ada"))
        frozen.silence()
        # Ada has reserved before: her lane looks for her key. The others' lane commits.
        asks = [service.reserve(a_request(shop.sale_id, user)) for user in ("ada", "bob", "ada", "eve")]
        async with asyncio.timeout(ENOUGH_SECONDS):
            answers = await asyncio.gather(*asks, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable] * 4
        frozen.heal()
        async with asyncio.timeout(ENOUGH_SECONDS):
            assert isinstance(await _served(service, shop.sale_id), Reserved)
            with pytest.raises(LimitReached):
                await service.reserve(a_request(shop.sale_id, "ada"))
            await service.stop()
            await shop.postgres.close()
    shop.postgres = here


async def _served(service: object, sale_id: str) -> Reserved:
    """The pool may still hold connections that died; a shopper would try again, too."""
    while True:
        try:
            return await service.reserve(a_request(sale_id, "zoe", key="again"))  # type: ignore[attr-defined, no-any-return]
        except Unavailable:
            await asyncio.sleep(0.05)
