"""Settings of the waiting room, `QUEUEING_*`."""

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class QueueingSettings(BaseSettings):
    """How long things last and how far ahead of the durable mark the room may run."""

    model_config = room_config("QUEUEING_")

    keys: str = ""  # kid:secret[,kid:secret]; the first signs, all verify
    # Long enough to read the page and buy, short enough that a bought-up admission is worth little.
    admission_seconds: int = Field(default=300, ge=10, le=3600)
    # Before this the room answers `scheduled` and hands out nothing: nobody should have to queue for a day.
    prequeue_seconds: int = Field(default=3600, ge=0, le=7 * 86400)
