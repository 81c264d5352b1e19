"""A thousand sockets that trickle cost those who mean it less than a tenth of their answers, and the probes nothing."""

import asyncio

from tests.kit.web.beside import HONEST, compare, honest
from tests.kit.web.running import read_answer, running


async def test_a_thousand_trickling_sockets_leave_nine_tenths_of_the_goodput() -> None:
    """Goal: goodput beside them is at least 90 % of goodput alone, and `/livez` answers throughout.
    Method: the same honest callers in turns with and without the crowd, so that a busy machine meets both."""
    with running() as server:
        alone, beside = await compare(server)
    assert beside >= 0.9 * alone, (beside, alone)


async def test_trickling_sockets_do_not_keep_others_out_when_every_place_is_taken() -> None:
    """Fewer places than trickling sockets: a newcomer takes the place of who has been silent longest."""
    with running(connections_max=200, head_seconds=5.0) as server:
        slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(200)]
        for _, writer in slow:
            writer.write(b"GET /quick HTTP/1.1\r\nx-")
        await asyncio.sleep(1.5)
        assert await honest(server)  # each of them was answered
        assert server.metric('floodgate_http_cut_off_total{reason="evicted"}') >= HONEST
        for _, writer in slow:
            writer.close()


async def test_a_newcomer_is_told_when_nobody_can_make_room() -> None:
    with running(connections_max=4) as server:
        busy = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(4)]
        for _, writer in busy:
            writer.write(b"GET /slow?seconds=3 HTTP/1.1\r\nhost: tiny\r\n\r\n")
        await asyncio.sleep(0.5)
        reader, newcomer = await asyncio.open_connection("127.0.0.1", server.port)
        answer = await read_answer(reader)
        assert (answer.status, answer.problem["code"]) == (503, "temporary_reduced_capacity")
        assert 1 <= int(answer.headers["retry-after"]) <= 5
        newcomer.close()
        for reader, writer in busy:
            assert (await read_answer(reader)).status == 200
            writer.close()
