"""What the gate lets through, refuses and measures. Counted in plain integers on the way, carried here by its tick."""

from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge, Histogram

from gateway.overload.priority import Outcome, Priority

if TYPE_CHECKING:
    from gateway.overload.gate import Gate

_DELAYS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

LIMIT: Final = Gauge("floodgate_overload_limit_requests", "Requests that may be under way at once")
IN_FLIGHT: Final = Gauge("floodgate_overload_in_flight_requests", "Requests under way that hold a permit")
WAITING: Final = Gauge(
    "floodgate_overload_waiting_requests", "Requests in the anteroom, which wait for a permit"
)
WAITED: Final = Counter(
    "floodgate_overload_waited_total", "Requests let in after they had waited, by priority", ["priority"]
)
STRETCH: Final = Gauge(
    "floodgate_overload_stretch_ratio", "Measured answer time over the bearable one; above 1 the limit falls"
)
BROWNOUT: Final = Gauge(
    "floodgate_overload_brownout_level",
    "0 everything, 1 no browsing, 2 no joining either: the event loop is late",
)
REFUSED: Final = Counter(
    "floodgate_overload_refused_total",
    "Requests refused for want of capacity, at once or after waiting, by priority",
    ["priority"],
)
ENDED: Final = Counter(
    "floodgate_overload_ended_total",
    "Requests that held a permit, by priority and outcome",
    ["priority", "outcome"],
)
GOOD: Final = Counter(
    "floodgate_overload_good_total",
    "Goodput: requests answered within the good time, by priority",
    ["priority"],
)
LOOP_LAG: Final = Histogram(
    "floodgate_overload_loop_lag_seconds",
    "How late a timer of the event loop fires: how long what is readable waits to be read",
    buckets=_DELAYS,
)
HANDLING_DELAY: Final = Histogram(
    "floodgate_overload_handling_delay_seconds",
    "From the receipt of a whole request to the start of its handling, for the framework's routes",
    buckets=_DELAYS,
)


class Counts:
    """Carries a gate's integers into the metrics, by what was added since the last time."""

    def __init__(self) -> None:
        self._refused = [(REFUSED.labels(one.name.lower()), one) for one in Priority]
        self._waited = [(WAITED.labels(one.name.lower()), one) for one in Priority]
        self._good = [(GOOD.labels(one.name.lower()), one) for one in Priority]
        self._ended = [
            (ENDED.labels(one.name.lower(), end.name.lower()), one, end)
            for one in Priority
            for end in Outcome
        ]
        self._seen: dict[object, int] = {}

    def carry(self, gate: "Gate") -> None:
        LIMIT.set(gate.limiter.limit)
        IN_FLIGHT.set(gate.in_flight)
        WAITING.set(gate.anteroom.waiting)
        STRETCH.set(gate.limiter.stretch)
        BROWNOUT.set(gate.brownout.level)
        for counter, one in self._refused:
            self._add(counter, gate.refused[one])
        for counter, one in self._waited:
            self._add(counter, gate.waited[one])
        for counter, one in self._good:
            self._add(counter, gate.good[one])
        for counter, one, end in self._ended:
            self._add(counter, gate.ended[one][end])

    def _add(self, counter: Counter, now: int) -> None:
        before = self._seen.get(counter, 0)
        if now != before:
            counter.inc(now - before)
            self._seen[counter] = now
