"""What the waiting room counts."""

from typing import Final

from prometheus_client import Counter, Gauge

joins: Final = Counter("floodgate_queue_joins_total", "Answers to those who asked for a ticket.", ["outcome"])
admissions: Final = Counter(
    "floodgate_queue_admissions_total", "Answers to those who asked to be let in.", ["outcome"]
)
refused_admissions: Final = Counter(
    "floodgate_queue_refused_admissions_total",
    "Admissions shown at the till that gave no right to buy.",
    ["reason"],
)
view_age_seconds: Final = Gauge(
    "floodgate_queue_view_age_seconds", "Age of this process's view of the waiting rooms."
)
waiting: Final = Gauge(
    "floodgate_queue_waiting_shoppers",
    "Tickets whose turn has not come, over all open rooms; as the keeper sees it.",
)
room_loads: Final = Counter(
    "floodgate_queue_room_loads_total", "Rooms written into Redis under a new epoch, by reason.", ["reason"]
)
