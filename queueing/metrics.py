"""What the waiting room counts."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from kit.tallies import Tally

joins: Final = Tally("floodgate_queue_joins_total", "Answers to those who asked for a ticket.", "outcome")
admissions: Final = Tally(
    "floodgate_queue_admissions_total", "Answers to those who asked to be let in.", "outcome"
)
refused_admissions: Final = Tally(
    "floodgate_queue_refused_admissions_total",
    "Admissions shown at the till that gave no right to buy.",
    "reason",
)
join_waiting: Final = Gauge(
    "floodgate_queue_joins_waiting", "Joins that wait in this process for the next batch."
)
batch_requests: Final = Histogram(
    "floodgate_queue_batch_requests",
    "Joins that one round trip carried, over all sales.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
batch_seconds: Final = Histogram(
    "floodgate_queue_batch_seconds",
    "Time of one round trip of joins.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
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
