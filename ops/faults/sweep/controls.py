"""Guards that a control takes away, to show that the sweep sees what they prevent."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from flashsale.upkeep import StockRepair


async def _leave_claims(*_: Any) -> int:
    return 0


def _repair_leaves_claims() -> None:
    """The stock repair does not look after the claims of dead processes."""
    setattr(StockRepair, "_recover", _leave_claims)  # noqa: B010 - a control takes away what nobody else may touch


CONTROLS: Final[Mapping[str, Callable[[], None]]] = {"claims_recovered": _repair_leaves_claims}
