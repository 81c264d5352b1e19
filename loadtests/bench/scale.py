"""`python -m loadtests.bench.scale`: how many machines a peak takes, worked out from what `make bench` has measured.

Reads var/bench/report.json (or the file that `--report` names), which must hold the rows of `steps`; prints tables in
Markdown. What a machine of another kind does differently is said in the assumptions, which are options.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PEAK_ORDERS_A_SECOND: Final = 583_000  # Alibaba's of 2020-11-11
STEPS: Final = ("join", "poll", "admit", "reserve", "pay", "confirm", "reward")
KINDS: Final = {
    "gateway": "gateway processes, one core each",
    "redis": "Redis masters, one core each",
    "postgresql": "PostgreSQL primaries",
    "redis-broker": "Redis of the broker",
    "keeper": "keepers",
    "worker": "workers",
}
MEGA: Final = 1e6
BITS: Final = 8


class NotMeasured(Exception):
    """The report lacks what is needed, in one sentence."""


@dataclass(frozen=True, slots=True)
class Peak:
    """What is asked for, and what the machines are like."""

    orders_a_second: float = PEAK_ORDERS_A_SECOND
    visitors_an_order: float = 7.0  # the demo's: 2,000 shoppers for 300 units
    polls_a_visitor: float = 10.0  # of the gateway itself; what a cache answers costs nothing here
    rewards_an_order: float = 2.0
    busy: float = 0.6  # as full as a core may be at the peak
    cores_a_machine: int = 32
    wal_megabytes_a_second: float = 400.0  # what one primary's disk takes
    network_gigabits: float = 10.0  # of one gateway machine
    connections_a_gateway: int = 16  # to PostgreSQL: 10 of the pool and 6 of the group commit
    connections_a_primary: int = 500

    def times(self, step: str) -> float:
        """How often a step is taken for one order."""
        return {
            "join": self.visitors_an_order,
            "poll": self.visitors_an_order * self.polls_a_visitor,
            "reward": self.rewards_an_order,
        }.get(step, 1.0)


@dataclass(frozen=True, slots=True)
class Measured:
    """Core-seconds a million of each step by who spends them; bytes; and what one hot row gave."""

    cores: Mapping[str, Mapping[str, float]]
    wal_bytes: Mapping[str, float]
    answer_bytes: Mapping[str, float]
    hot_row_a_second: float | None

    @classmethod
    def read(cls, report: Mapping[str, Any]) -> "Measured":
        """Raises `NotMeasured`."""
        rows = {row["id"]: row for row in report["rows"]}
        lacking = [step for step in STEPS if rows.get(f"step_{step}", {}).get("value") is None]
        if lacking:
            raise NotMeasured(
                f"The report has no figure for {', '.join(lacking)}: BENCH_ONLY=steps,ledger make bench measures them."
            )
        facts = {step: rows[f"step_{step}"]["facts"] for step in STEPS}
        rates = rows.get("hot_item_vs_single_rows", {}).get("facts", {}).get("gateway", {}).get("rates") or []
        return cls(
            {step: each["core_seconds_a_million"] for step, each in facts.items()},
            {step: float(each.get("wal_bytes", 0)) for step, each in facts.items()},
            {step: float(each.get("answer_bytes", 0)) for step, each in facts.items()},
            sorted(rates)[len(rates) // 2] if rates else None,
        )


@dataclass(frozen=True, slots=True)
class Need:
    """One kind of process: core-seconds an order, and what the peak takes."""

    kind: str
    microseconds_an_order: float
    cores: int
    machines: int


@dataclass(frozen=True, slots=True)
class Limit:
    """What one of something bears, in orders a second, and how many the peak takes. The lowest breaks first."""

    what: str
    orders_a_second: float
    needed: int


def needs(measured: Measured, peak: Peak) -> list[Need]:
    """Each kind's share of the peak, rounded up to whole cores and machines."""
    found = []
    for kind in KINDS:
        spent = sum(measured.cores[step].get(kind, 0.0) * peak.times(step) for step in STEPS)
        cores = math.ceil(spent / MEGA * peak.orders_a_second / peak.busy)
        found.append(Need(kind, spent, cores, math.ceil(cores / peak.cores_a_machine)))
    return found


def limits(measured: Measured, peak: Peak) -> list[Limit]:
    """What one row, core, log, link and server bears; in the order in which they break."""
    by_kind = {need.kind: need.microseconds_an_order for need in needs(measured, peak)}
    wal = sum(measured.wal_bytes[step] * peak.times(step) for step in STEPS)
    answers = sum(measured.answer_bytes[step] * peak.times(step) for step in STEPS)
    gateway = by_kind["gateway"]
    gateways = peak.connections_a_primary // peak.connections_a_gateway
    bears = {
        "one bucket of a hot item (a row and its lock)": measured.hot_row_a_second,
        "one Redis core": _share(peak.busy * MEGA, by_kind["redis"]),
        f"one PostgreSQL primary of {peak.cores_a_machine} cores": _share(
            peak.busy * MEGA * peak.cores_a_machine, by_kind["postgresql"]
        ),
        f"one primary's log at {peak.wal_megabytes_a_second:g} MB/s": _share(
            peak.wal_megabytes_a_second * MEGA, wal
        ),
        f"one primary's {peak.connections_a_primary} connections, without a pooler": _share(
            gateways * peak.busy * MEGA, gateway
        ),
        f"one gateway machine's {peak.network_gigabits:g} Gbit/s": _share(
            peak.network_gigabits * 1e9 / BITS, answers
        ),
    }
    found = [
        Limit(what, each, math.ceil(peak.orders_a_second / each)) for what, each in bears.items() if each
    ]
    return sorted(found, key=lambda limit: limit.orders_a_second)


def _share(whole: float, part: float) -> float | None:
    return whole / part if part > 0 else None


def tables(measured: Measured, peak: Peak) -> str:
    """The page: steps, machines, limits."""
    lines = [
        "| step | times an order | " + " | ".join(KINDS) + " | WAL bytes | answer bytes |",
        "| --- | ---: |" + " ---: |" * (len(KINDS) + 2),
    ]
    for step in STEPS:
        spent = " | ".join(f"{measured.cores[step].get(kind, 0.0):,.1f}" for kind in KINDS)
        lines.append(
            f"| {step} | {peak.times(step):g} | {spent} | {measured.wal_bytes[step]:,.0f} | "
            f"{measured.answer_bytes[step]:,.0f} |"
        )
    lines += ["", f"| for {peak.orders_a_second:,.0f} orders/s | µs an order | cores | machines |"]
    lines += ["| --- | ---: | ---: | ---: |"]
    found = needs(measured, peak)
    lines += [
        f"| {KINDS[each.kind]} | {each.microseconds_an_order:,.1f} | {each.cores:,} | {each.machines:,} |"
        for each in found
    ]
    cores, machines = sum(each.cores for each in found), sum(each.machines for each in found)
    spent_in_all = sum(each.microseconds_an_order for each in found)
    lines += [f"| all | {spent_in_all:,.1f} | {cores:,} | {machines:,} |"]
    lines += ["", "| breaks first | bears, orders/s | the peak takes |", "| --- | ---: | ---: |"]
    lines += [
        f"| {each.what} | {each.orders_a_second:,.0f} | {each.needed:,} |" for each in limits(measured, peak)
    ]
    return "\n".join(lines)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.scale", description=__doc__)
    parser.add_argument("--report", type=Path, default=Path("var/bench/report.json"), metavar="FILE")
    for name, default in _numbers().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, metavar="N")
    return parser.parse_args(words)


def _numbers() -> dict[str, float]:
    standard = Peak()
    return {name: getattr(standard, name) for name in Peak.__dataclass_fields__}


def main(words: Sequence[str] | None = None) -> int:
    given = arguments(words)
    peak = Peak(**{name: getattr(given, name) for name in _numbers()})
    try:
        measured = Measured.read(json.loads(given.report.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, NotMeasured) as error:
        why = (
            error
            if isinstance(error, NotMeasured)
            else f"{given.report} cannot be read: make bench writes it."
        )
        sys.stderr.write(f"{why}\n")
        return 2
    sys.stdout.write(tables(measured, peak) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
