"""The processes of the system as the supervisor starts them, and the environment they share. Pure but for the dice."""

import base64
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ops.run.plan import RunPlan

FOLDER_MARK: Final = (
    "FLOODGATE_RUN"  # in every process of a run: the run's folder, by which leftovers are known
)


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised process. `place` is that of its health port."""

    name: str
    module: str
    place: int
    environment: Mapping[str, str] = field(default_factory=dict)


PROGRAMS: Final = (
    Program("simulator", "ops.simulator", 2),
    Program("gateway", "gateway", 0),
    Program("worker", "ops.worker", 4),
    Program("keeper-1", "ops.keeper", 3, {"KEEPER_NAME": "keeper-1"}),
    Program("keeper-2", "ops.keeper", 5, {"KEEPER_NAME": "keeper-2"}),
    Program("console", "ops.console", 1),
)


def shared_environment(plan: RunPlan, servers: Mapping[str, str]) -> dict[str, str]:
    """What every process reads: the servers, fresh secrets of this run alone, and each other's addresses."""
    webhook_key = base64.b64encode(secrets.token_bytes(32)).decode()
    ports = plan.ports
    return {
        **servers,
        FOLDER_MARK: str(plan.folder.resolve()),
        "IDENTITY_KEYS": f"run:{secrets.token_hex(32)}",
        "QUEUEING_KEYS": f"run:{secrets.token_hex(32)}",
        "PROVIDER_URL": plan.simulator_url,
        "PROVIDER_API_KEY": secrets.token_hex(24),
        "PROVIDER_WEBHOOK_SECRET": f"whsec_{webhook_key}",
        "GATEWAY_HOST": ports.gateway_host,
        "GATEWAY_PORT": str(ports.gateway_port),
        "GATEWAY_LOCAL_ISSUER": "true",
        "CONSOLE_PORT": str(ports.console_port),
        "SIMULATOR_PORT": str(ports.simulator_port),
        "SIMULATOR_WEBHOOK_URL": plan.gateway_url,
        "SIMULATOR_GATEWAY_ORIGIN": plan.gateway_url,
        "SIMULATOR_BOOK": str(book_file(plan.folder, servers.get("DATABASE_URL", "")).resolve()),
        "PYTHONUNBUFFERED": "1",
    }


def book_file(folder: Path, database_url: str) -> Path:
    """Where the provider keeps its book: one a database, for each is judged by the other."""
    return folder / "servers" / f"provider-book-{zlib.crc32(database_url.encode()):08x}.sqlite"
