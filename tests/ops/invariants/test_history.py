"""The crowd's history as a file: whole lines only, unknown fields borne, anything else is no witness."""

from pathlib import Path

import pytest

from ops.invariants.history import History, HistoryUnreadable

LINE = b'{"at":1.5,"user":"u","what":"joined","status":201,"position":0,"a_field_of_tomorrow":1}\n'


def read(tmp_path: Path, content: bytes) -> History:
    path = tmp_path / "history.jsonl"
    path.write_bytes(content)
    return History.read(path)


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    history = read(tmp_path, LINE + LINE[:20])
    assert [line.position for line in history.lines] == [0]
    assert history.users == ("u",)


def test_a_broken_line_in_the_middle_makes_it_no_witness(tmp_path: Path) -> None:
    with pytest.raises(HistoryUnreadable, match="line 2"):
        read(tmp_path, LINE + b'{"at":\n' + LINE)


def test_an_empty_history_is_one_of_nobody(tmp_path: Path) -> None:
    assert read(tmp_path, b"").users == ()
