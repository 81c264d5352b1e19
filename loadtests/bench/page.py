"""The report as a page: what was asked, what came out, what it was measured on, and what did not count. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from loadtests.bench.rows import Row
from loadtests.bench.runs import Result, middle

HOW = """Every ratio is a median of {rounds} rounds of {seconds:g} s. In each round the servers take turns, every second
round backwards, and only neighbours of one round are divided by each other. A run counts when its answers are the right
ones and its books are: units sold are units granted, every id that was told is in the ledger, nothing is oversold. Each
server that sells first shows that it refuses a forged token, a second unit and a missing key, that the same key gets the
same answer, and that it sells exactly what is there to four times as many shoppers.

{layout}. A Redis of the bench's own never rewrites its log meanwhile. Each connection has one request in flight. For documents and refusals the client never sleeps, so that no server
pays for waking the other core. Where the client's core is as full as the server's (documents and refusals), answers a *busy second of the
server's core* are compared; reservations are compared by what the machine gave, with core-seconds beside it. Latencies
are of open arrivals and count from the planned instant; what was not sent or not granted counts as slower than
everything that was."""


def page(
    rows: Sequence[Row],
    runs: Mapping[str, Sequence[Result | None]],
    machine: Mapping[str, Any],
    charts: Sequence[str],
    profiles: Mapping[str, str],
    not_counted: Sequence[str],
    *,
    rounds: int,
    seconds: float,
    only: Sequence[str],
) -> str:
    held = sum(row.holds for row in rows)
    parts = [
        "# The front door beside what one would otherwise pick\n",
        f"{held} of {len(rows)} rows hold.\n",
    ]
    if only:
        parts.append(f"Only these rows were asked for: {', '.join(only)}.\n")
    parts += [_rows(rows)]
    parts += [f"![{name.removesuffix('.svg')}]({name})\n" for name in charts]
    parts += [
        "## How it was measured\n",
        HOW.format(rounds=rounds, seconds=seconds, layout=_capital(machine["layout"])),
        "",
    ]
    parts += ["## What limits it now\n", _limits(rows)]
    parts += ["## Every server at saturation, its middle run\n", _subjects(runs)]
    parts += ["## Where the server's time goes\n", *(_profiles(profiles) or ["No profile was taken.\n"])]
    parts += ["## Machine and versions\n", _machine(machine)]
    if machine["missing"]:
        lines = [f"- {name}: `{line}`" for name, line in machine["missing"].items()]
        parts += ["## Missing on this machine\n", *lines, ""]
    if not_counted:
        parts += ["## Runs that did not count\n", *(f"- {each}" for each in not_counted), ""]
    return "\n".join(parts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _rows(rows: Sequence[Row]) -> str:
    lines = ["| | row | what | value | goal | against |", "| --- | --- | --- | ---: | --- | --- |"]
    for row in rows:
        value = f"{row.value:,.2f} {row.goal.unit}" if row.value is not None else f"none: {row.why}"
        mark = "✓" if row.holds else "✗"
        lines.append(f"| {mark} | {row.id} | {row.what} | {_cell(value)} | {row.goal.text} | {row.against} |")
    return "\n".join([*lines, ""])


def _limits(rows: Sequence[Row]) -> str:
    lines = [f"- **{row.id}**: {row.limit}" for row in rows if row.limit]
    return "\n".join([*lines, ""])


def _subjects(runs: Mapping[str, Sequence[Result | None]]) -> str:
    lines = [
        "| server and path | answers/s | a busy core-second | refused with 503/s | server's core | load's core | processor time by who |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, results in runs.items():
        run = middle(results)
        if run is None:
            lines.append(f"| {name} | no run counted | | | | | |")
            continue
        usage = run.usage
        used = ", ".join(f"{who} {seconds / usage.seconds:.0%}" for who, seconds in usage.by_who.items())
        lines.append(
            f"| {name} | {run.rate:,.0f} | {run.capacity:,.0f} | {run.shed:,.0f} | {usage.server_busy:.0%} | "
            f"{usage.load_busy:.0%} | {used} |"
        )
    return "\n".join([*lines, ""])


def _profiles(profiles: Mapping[str, str]) -> list[str]:
    return [f"### {name}\n\n```\n{text.rstrip()}\n```\n" for name, text in profiles.items()]


def _machine(machine: Mapping[str, Any]) -> str:
    lines = ["| | |", "| --- | --- |"]
    for name, value in machine.items():
        text = str(value)
        if name == "libraries":
            text = ", ".join(f"{library} {version}" for library, version in value.items() if version)
        if name != "missing":
            lines.append(f"| {name.replace('_', ' ')} | {_cell(text)} |")
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
