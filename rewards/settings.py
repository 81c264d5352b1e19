"""Settings of the rewards room."""

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class RewardsSettings(BaseSettings):
    """How hard payouts are tried, and how many at once."""

    model_config = room_config("REWARDS_")

    # Each holds one connection as its guard and takes a second for its short transactions: the pool of the process
    # must be twice this and some (ops.worker sizes it so).
    payouts_at_once_max: int = Field(default=8, ge=1, le=64)
