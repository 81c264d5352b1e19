"""What one run is asked to do, and where its processes listen. Pure but for the look at who holds a port."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.embedded.ports import is_taken
from kit.errors import StartRefused
from kit.settings import RedisSettings, room_config

UNITS: Final = 300  # of the demo's stock in all; a smaller crowd finds less, so that every demo sells out
SHOPPERS_A_UNIT: Final = 2000 / UNITS
REDIS_MASTER: Final = "redis-master"
POSTGRES_PRIMARY: Final = "postgres-primary"
KILLABLE: Final = ("gateway", "worker", "keeper", REDIS_MASTER, POSTGRES_PRIMARY)
BACK_SECONDS_MAX: Final = 60.0
REDIS: Final = "redis"
# What befalls a sale beside a provider that misbehaves: Redis flushed three times, the gateway killed five.
SIEGE: Final = ("gateway", REDIS, "gateway", REDIS, "gateway", REDIS, "gateway", "gateway")
SIEGE_SECONDS: Final = 30  # how long the units of a besieged sale last at the pace of its admissions
RATE_PER_SECOND_MAX: Final = 60  # slow enough that a crowd can be seen waiting


class Ports(BaseSettings):
    """Where people and programs of other machines come in. `RUN_HEALTH_PORT_BASE` and the five after it are probes."""

    model_config = room_config("")

    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=8080, ge=1, le=65535)
    console_port: int = Field(default=8081, ge=1, le=65535)
    simulator_port: int = Field(default=8082, ge=1, le=65535)
    run_health_port_base: int = Field(default=9080, ge=1, le=65529)

    def health(self, place: int) -> int:
        return self.run_health_port_base + place

    def refuse_taken(self) -> None:
        """Raises `StartRefused` for the first port that somebody else holds."""
        doors = {
            "GATEWAY_PORT": (self.gateway_port, "the gateway"),
            "CONSOLE_PORT": (self.console_port, "the console"),
            "SIMULATOR_PORT": (self.simulator_port, "the provider simulator"),
        }
        for variable, (port, who) in doors.items():
            if is_taken("127.0.0.1", port):
                raise StartRefused(
                    f"Port {port} ({who}) is taken: stop what listens there, or set {variable} to a free port."
                )
        for place in range(6):
            if is_taken("127.0.0.1", self.health(place)):
                raise StartRefused(
                    f"Port {self.health(place)} (health and metrics) is taken: stop what listens there, or set "
                    f"RUN_HEALTH_PORT_BASE to the first of six free ports."
                )


@dataclass(frozen=True, slots=True)
class RunPlan:
    """One run. `folder` holds servers, logs, history and report; `ports` where it listens; `kill` is in order."""

    folder: Path
    crowd: int
    once: bool
    kill: tuple[str, ...]
    kill_after_seconds: float
    faults: bool
    seed: int
    sale_file: Path
    ports: Ports
    clustered: bool = False

    @property
    def units(self) -> int:
        """Stock of the demo sale: 300, or so much less that a small crowd still buys it all."""
        if self.crowd == 0:
            return UNITS
        return min(UNITS, max(4, round(self.crowd / SHOPPERS_A_UNIT)))

    @property
    def besieged(self) -> tuple[str, ...]:
        """What is struck while the units sell, in order."""
        return SIEGE if self.faults and self.crowd else ()

    def refuse_foreign_redis(self, named: RedisSettings) -> None:
        """A siege empties whole servers. Raises `StartRefused` where one of them is not the run's own."""
        for role, url in named.room_urls.items():
            if self.besieged and url:
                raise StartRefused(
                    f"FAULTS=1 empties Redis, and REDIS_{role}_URL names one that is not this run's own: unset it."
                )

    @property
    def rate_per_second_max(self) -> int:
        """The demo's pace; under a siege slower, so that every stroke finds the sale in its middle."""
        return max(1, self.units // SIEGE_SECONDS) if self.besieged else RATE_PER_SECOND_MAX

    @property
    def opens_in_seconds(self) -> float:
        """Long enough for the early half of the crowd to be in line when the doors open."""
        return 8.0 + self.crowd / 700

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def history(self) -> Path:
        return self.folder / "history.jsonl"

    @property
    def summary(self) -> Path:
        return self.folder / "crowd.json"

    @property
    def report(self) -> Path:
        return self.folder / "report.json"

    @property
    def environment_file(self) -> Path:
        return self.folder / "environment"

    @property
    def gateway_url(self) -> str:
        host = "127.0.0.1" if self.ports.gateway_host in {"0.0.0.0", "::"} else self.ports.gateway_host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.ports.gateway_port}"

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.simulator_port}"

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.console_port}"
