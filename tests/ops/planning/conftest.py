"""A valid sale file to spoil."""

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def double11() -> str:
    return (EXAMPLES / "double11.yaml").read_text(encoding="utf-8")
