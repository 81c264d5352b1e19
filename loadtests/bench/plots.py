"""Which figures of a report are drawn, and how. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from loadtests.bench.charts import BAD, COLOURS, GOOD, Bar, bars, lines
from loadtests.bench.rows import Row
from loadtests.bench.runs import Result, middle

BASELINES: Final = ("empty", "nginx", "FastAPI")
PERCENTILES: Final = ("p50", "p90", "p99", "p99.9")
Runs = Mapping[str, Sequence[Result | None]]


def draw(rows: Sequence[Row], runs: Runs) -> dict[str, str]:
    """File name → SVG; what was not measured is not drawn."""
    made = {
        "goals.svg": _goals(rows),
        "rates.svg": _rates(runs),
        "costs.svg": _costs(rows),
        **{f"{row.id}.svg": _latency(row) for row in rows if row.id.startswith("p99_")},
        "overload.svg": _overload(rows),
    }
    return {name: svg for name, svg in made.items() if svg}


def _goals(rows: Sequence[Row]) -> str:
    """Every judged row as a share of its goal, so that one line shows what holds."""
    shown = []
    for row in rows:
        if row.goal.number is None or row.value is None:
            continue
        share = row.value / row.goal.number if row.goal.side == "at least" else row.goal.number / row.value
        text = f"{row.value:.2f} ({row.goal.text})"
        shown.append(Bar(row.id, min(share, 4.0), text, GOOD if row.holds else BAD, mark=1.0))
    return (
        bars("Reached, as a share of the goal (the line)", shown, note="cut off at four times")
        if shown
        else ""
    )


def _rates(runs: Runs) -> str:
    shown: list[Bar] = []
    for name, results in runs.items():
        run = middle(results)
        if run is not None:
            colour = COLOURS[int(name.startswith(BASELINES))]
            shown.append(Bar(name, run.capacity, f"{run.capacity / 1000:.1f} k", colour))
    return bars("Answers a busy second of the server's core", shown) if shown else ""


def _costs(rows: Sequence[Row]) -> str:
    shown = [
        Bar(row.what.partition(": ")[2], row.value, f"{row.value:.1f} s")
        for row in rows
        if row.id.startswith("cost_") and row.value is not None
    ]
    return bars("Core-seconds a million reservations", shown) if shown else ""


def _latency(row: Row) -> str:
    """The middle run of each side; a percentile that never came ends its line."""
    series = {}
    for name, label in (("ours", "gateway"), ("theirs", "nginx + Lua + Redis")):
        measured: list[dict[str, Any]] = [each for each in row.facts.get(name, ()) if each]
        if measured:
            measured.sort(key=lambda each: each["p99"] or float("inf"))
            run = measured[len(measured) // 2]
            series[label] = [
                (float(place), run[percentile])
                for place, percentile in enumerate(PERCENTILES)
                if run[percentile] is not None
            ]
    if not series:
        return ""
    ticks = [(float(place), percentile) for place, percentile in enumerate(PERCENTILES)]
    title = f"Latency from the planned instant at {row.facts.get('offered', 0):,} a second ({row.id})"
    return lines(title, series, across="percentile of everything planned", up="ms", ticks=ticks)


def _overload(rows: Sequence[Row]) -> str:
    found = {row.id: row for row in rows}
    series: dict[str, list[tuple[float, float]]] = {}
    knee, began = None, 0
    for row_id, label in (
        ("overload_during", "at five times the knee"),
        ("overload_after", "after it, at the knee"),
    ):
        row = found.get(row_id)
        if row is not None and row.facts.get("by_second"):
            seconds = row.facts["by_second"]
            series[label] = [(float(began + second), float(count)) for second, count in enumerate(seconds)]
            began += len(seconds)
            knee = float(row.facts["knee"])
    title = "Granted, by the second of the answer (the knee is dashed)"
    return lines(title, series, across="seconds", up="granted", level=knee) if series else ""
