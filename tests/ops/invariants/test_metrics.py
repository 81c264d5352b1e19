"""A judgement as Prometheus sees it."""

import math

from prometheus_client import REGISTRY

from ops.invariants import Row, observe


def value(invariant: str) -> float | None:
    return REGISTRY.get_sample_value("floodgate_invariant_violations", {"invariant": invariant})


def row(invariant: str, count: float | None, *, holds: bool) -> Row:
    return Row(invariant, "what", count, "violations", "= 0", holds)


def test_counts_are_published_and_unknown_is_not_called_good() -> None:
    observe([row("t1", 0, holds=True), row("t2", 3, holds=False), row("t3", None, holds=False)])
    assert (value("t1"), value("t2")) == (0, 3)
    assert math.isnan(value("t3") or 0)


def test_a_row_that_does_not_hold_is_never_published_as_zero() -> None:
    observe([row("t4", 0.2, holds=False)])
    assert value("t4") == 1


def judged_at(invariant: str) -> float:
    name = "floodgate_invariants_judged_timestamp_seconds"
    return REGISTRY.get_sample_value(name, {"invariant": invariant}) or 0


def test_the_time_of_each_judgement_is_published_and_stands_still_while_its_evidence_is_away() -> None:
    observe([row("t5", 0, holds=True), row("t6", None, holds=False)])
    before = judged_at("t5")
    assert (before > 0, judged_at("t6")) == (True, 0)
    observe([row("t5", None, holds=False), row("t6", 1, holds=False)])
    assert (judged_at("t5"), judged_at("t6") > 0) == (before, True)
