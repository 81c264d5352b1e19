"""What the room tells Prometheus. No ids, few labels."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from kit.tallies import Tally

RESERVATION_ANSWERS: Final = Tally(
    "floodgate_reservation_answers_total", "Answers to requests to reserve, by outcome.", "outcome"
)
BATCH_REQUESTS: Final = Histogram(
    "floodgate_reservation_batch_requests",
    "Requests that one batch carried.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
COMMIT_SECONDS: Final = Histogram(
    "floodgate_reservation_commit_seconds",
    "Time from the first statement of a batch to its durable commit.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
QUEUE_REQUESTS: Final = Gauge(
    "floodgate_reservation_queue_requests", "Requests that wait for the next batch in this process."
)
QUEUE_SECONDS: Final = Histogram(
    "floodgate_reservation_queue_seconds",
    "How long the first request of a batch had waited for it.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
SOLD_OUT_MARKS: Final = Gauge(
    "floodgate_reservation_sold_out_items", "Items that this process refuses from memory."
)
LEDGER_ONLY: Final = Counter(
    "floodgate_reservation_ledger_only_total",
    "Requests that PostgreSQL decided without Redis, or that its bounded rate turned away.",
    ["outcome"],
)
BATCHES_SPLIT: Final = Counter(
    "floodgate_reservation_batches_split_total", "Batches halved to find the request that failed them."
)
HOLDS_ENDED: Final = Counter("floodgate_holds_ended_total", "Holds that ended unpaid, by how.", ["state"])
PAYMENT_NOTICES: Final = Counter(
    "floodgate_payment_notices_total", "Notices of the provider about payments, by outcome.", ["outcome"]
)
REFUND_ASKS: Final = Counter(
    "floodgate_refund_asks_total", "Refunds asked of the provider, by outcome.", ["outcome"]
)
PAYMENT_ASKS: Final = Counter(
    "floodgate_payment_asks_total",
    "Questions to the provider about payments it told us nothing of, by outcome.",
    ["outcome"],
)
PAYMENTS_NEED_PEOPLE: Final = Gauge(
    "floodgate_payments_need_people", "Payments that only people can clear up; set by the keeper that judges."
)
STOCK_LOADS: Final = Counter(
    "floodgate_stock_loads_total", "Items loaded into Redis under a new epoch, by reason.", ["reason"]
)
STOCK_DRIFT_UNITS: Final = Gauge(
    "floodgate_stock_drift_units",
    "Sum over items of how far Redis was from the ledger at the last pass, in units.",
)
STOCK_LENT_UNITS: Final = Counter(
    "floodgate_stock_lent_units_total",
    "Units moved between the buckets of items, by who was asked first.",
    ["by"],
)
CLAIMS_RECOVERED: Final = Counter(
    "floodgate_claims_recovered_total", "Claims of processes that died, settled by the repair.", ["verdict"]
)
