"""The servers of a bench as programs: the gateway as it is, the gateway that commits nothing, and the baselines."""

import base64
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtests.bench.launch import Program, answers, free_port, listens, python
from loadtests.bench.mints import Mint
from loadtests.bench.missing import nginx_binary
from loadtests.bench.stores import Stores

BASELINES: Final = Path(__file__).parent / "baselines"
MODULES: Final = "/usr/lib/nginx/modules"
WITHIN: Final = "loadtests.bench.within"
BENCH_MARK: Final = "FLOODGATE_BENCH"  # without it the gateway that commits nothing does not start


@dataclass(frozen=True, slots=True)
class Served:
    """A program and the port it answers on."""

    program: Program
    port: int


def environment(stores: Stores, mint: Mint) -> dict[str, str]:
    """What every process of ours reads. The provider is never called, and its secrets are this bench's alone."""
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    return {
        **os.environ,
        **stores.environment,
        **mint.environment(),
        "PROVIDER_URL": "http://127.0.0.1:9",
        "PROVIDER_API_KEY": secrets.token_hex(16),
        "PROVIDER_WEBHOOK_SECRET": f"whsec_{secret}",
        "GATEWAY_HOST": "127.0.0.1",
        "LOG_LEVEL": "WARNING",
        BENCH_MARK: "1",
    }


def gateway(
    name: str, core: int, shared: Mapping[str, str], *, module: str = "gateway", words: tuple[str, ...] = ()
) -> Served:
    port, probes = free_port(), free_port()
    own = {**shared, "GATEWAY_PORT": str(port), "HEALTH_PORT": str(probes)}
    ready = f"http://127.0.0.1:{probes}/readyz"
    return Served(Program(name, python("-m", module, *words), {core}, lambda: answers(ready), own), port)


def unwritten_gateway(name: str, core: int, shared: Mapping[str, str]) -> Served:
    """All duties but the commit."""
    return gateway(name, core, shared, module=WITHIN, words=("gateway",))


def keeper(core: int, shared: Mapping[str, str]) -> Served:
    probes = free_port()
    own = {**shared, "HEALTH_PORT": str(probes), "KEEPER_NAME": "bench"}
    return Served(Program("keeper", python("-m", "ops.keeper"), {core}, lambda: listens(probes), own), probes)


def worker(core: int, shared: Mapping[str, str]) -> Served:
    probes = free_port()
    own = {**shared, "HEALTH_PORT": str(probes)}
    return Served(Program("worker", python("-m", "ops.worker"), {core}, lambda: listens(probes), own), probes)


def simulator(port: int, core: int, shared: Mapping[str, str]) -> Served:
    """The provider, pretended. It sends nobody notices: those who need one sign it themselves."""
    own = {**shared, "SIMULATOR_PORT": str(port), "HEALTH_PORT": str(free_port())}
    return Served(
        Program("simulator", python("-m", "ops.simulator"), {core}, lambda: listens(port), own), port
    )


def empty(core: int) -> Served:
    return _baseline("empty", core, "loadtests.bench.baselines.empty", {})


def constant(core: int) -> Served:
    return _baseline("constant", core, "loadtests.bench.baselines.constant", {})


def classic(core: int, shared: Mapping[str, str], *, limited: bool) -> Served:
    """`limited` as the gateway beside it is, so that nobody does more than the other."""
    own = {**shared, "BENCH_LIMITED": str(int(limited))}
    return _baseline("classic", core, "loadtests.bench.baselines.classic", own)


def _baseline(name: str, core: int, module: str, own: Mapping[str, str]) -> Served:
    port = free_port()
    return Served(Program(name, python("-m", module, str(port)), {core}, lambda: listens(port), own), port)


def nginx(core: int, folder: Path, stores: Stores, mint: Mint, *, document: str, limit_us: int) -> Served:
    """`limit_us`: what a request costs its user's bucket, 0 where the gateway beside it limits nobody."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    words = {
        "folder": str(folder.resolve()),
        "modules": MODULES,
        "lua": str(BASELINES / "nginx"),
        "port": str(port),
        "document": document.replace("'", ""),
    }
    text = (BASELINES / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    for name, value in words.items():
        text = text.replace(f"@{name}@", value)
    file = folder / "nginx.conf"
    file.write_text(text, encoding="utf-8")
    own = {
        "BENCH_REDIS_PORT": str(stores.redis_port),
        "BENCH_SECRET": mint.queueing_secret,
        "BENCH_LIMITED": str(limit_us),
    }
    command = [nginx_binary() or "nginx", "-c", str(file.resolve())]
    return Served(Program("nginx", command, {core}, lambda: listens(port), own), port)
