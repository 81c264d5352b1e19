"""The stock board: coarse, from memory, honest about its age."""

from flashsale import keys
from flashsale.board import STALE_REFRESHES, StockBoard
from kit.redis import connect
from kit.settings import RedisSettings
from tests.flashsale.conftest import OpenShop, StartService
from tests.flashsale.scenes import a_request, an_item


async def test_the_board_tells_bands_and_when_everything_is_gone(
    open_shop: OpenShop, start_service: StartService
) -> None:
    shop = await open_shop(an_item(total=1), an_item("case", total=50))
    board = StockBoard()
    assert board.stale
    assert board.bands(shop.sale_id) == {}
    assert not board.sold_out(shop.sale_id)
    await board.refresh(shop.stock, shop.book)
    assert not board.stale
    assert board.bands(shop.sale_id) == {"phone": "plenty", "case": "plenty"}
    service = await start_service(shop)
    await service.reserve(a_request(shop.sale_id, "ada"))
    await board.refresh(shop.stock, shop.book)
    assert board.bands(shop.sale_id) == {"phone": "none", "case": "plenty"}
    assert not board.sold_out(shop.sale_id)
    await shop.stock.hset(keys.stock(shop.sale_id, "case", 0), "available", 0)  # type: ignore[misc]
    await board.refresh(shop.stock, shop.book)
    assert board.sold_out(shop.sale_id)


async def test_the_last_view_stands_while_redis_is_away_or_forgetful(
    open_shop: OpenShop, redis_settings: RedisSettings
) -> None:
    shop = await open_shop()
    board = StockBoard()
    await board.refresh(shop.stock, shop.book)
    await shop.forget()
    await board.refresh(shop.stock, shop.book)
    assert board.bands(shop.sale_id) == {"phone": "plenty"}
    away = connect("redis://127.0.0.1:1/0", redis_settings, purpose="stock")
    for _ in range(STALE_REFRESHES):
        assert not board.stale
        await board.refresh(away, shop.book)
    assert board.stale
    assert board.bands(shop.sale_id) == {"phone": "plenty"}
    await away.aclose()


async def test_an_item_never_loaded_is_unknown(open_shop: OpenShop) -> None:
    shop = await open_shop(loaded=False)
    board = StockBoard()
    await board.refresh(shop.stock, shop.book)
    assert board.bands(shop.sale_id) == {"phone": "unknown"}
    assert not board.sold_out(shop.sale_id)
