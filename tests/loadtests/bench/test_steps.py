"""What a step cost: only what is ours, and nothing that would have been spent anyway."""

import pytest

from loadtests.bench.cores import Usage
from loadtests.bench.measures.steps import beyond


def test_what_a_process_spends_with_nothing_to_do_is_no_rewards() -> None:
    usage = Usage(10.0, 0.5, 0.1, 0.9, {"keeper": 3.0, "worker": 4.0, "redis": 0.1})
    spent = beyond(usage, {"keeper": 0.2, "redis": 0.05}).by_who
    assert spent == {"keeper": pytest.approx(1.0), "worker": 4.0, "redis": 0.0}
