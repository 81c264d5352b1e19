"""What the console counts."""

from typing import Final

from prometheus_client import Counter

DESK_ANSWERS: Final = Counter(
    "floodgate_desk_answers_total",
    "Questions that the desk was asked, by how they ended",
    ["question", "outcome"],
)
