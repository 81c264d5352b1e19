"""What the lane counts. Requests of the app are counted by `kit.web.telemetry`."""

from typing import Final

from kit.tallies import DurationTable, TallyTable

ANSWERS: Final = TallyTable(
    "floodgate_lane_answers_total", "Answers of the express lane, by route and outcome.", ("route", "outcome")
)
SECONDS: Final = DurationTable(
    "floodgate_lane_seconds",
    "Time from a request's last byte to its answer, of those that wait for a batch, by route.",
    "route",
)
