"""Settings of the overload gate, `OVERLOAD_*`; every bound with its reason."""

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class OverloadSettings(BaseSettings):
    """How much may be under way at once, and how long an answer may take."""

    model_config = room_config("OVERLOAD_")

    # A shopper does not feel it, and it is ten times a healthy durable answer: batches grow into it before anyone
    # is sent away.
    target_seconds: float = Field(default=0.2, gt=0, le=10)
    # Twice what a healthy gateway holds at its knee (10,000 a second, 25 ms): the first second refuses nobody.
    limit_start: int = Field(default=512, ge=1, le=100_000)
    # One batch: with less, the stores would idle between batches.
    limit_min: int = Field(default=64, ge=1, le=100_000)
    # Some 2 kB of memory a request under way, and half a second's work of the fastest machine measured.
    limit_max: int = Field(default=8192, ge=1, le=100_000)
    # The loop's own delay above which cheap work is put off; half the target, so that it acts before the limit does.
    lag_seconds_max: float = Field(default=0.1, gt=0, le=5)
    # What is not answered by then is answered 503: later than the slowest honest answer (a commit read back, 8 s),
    # earlier than the end of a draining process (10 s).
    deadline_seconds: float = Field(default=9.0, gt=0, le=60)
    # An answer within it is goodput; the rest is work done for nobody.
    good_seconds: float = Field(default=1.0, gt=0, le=60)
    # One for each connection that a gateway has at most (16,000), so that nobody who asks again at once makes it refuse
    # at once; each keeps what was read of it, a few kB. 0: nobody waits.
    waiting_max: int = Field(default=16_384, ge=0, le=1_000_000)
    # Who reserves waits so long for a turn before being sent away, who joins half of it: what remains of a second after the
    # wait is served in good time, and beyond it everybody who asks again at once does so half as often a second.
    patience_seconds: float = Field(default=2.0, ge=0, le=10)
