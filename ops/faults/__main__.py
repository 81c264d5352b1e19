"""`python -m ops.faults`: the same as `floodgate faults`."""

import typer

from ops.faults.cli import faults

if __name__ == "__main__":
    typer.run(faults)
