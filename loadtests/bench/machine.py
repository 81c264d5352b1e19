"""What a report was measured on: the machine, the servers, the libraries that answer."""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from loadtests.bench.missing import nginx_binary
from loadtests.bench.scene import Scene

LIBRARIES: Final = (
    "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "redis", "hiredis", "sqlalchemy", "asyncpg", "msgspec",
    "throttled-py", "limits",
)  # fmt: skip


def measured_on(scene: Scene) -> dict[str, Any]:
    """What cannot be read is None."""
    return {
        "cpu": _first("/proc/cpuinfo", "model name"),
        "cores": len({scene.layout.server, scene.layout.load, *scene.layout.stores, *_second(scene)}),
        "layout": scene.layout.told(),
        "memory_mib": _memory_mib(),
        "system": platform.platform(),
        "load_average_at_the_end": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "postgresql": scene.stores.ask(lambda connection: connection.fetchval("SHOW server_version")),
        "redis": scene.stores.redis().info("server").get("redis_version"),
        "nginx": _nginx(),
        "libraries": {name: _library(name) for name in LIBRARIES},
        "missing": dict(scene.missing),
    }


def _second(scene: Scene) -> set[int]:
    return set() if scene.layout.second is None else {scene.layout.second}


def _first(file: str, name: str) -> str | None:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _memory_mib() -> int | None:
    total = _first("/proc/meminfo", "MemTotal")
    return None if total is None else int(total.split()[0]) // 1024


def _nginx() -> str | None:
    binary = nginx_binary()
    if binary is None:
        return None
    said = subprocess.run([binary, "-v"], capture_output=True, text=True, check=False).stderr
    found = re.search(r"nginx/(\S+)", said)
    return found[1] if found else None


def _library(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
