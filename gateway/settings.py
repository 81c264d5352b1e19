"""Settings of the gateway, `GATEWAY_*`; every bound with its reason."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from kit.settings import room_config


class GatewaySettings(BaseSettings):
    """Where the gateway listens and how much it bears."""

    model_config = room_config("GATEWAY_")

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    # Issues user tokens to whoever asks: for the embedded mode alone, where there is no shop to sign in at.
    local_issuer: bool = False
    # Some 20 kB each, and an open file; beyond it an idle one makes room, and else the newcomer is told to come back.
    connections_max: int = Field(default=16_000, ge=1, le=1_000_000)
    # Limits by route, as `queueing.limits.notation` reads them: a person asks a handful of times, a script for ever.
    ticket_limits: str = "user=5/1s burst 10"
    reservation_limits: str = "user=5/1s burst 10"
    # Sockets and memory, some 40 kB a stream; a shopper who gets none polls instead.
    live_streams_max: int = Field(default=4000, ge=1, le=100_000)
    # One phone, one laptop, and two that a dying connection has not given back yet.
    live_streams_per_user_max: int = Field(default=4, ge=1, le=100)
    # Networks of the proxies in front, whose word about the caller's address counts: 10.0.0.0/8,fd00::/8. None by default.
    trusted_proxies: str = ""
    # The one header that they write it into.
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    # Streams end by themselves so that a rolling restart moves them and an expired token does not listen for ever.
    live_seconds_max: float = Field(default=600.0, gt=0, le=3600)
    # What a lost doorbell costs at most.
    live_poll_seconds: float = Field(default=5.0, gt=0, le=60)
    # Streams together may use so many database connections; the rest is for those who buy and pay.
    live_reads_at_once_max: int = Field(default=3, ge=1, le=32)
    # After SIGTERM the port still accepts for so long, until the balancer has seen `draining`.
    drain_seconds: float = Field(default=1.0, ge=0, le=60)
    # What was begun is answered within this; the slowest honest answer is a commit that is read back (8 s).
    finish_seconds_max: int = Field(default=10, ge=1, le=60)


class ProbeSettings(BaseSettings):
    """Where the probes of this process listen."""

    model_config = room_config("HEALTH_")

    host: str = "127.0.0.1"
    port: int = Field(default=9080, ge=1, le=65535)
