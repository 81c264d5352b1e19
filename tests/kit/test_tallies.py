"""Plain integers, told to Prometheus as any counter and histogram is."""

from prometheus_client import REGISTRY

from kit.tallies import DurationTable, Tally, TallyTable


def test_a_tally_is_a_counter() -> None:
    tally = Tally("test_tally_total", "Counts.", "outcome")
    tally.counts["won"] += 2
    assert REGISTRY.get_sample_value("test_tally_total", {"outcome": "won"}) == 2
    table = TallyTable("test_table_total", "Counts.", ("route", "outcome"))
    table.row("queue")["fresh"] += 1
    table.row("queue")["fresh"] += 1
    assert REGISTRY.get_sample_value("test_table_total", {"route": "queue", "outcome": "fresh"}) == 2


def test_durations_are_a_histogram_with_inclusive_bounds() -> None:
    row = DurationTable("test_durations_seconds", "Times.", "route").row("x")
    for seconds in (0.001, 0.002, 0.0025, 99.0):
        row.observe(seconds)

    def bucket(bound: str) -> float | None:
        return REGISTRY.get_sample_value("test_durations_seconds_bucket", {"route": "x", "le": bound})

    assert (bucket("0.001"), bucket("0.0025"), bucket("5.0"), bucket("+Inf")) == (1, 3, 3, 4)
    assert REGISTRY.get_sample_value("test_durations_seconds_count", {"route": "x"}) == 4
