"""A file that others read while it is written."""

from pathlib import Path

from kit.files import write_whole


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(path, "闸口 1")
    write_whole(path, "2")
    assert path.read_text("utf-8") == "2"
    assert list(tmp_path.iterdir()) == [path]
