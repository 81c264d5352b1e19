"""Where the console listens."""

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class ConsoleSettings(BaseSettings):
    """`CONSOLE_*`. The console is internal: it listens on this machine unless told otherwise."""

    model_config = room_config("CONSOLE_")

    host: str = "127.0.0.1"
    port: int = Field(default=8081, ge=1, le=65535)
    # Long enough for a balancer to see the probe say draining.
    drain_seconds: float = Field(default=1.0, ge=0, le=60)
    # A desk answer takes well under a second; what hangs longer is cut off.
    finish_seconds_max: int = Field(default=5, ge=1, le=60)


class ProbeSettings(BaseSettings):
    """`HEALTH_*`: where `/livez /readyz /startupz /metrics` are."""

    model_config = room_config("HEALTH_")

    host: str = "127.0.0.1"
    port: int = Field(default=9081, ge=1, le=65535)
