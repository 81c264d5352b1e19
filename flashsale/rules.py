"""Pure rules of the room: no I/O, no clock."""

from typing import Final, Literal

Band = Literal["plenty", "some", "few", "none", "unknown"]

FEW_RATIO: Final = 0.1
SOME_RATIO: Final = 0.4


def band(available: int | None, total: int) -> Band:
    """How much is left, told coarsely: the exact number would invite racing and change with every request."""
    if available is None:
        return "unknown"
    if available <= 0:
        return "none"
    if available <= total * FEW_RATIO:
        return "few"
    return "some" if available <= total * SOME_RATIO else "plenty"
