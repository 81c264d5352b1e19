"""What keeps the room right on a schedule."""

from dataclasses import dataclass

from redis.asyncio import Redis

from flashsale.settings import FlashsaleSettings
from kit.postgres import Postgres, ReadSession, WriteSession


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What one pass found: items loaded anew, items seen drifting, claims of dead processes settled."""

    reloaded: int = 0
    drifted: int = 0
    recovered: int = 0
    away: bool = False


@dataclass(frozen=True, slots=True)
class StockView:
    """One item in the ledger and in Redis; the Redis side is None where Redis does not know it."""

    sku: str
    total: int
    taken: int
    epoch: int
    redis_available: int | None
    redis_pending: int | None
    redis_epoch: int | None


class StockRepair:
    """Keeps Redis at what the ledger says."""

    def __init__(self, postgres: Postgres, stock: Redis, settings: FlashsaleSettings) -> None:
        self._postgres, self._stock, self._settings = postgres, stock, settings

    async def run_once(self) -> RepairReport:
        """One pass."""
        return RepairReport()


async def expire_due(session: WriteSession, stock: Redis, *, batch_max: int) -> int:
    """Expires."""
    return 0


async def stock_views(session: ReadSession, stock: Redis, sale_id: str) -> list[StockView]:
    """Views."""
    return []
