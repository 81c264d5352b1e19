"""What the keeper tells Prometheus. The alert of every duty: `time() - last_success > some minutes` on all keepers."""

from prometheus_client import Counter, Gauge, Histogram

duty_leader = Gauge(
    "floodgate_keeper_duty_leader", "1 while this keeper leads the duty; the sum over keepers is 1.", ["duty"]
)
duty_fence = Gauge(
    "floodgate_keeper_duty_fence", "The fence of this keeper's latest leadership of the duty.", ["duty"]
)
duty_last_success = Gauge(
    "floodgate_keeper_duty_last_success_timestamp_seconds",
    "When a round of the duty last ended well in this keeper, in Unix time.",
    ["duty"],
)
duty_round_seconds = Histogram(
    "floodgate_keeper_duty_round_seconds",
    "How long one round of the duty took.",
    ["duty"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
duty_failures = Counter(
    "floodgate_keeper_duty_failures_total", "Rounds of the duty that did not end well.", ["duty"]
)
duty_done = Counter(
    "floodgate_keeper_duty_done_total", "What the duty has done: rows expired, messages sent.", ["duty"]
)
duty_takeovers = Counter(
    "floodgate_keeper_duty_takeovers_total", "How often this keeper began to lead the duty.", ["duty"]
)
admission_pace = Gauge(
    "floodgate_keeper_admission_pace_ratio",
    "The part of the planned rate at which this keeper lets people in; below 1 PostgreSQL commits slowly, 0 not at all.",
)
outbox_undone = Gauge(
    "floodgate_outbox_undone_events", "Events in the outbox that have not had their effect."
)
outbox_oldest_age_seconds = Gauge(
    "floodgate_outbox_oldest_age_seconds", "Age of the oldest event that has not had its effect."
)
outbox_stuck = Gauge(
    "floodgate_outbox_stuck_events", "Events delivered so often without effect that a person must look."
)


def announce(duty: str) -> None:
    """Shows the duty before its first round: an alert on a series that does not exist never fires."""
    duty_leader.labels(duty).set(0)
    duty_failures.labels(duty)
    duty_done.labels(duty)
    duty_takeovers.labels(duty)
