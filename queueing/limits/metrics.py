"""What the limits count. Policies are few and named in the code, so they may be labels; keys never are."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

checks: Final = Counter(
    "floodgate_limits_checks_total",
    "Limits checked, by policy: passed, refused, or watched (a shadow policy would have refused).",
    ["policy", "outcome"],
)
near: Final = Counter(
    "floodgate_limits_near_total",
    "Checks that passed and left at most a fifth of the burst, by policy.",
    ["policy"],
)
requests: Final = Counter(
    "floodgate_limits_requests_total",
    "Requests checked: allowed, refused, or unavailable; by who decided (redis or the local share).",
    ["outcome", "by"],
)
batch_requests: Final = Histogram(
    "floodgate_limits_batch_requests",
    "Requests in one call of the script.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
batch_seconds: Final = Histogram(
    "floodgate_limits_batch_seconds",
    "Round trip of one batch.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
age_seconds: Final = Histogram(
    "floodgate_limits_age_seconds",
    "How long the oldest request of a batch had waited when the batch left.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
waiting: Final = Gauge("floodgate_limits_waiting_requests", "Requests that wait for their batch.")
scopes: Final = Gauge("floodgate_limits_waiting_scopes", "Scopes with requests waiting or on their way.")
refunds_lost: Final = Counter(
    "floodgate_limits_refunds_lost_total", "Refunds that did not reach Redis; the units come back with time."
)
away: Final = Gauge("floodgate_limits_redis_away", "1 while the local share decides.")
processes: Final = Gauge("floodgate_limits_processes", "Processes that serve limits, as the last lease says.")
local_keys: Final = Gauge("floodgate_limits_local_keys", "Buckets in the local share.")
