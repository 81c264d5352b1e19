"""Settings of the limits, `LIMITS_*`: how much waits, how long, and what happens without Redis."""

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class LimitSettings(BaseSettings):
    """Bounds, each with its reason."""

    model_config = room_config("LIMITS_")

    # Under a millisecond of Redis with five limits a request, so that other commands are not kept waiting.
    batch_max: int = Field(default=256, ge=1, le=4096)
    # Batches on their way at once, one a scope: each holds a connection.
    flights_max: int = Field(default=8, ge=1, le=64)
    # Less than a second's work; who comes beyond that is told to come back, which is quicker.
    waiting_max: int = Field(default=20_000, ge=1, le=1_000_000)
    # Who waited longer has given up or asks again by now.
    waiting_seconds_max: float = Field(default=1.0, gt=0, le=60)
    # A batch takes a millisecond; after a quarter of a second the local share answers, and nobody waits for a dead peer.
    answer_seconds_max: float = Field(default=0.25, gt=0, le=30)
    # How often a process says that it is there and learns how many are.
    lease_renew_seconds: float = Field(default=1.0, gt=0, le=60)
    # A lease older than this when Redis goes away may not know of everybody, and gives no right to serve. Three renewals.
    lease_seconds: float = Field(default=3.0, gt=0, le=300)
    # A process that was cut off still counts for so long; a killed one makes the parts of the others smaller meanwhile.
    process_seconds: int = Field(default=60, ge=1, le=3600)
    # How soon Redis is noticed when it is back.
    probe_seconds: float = Field(default=0.25, gt=0, le=60)
    # Buckets of the local share: about 20 MB. Beyond them new callers are refused, for a forgotten bucket is a full one.
    local_keys_max: int = Field(default=100_000, ge=1, le=10_000_000)
