"""What is counted beneath every framework: connections, how long they wait, and why they were ended from here."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_WAITS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

CONNECTIONS: Final = Gauge("floodgate_http_connections", "Open connections of callers")
RECEIVING: Final = Gauge(
    "floodgate_http_receiving_connections", "Connections in the middle of sending a request"
)
CUT_OFF: Final = Counter("floodgate_http_cut_off_total", "Connections ended from here, by reason", ["reason"])
ACCEPT_QUEUE: Final = Gauge(
    "floodgate_http_accept_queue_connections", "Connections made that wait to be accepted"
)
ACCEPT_DELAY: Final = Histogram(
    "floodgate_http_accept_delay_seconds", "How long a connection waited to be accepted", buckets=_WAITS
)
RECEIPT_DELAY: Final = Histogram(
    "floodgate_http_receipt_delay_seconds",
    "How long the bytes of a request waited in the kernel before they were read, of a sample of requests",
    buckets=_WAITS,
)
