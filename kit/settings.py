"""Settings from the environment (and `.env`), one class a room, each with its own prefix."""

from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kit.errors import StartRefused

Settings = TypeVar("Settings", bound=BaseSettings)


def room_config(prefix: str) -> SettingsConfigDict:
    """The one way a room reads its settings: `PREFIX_NAME` variables, `.env` beneath them, unknown ones ignored."""
    return SettingsConfigDict(env_prefix=prefix, env_file=".env", extra="ignore", frozen=True)


def read_settings(kind: type[Settings]) -> Settings:
    """The settings of a process at its start. Raises `StartRefused`, naming the variable and what is wrong with it."""
    try:
        return kind()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "".join(str(step) for step in first["loc"][:1])
        variable = f"{kind.model_config.get('env_prefix', '')}{name}".upper()
        raise StartRefused(f"{variable} cannot be read: {first['msg']}; correct or unset it.") from error


class PostgresSettings(BaseSettings):
    """Where PostgreSQL is and how much of it one process may use."""

    model_config = room_config("")

    database_url: str = ""
    # The server itself, where DATABASE_URL names a pooler: for what is bound to a session (leadership) or may take long
    # (migrations).
    database_direct_url: str = ""
    # A pooler that gives a session to each transaction (pgbouncer's `transaction` mode) keeps nothing between two of them:
    # no prepared statements, no settings of the session.
    postgres_pooled: bool = False
    # Σ pool over all processes must stay below max_connections; 10 suffices because hot writes are group-committed.
    postgres_pool_connections_max: int = Field(default=10, ge=1, le=200)
    # Beside them, for the group commit alone: two lanes, their look-ups, and what a broken one leaves behind.
    postgres_driver_connections_max: int = Field(default=6, ge=1, le=50)
    # A caller that waits longer than this for a connection is better served by a 503 and a retry.
    postgres_pool_wait_seconds: float = Field(default=3.0, gt=0, le=60)
    postgres_connect_seconds: float = Field(default=5.0, gt=0, le=60)
    # No statement of ours is long; what runs longer holds locks that a sale is waiting for.
    postgres_statement_seconds: float = Field(default=10.0, gt=0, le=600)

    @property
    def direct_url(self) -> str:
        """The server itself."""
        return self.database_direct_url or self.database_url


class RedisSettings(BaseSettings):
    """Redis by role. The roles may share a server, but the broker needs an instance of its own (ADR 0003)."""

    model_config = room_config("")

    redis_queue_url: str = ""
    redis_stock_url: str = ""
    redis_limits_url: str = ""
    redis_broker_url: str = ""
    redis_connect_seconds: float = Field(default=2.0, gt=0, le=30)
    # One batch takes well under a millisecond; two seconds means that Redis is away and PostgreSQL decides alone.
    redis_command_seconds: float = Field(default=2.0, gt=0, le=30)
    redis_connections_max: int = Field(default=64, ge=1, le=1000)

    @property
    def room_urls(self) -> dict[str, str]:
        """The addresses of the three roles that rooms use, by the word that `REDIS_<ROLE>_URL` has for each."""
        return {
            "QUEUE": self.redis_queue_url,
            "STOCK": self.redis_stock_url,
            "LIMITS": self.redis_limits_url,
        }

    @property
    def urls(self) -> dict[str, str]:
        """The same, and the broker's."""
        return {**self.room_urls, "BROKER": self.redis_broker_url}


class LogSettings(BaseSettings):
    """How loud a process is."""

    model_config = room_config("LOG_")

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
