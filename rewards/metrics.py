"""What the rewards room counts and measures."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from rewards.rules import OWNER_FINANCE, OWNER_OPERATIONS

JUDGED: Final = Counter(
    "floodgate_rewards_judged_total", "Rules looked at for confirmed reservations, by verdict", ["verdict"]
)
PAYOUTS: Final = Counter("floodgate_payout_steps_total", "Steps of payouts, by how they ended", ["outcome"])
PROVIDER_SECONDS: Final = Histogram(
    "floodgate_payout_provider_seconds",
    "Time of one call to the payout provider",
    ["call"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
NOTICES: Final = Counter(
    "floodgate_payout_notices_total", "Payout webhooks, by what they changed", ["outcome"]
)
DUE: Final = Gauge("floodgate_payouts_due", "Payouts that are neither paid nor blocked")
OWNERS: Final = (OWNER_FINANCE, OWNER_OPERATIONS)
BLOCKED: Final = Gauge("floodgate_grants_blocked", "Grants that wait for a person", ["owner"])
DUE_OLDEST_AGE: Final = Gauge(
    "floodgate_payout_due_oldest_age_seconds", "Age of the oldest payout that is neither paid nor blocked"
)
UNKNOWN_OLDEST_AGE: Final = Gauge(
    "floodgate_payout_unknown_oldest_age_seconds", "Age of the oldest attempt whose outcome is unknown"
)
