"""`python -m ops.faults.sweep`: the sweep without the rest of the command line."""

import sys

import typer

from kit.errors import StartRefused
from ops.faults.sweep.cli import sweep_command

if __name__ == "__main__":
    try:
        typer.run(sweep_command)
    except StartRefused as refused:
        print(refused, file=sys.stderr)  # noqa: T201 - the one sentence for whoever started it
        sys.exit(2)
