"""Every bound of the room, with its reason."""

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class FlashsaleSettings(BaseSettings):
    """`FLASHSALE_*` variables."""

    model_config = room_config("FLASHSALE_")

    # One transaction commits up to so many reservations. 256 cost a quarter less of the gateway and a sixth less of
    # PostgreSQL a row than 128; twice as many hardly less, and hold Redis for two milliseconds.
    batch_max: int = Field(default=256, ge=1, le=1000)
    # Two: while one batch waits for its commit, the next is already claiming. More only queue for the item's row lock.
    lanes: int = Field(default=2, ge=1, le=8)
    # About a quarter of a second of work at the measured rate; who comes beyond it is told to come back.
    queue_max: int = Field(default=4096, ge=1, le=100_000)
    # A request that waited longer than this is answered 503 without being tried: its client has given up.
    queue_seconds_max: float = Field(default=2.0, gt=0, le=30)
    # A commit takes milliseconds; past this its outcome is treated as unknown and read back.
    commit_seconds_max: float = Field(default=5.0, gt=0, le=60)
    # How long reading back may take before the honest answer is "unavailable".
    read_back_seconds_max: float = Field(default=3.0, gt=0, le=60)
    # Draining at shutdown; the orchestrator's grace period is longer.
    stop_seconds_max: float = Field(default=8.0, gt=0, le=60)

    # Without Redis each doomed request costs PostgreSQL a share of a transaction, so only so many a second are let
    # through, in a bucket of one second's worth.
    ledger_only_per_second: float = Field(default=300.0, gt=0, le=100_000)
    # Without Redis only so many transactions at once: the connections left are for paying and reading.
    ledger_only_at_once: int = Field(default=1, ge=1, le=8)
    # After a failure Redis is not asked again for this long; each failed ask may cost a whole command time-out.
    redis_rest_seconds: float = Field(default=1.0, gt=0, le=60)

    # A claim neither committed nor refused after this long belongs to a process that died. Longer than any commit
    # with its reading back (5 + 3 s), so that living ones are not disturbed.
    pending_seconds_max: float = Field(default=10.0, gt=0, le=600)
    # Buyers are written to Redis in pieces: each script call must stay far below a millisecond or two.
    load_chunk: int = Field(default=1000, ge=1, le=5000)
    # Redis is kept right for so long after the end of a sale, for late payments and the books.
    repair_after_close_seconds: int = Field(default=3600, ge=0, le=30 * 86400)
    # Reports on their way to Redis arrive within milliseconds; what is still missing after this was lost.
    drift_recheck_seconds: float = Field(default=0.25, ge=0, le=10)
