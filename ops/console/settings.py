"""Where the console listens."""

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class ConsoleSettings(BaseSettings):
    """`CONSOLE_*`. The console is internal: it listens on this machine unless told otherwise."""

    model_config = room_config("CONSOLE_")

    host: str = "127.0.0.1"
    port: int = Field(default=8081, ge=1, le=65535)


class ProbeSettings(BaseSettings):
    """`HEALTH_*`: where `/livez /readyz /startupz /metrics` are."""

    model_config = room_config("HEALTH_")

    host: str = "127.0.0.1"
    port: int = Field(default=9081, ge=1, le=65535)
