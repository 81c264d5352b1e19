"""What anyone may see: the same bytes for everybody, cacheable, with validators."""

from tests.gateway.scene import SKU, Scene, assert_problem


async def test_a_sale_is_shown_with_its_items_prices_and_rules_in_both_languages(scene: Scene) -> None:
    answer = await scene.http.get(scene.path)
    assert answer.status_code == 200
    sale = answer.json()
    assert sale["sale_id"] == scene.sale_id
    assert sale["texts"]["zh-CN"]["rules"]
    assert sale["texts"]["en"]["rules"]
    assert sale["rules"]["rate_per_second"] == 1000
    (item,) = sale["items"]
    assert (item["sku"], item["price_minor"], item["total"], item["per_user_limit"]) == (SKU, 1999, 5, 2)
    listed = (await scene.http.get("/v1/sales")).json()["sales"]
    assert sale in listed


async def test_whoever_has_the_sale_is_told_so_without_a_body(scene: Scene) -> None:
    for path in ("/v1/sales", scene.path):
        first = await scene.http.get(path)
        assert first.headers["Cache-Control"] == "public, max-age=5"
        etag = first.headers["ETag"]
        again = await scene.http.get(path, headers={"If-None-Match": f'"other", {etag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == etag
        other = await scene.http.get(path, headers={"If-None-Match": 'W/"other"'})
        assert other.status_code == 200


async def test_the_queue_document_is_cacheable_for_a_second_and_keeps_its_etag_while_nothing_happens(
    scene: Scene,
) -> None:
    first = await scene.http.get(f"{scene.path}/queue")
    assert first.headers["Cache-Control"] == "public, max-age=1"
    document = first.json()
    assert (document["state"], document["stock"]) == ("open", {SKU: "plenty"})
    assert document["lottery"] == {"commitment": None, "seed": None, "size": None}
    assert document["next_poll_seconds"] >= 1
    again = await scene.http.get(f"{scene.path}/queue", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    await scene.ticket("ann")
    await scene.let_in()
    moved = await scene.http.get(f"{scene.path}/queue", headers={"If-None-Match": first.headers["ETag"]})
    assert moved.status_code == 200
    assert moved.json()["frontier"] >= 1


async def test_when_everything_is_gone_the_document_says_so(closed: Scene) -> None:
    await closed.open_sale(total=1)
    await closed.hold("ann")
    await closed.refresh()
    document = (await closed.http.get(f"{closed.path}/queue")).json()
    assert (document["state"], document["stock"]) == ("sold_out", {SKU: "none"})


async def test_the_queue_is_answered_from_memory(scene: Scene) -> None:
    """Control: joining, which does ask Redis, is a 503 with the same client."""
    async with scene.queue_away():
        answer = await scene.http.get(f"{scene.path}/queue")
        assert (answer.status_code, answer.json()["stale"]) == (200, True)
        joining = await scene.http.post(f"{scene.path}/tickets", headers=scene.signed_in("ann"))
        assert_problem(joining, 503, "unavailable")


async def test_unknown_sales_are_404_everywhere(scene: Scene) -> None:
    for path in ("/v1/sales/no-such-sale", "/v1/sales/no-such-sale/queue"):
        assert_problem(await scene.http.get(path), 404, "sale_unknown")
