"""What a connection that only waits costs, and what a process weighs. Told, and judged by nobody."""

import asyncio
from collections.abc import Callable
from typing import Final

import uvloop

from loadtests.bench.client.closed import close, connect, drain
from loadtests.bench.client.lines import Line, Tally
from loadtests.bench.cores import families, resident_bytes
from loadtests.bench.requests import get
from loadtests.bench.rows import Goal, Row, missing_row
from loadtests.bench.runs import Runner
from loadtests.bench.scene import Scene, Up, queue_path

SERVERS: Final = ("gateway", "empty", "nginx")
ROWS: Final = tuple(f"{what}_{name}" for name in SERVERS for what in ("connection", "process"))
CONNECTIONS: Final = 2000
SETTLE_SECONDS: Final = 0.5
BYTES: Final = Goal(None, unit="bytes")
MIB: Final = Goal(None, unit="MiB")


def rows(scene: Scene, runner: Runner) -> list[Row]:
    servers: dict[str, tuple[str, Callable[[], Up]]] = {
        "gateway": ("gateway", scene.gateway),
        "empty": ("(a) uvicorn with an empty handler", scene.empty),
        "nginx": ("(b) nginx", scene.nginx),
    }
    found = []
    for name, (title, up) in servers.items():
        if not scene.options.wants(f"connection_{name}", f"process_{name}"):
            continue
        what = f"memory of an idle keep-alive connection: {title}"
        if name in scene.missing:
            why = f"{name} is not here: {scene.missing[name]}"
            found.append(missing_row(f"connection_{name}", what, BYTES, against="", why=why))
            continue
        runner.show(f"memory of {title}")
        process, connection = _measure(up(), get(queue_path(scene.sales.shown)))
        found.append(Row(f"connection_{name}", what, connection, BYTES, facts={"connections": CONNECTIONS}))
        found.append(Row(f"process_{name}", f"memory of a process: {title}", process / 2**20, MIB))
    return found


def _measure(up: Up, request: bytes) -> tuple[float, float]:
    """Bytes of the process and of a connection: its own memory, not the kernel's socket buffers."""
    return uvloop.run(_hold(up, request))


async def _hold(up: Up, request: bytes) -> tuple[float, float]:
    before = _weight(up)
    tally = Tally(keep_granted=False)
    lines = await connect([up.port], CONNECTIONS, lambda: Line(tally))
    try:
        for line in lines:
            line.outstanding = 1
            line.write(request)
        await drain(lines)
        await asyncio.sleep(SETTLE_SECONDS)
        return before, (_weight(up) - before) / CONNECTIONS
    finally:
        close(lines)


def _weight(up: Up) -> float:
    return float(sum(map(resident_bytes, families([up.pid])[up.pid])))
