"""Settings of the provider simulator."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class SimulatorSettings(BaseSettings):
    """Where the simulator listens, where it sends webhooks, and where its book is."""

    model_config = room_config("SIMULATOR_")

    host: str = "127.0.0.1"
    port: int = Field(default=8082, ge=1, le=65535)
    webhook_url: str = "http://127.0.0.1:8080"
    book: Path = Path("var/simulator/book.sqlite3")
    gateway_origin: str = "http://127.0.0.1:8080"
    # How shoppers' browsers reach this process; empty: as it listens.
    public_url: str = ""

    @property
    def address(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


class ProbeSettings(BaseSettings):
    """Where the probes of this process listen."""

    model_config = room_config("HEALTH_")

    host: str = "127.0.0.1"
    port: int = Field(default=9082, ge=1, le=65535)
