"""Settings of a keeper process."""

import os
import socket

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class KeeperSettings(BaseSettings):
    """`KEEPER_*`: the name under which this keeper leads, and the host its probes listen on."""

    model_config = room_config("KEEPER_")

    name: str = Field(default_factory=lambda: f"{socket.gethostname()}/{os.getpid()}")
    health_host: str = "127.0.0.1"


class HealthSettings(BaseSettings):
    """`HEALTH_PORT`: where `/livez /readyz /startupz /metrics` are."""

    model_config = room_config("HEALTH_")

    port: int = Field(default=9083, ge=1, le=65535)
