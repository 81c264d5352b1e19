"""Settings of a keeper process."""

import os
import socket

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class KeeperSettings(BaseSettings):
    """`KEEPER_NAME`: the name under which this keeper leads."""

    model_config = room_config("KEEPER_")

    name: str = Field(default_factory=lambda: f"{socket.gethostname()}/{os.getpid()}")


class ProbeSettings(BaseSettings):
    """Where the probes of this process listen."""

    model_config = room_config("HEALTH_")

    host: str = "127.0.0.1"
    port: int = Field(default=9083, ge=1, le=65535)
