"""What the door counts: refusals by reason and live streams. Requests are counted by `kit.web.telemetry`."""

from prometheus_client import Counter, Gauge

from kit.tallies import TallyTable

REFUSED_TOKENS = TallyTable(
    "floodgate_gateway_refused_tokens_total",
    "Requests refused for their credentials, by kind of credential and reason",
    ("kind", "reason"),
)
LIVE_STREAMS = Gauge("floodgate_gateway_live_streams", "Open streams of live notices")
LIVE_NOTICES = Counter(
    "floodgate_gateway_live_notices_total", "Live notices written to streams, by event", ["event"]
)
