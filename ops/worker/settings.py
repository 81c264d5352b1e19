"""Settings of a worker process."""

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class WorkerSettings(BaseSettings):
    """How many messages a worker runs at once, and how long it may take to stop."""

    model_config = room_config("WORKER_")

    # An async actor waits in a thread while its coroutine runs in the one event loop: threads are the concurrency.
    threads: int = Field(default=8, ge=1, le=64)
    # An idle queue is looked at this often; it is also the longest a doorbell waits for an idle worker.
    poll_ms: int = Field(default=250, ge=50, le=5_000)
    # Two provider calls and their transactions take less than 8 s; a supervisor kills after 20.
    drain_seconds: float = Field(default=10.0, gt=0, le=18)

    @property
    def connections_max(self) -> int:
        """Every payout under way holds one connection as its guard and takes a second; and one for the gauges."""
        return 2 * self.threads + 2


class ProbeSettings(BaseSettings):
    """Where the probes of this process listen."""

    model_config = room_config("HEALTH_")

    host: str = "127.0.0.1"
    port: int = Field(default=9084, ge=1, le=65535)
