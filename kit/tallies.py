"""Counters for paths where a metric must cost nanoseconds: plain integers, read by Prometheus when it asks.

`prometheus_client`'s own counter takes a label look-up and a lock, 1 to 4 µs; here an increment is a dictionary's.
One event loop writes; the probes' thread only reads.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

Counts = defaultdict[str, int]


class Tally(Collector):
    """A counter with one label: `tally.counts["sold_out"] += 1`."""

    def __init__(self, name: str, documentation: str, label: str) -> None:
        self.counts: Counts = defaultdict(int)
        self._name, self._documentation, self._labels = name.removesuffix("_total"), documentation, [label]
        REGISTRY.register(self)

    def describe(self) -> Iterable[Metric]:
        return [CounterMetricFamily(self._name, self._documentation, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labels)
        for label, count in list(self.counts.items()):
            family.add_metric([label], count)
        return [family]


class TallyTable(Collector):
    """A counter with two labels: `table.row("queue")["not_modified"] += 1`; whoever counts keeps the row."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, str]) -> None:
        self._name, self._documentation, self._labels = name.removesuffix("_total"), documentation, labels
        self._rows: dict[str, Counts] = {}
        REGISTRY.register(self)

    def row(self, label: str) -> Counts:
        return self._rows.get(label) or self._rows.setdefault(label, defaultdict(int))

    def describe(self) -> Iterable[Metric]:
        return [CounterMetricFamily(self._name, self._documentation, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labels)
        for first, row in list(self._rows.items()):
            for second, count in list(row.items()):
                family.add_metric([first, second], count)
        return [family]


class Durations:
    """One row of a `DurationTable`."""

    __slots__ = ("_bounds", "counts", "seconds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.seconds += seconds


class DurationTable(Collector):
    """A histogram with one label; whoever measures keeps the row."""

    BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

    def __init__(self, name: str, documentation: str, label: str) -> None:
        self._name, self._documentation, self._label = name, documentation, label
        self._rows: dict[str, Durations] = {}
        REGISTRY.register(self)

    def row(self, label: str) -> Durations:
        return self._rows.setdefault(label, Durations(self.BOUNDS))

    def describe(self) -> Iterable[Metric]:
        return [HistogramMetricFamily(self._name, self._documentation, labels=[self._label])]

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label])
        for label, row in list(self._rows.items()):
            total, buckets = 0, []
            for bound, count in zip((*map(str, self.BOUNDS), "+Inf"), list(row.counts), strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([label], buckets, row.seconds)
        return [family]
