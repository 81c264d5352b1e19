"""The history: one JSON line for each thing told, whole lines only, nothing kept back for long."""

import json
from pathlib import Path

from loadtests.crowd.history import BUFFER_LINES_MAX, History, read_history
from loadtests.crowd.personas import Persona


def test_a_line_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    with History(tmp_path / "deep" / "history.jsonl", clock=lambda: 1793.1234) as history:
        history.write("u1", Persona.BUYER, "joined", 201, position=5)
        history.write("u1", Persona.BUYER, "rewarded", 200, reservation_id="r", reward={"kind": "cash"})
    first, second = map(json.loads, (tmp_path / "deep" / "history.jsonl").read_text().splitlines())
    assert first == {
        "at": 1793.123, "user": "u1", "persona": "buyer", "what": "joined", "status": 201, "code": None,
        "reservation_id": None, "sku": None, "quantity": None, "position": 5, "reward": None, "key": None,
        "asked_at": None,
    }  # fmt: skip
    assert second["reward"] == {"kind": "cash"}


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with History(path) as history:
        for position in range(10):
            history.write("u", "buyer", "joined", 201, position=position)
    assert [line.position for line in read_history(path)] == list(range(10))


def test_lines_wait_for_a_flush_and_no_more_than_the_buffer_holds(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with History(path) as history:
        history.write("u", "buyer", "left", 0)
        assert path.read_bytes() == b""
        history.flush()
        assert len(read_history(path)) == 1
        for _ in range(BUFFER_LINES_MAX):
            history.write("u", "buyer", "left", 0)
        assert len(read_history(path)) == BUFFER_LINES_MAX + 1


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with History(path) as history:
        history.write("u", "buyer", "left", 0)
        history.write("u", "buyer", "left", 0)
    path.write_bytes(path.read_bytes()[:-7])
    assert len(read_history(path)) == 1
