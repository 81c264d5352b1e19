"""What one bench is asked to do, from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROUNDS: Final = 5  # the fewest of which a median means something
SECONDS: Final = 3.0
SECONDS_MAX: Final = 60.0
SOLD_ROWS: Final = 1_000_000
SOLD_ROWS_MAX: Final = 50_000_000
ROUNDS_MAX: Final = 50


class OptionsWrong(Exception):
    """A variable that cannot be read, in one sentence."""


@dataclass(frozen=True, slots=True)
class Options:
    """`rounds` of `seconds` each; `only` names the rows that are wanted, all where it is empty."""

    folder: Path
    rounds: int = ROUNDS
    seconds: float = SECONDS
    only: frozenset[str] = frozenset()
    profile: bool = True
    rows: int = SOLD_ROWS  # of one item, written before the cost of a reservation is asked again

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Options":
        """Raises `OptionsWrong`."""
        only = environment.get("BENCH_ONLY", "")
        return cls(
            folder=Path(environment.get("BENCH_FOLDER") or "var/bench"),
            rounds=int(_number(environment, "BENCH_ROUNDS", ROUNDS, 1, ROUNDS_MAX)),
            seconds=_number(environment, "BENCH_SECONDS", SECONDS, 0.2, SECONDS_MAX),
            only=frozenset(filter(None, (name.strip() for name in only.split(",")))),
            rows=int(_number(environment, "BENCH_ROWS", SOLD_ROWS, 10_000, SOLD_ROWS_MAX)),
            profile=environment.get("BENCH_PROFILE", "1") not in {"", "0"},
        )

    def wants(self, *rows: str) -> bool:
        """Whether any of `rows` is asked for."""
        return not self.only or bool(self.only.intersection(rows))


def _number(environment: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    text = environment.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        raise OptionsWrong(f"{name} must be a number, not {text!r}.") from None
    if not least <= number <= most:
        raise OptionsWrong(f"{name} must lie in {least:g}..{most:g}.")
    return number


def from_environment() -> Options:
    """Raises `OptionsWrong`."""
    return Options.read(os.environ)
