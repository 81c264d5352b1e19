"""The truths that must hold, and the one checker that judges them: on a schedule, after every test and every run.

`judge` looks; `observe` publishes what it found. Nothing here changes anything.
"""

from ops.invariants.book import BookEntry, ProviderBook
from ops.invariants.history import History
from ops.invariants.judge import judge
from ops.invariants.metrics import observe
from ops.invariants.rows import Row
from ops.invariants.truths import Bounds

__all__ = ["BookEntry", "Bounds", "History", "ProviderBook", "Row", "judge", "observe"]
