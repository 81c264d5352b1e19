"""Ids sort by time; names of users are safe in keys, logs and paths."""

import pytest

from kit.ids import is_user_id, new_id


def test_ids_are_version_7_unique_and_sort_after_those_made_before() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert {i.version for i in ids} == {7}
    assert len(set(ids)) == len(ids)
    assert [i.int >> 80 for i in ids] == sorted(i.int >> 80 for i in ids)


@pytest.mark.parametrize("name", ["u-1", "13800138000", "a@b.example", "x" * 64])
def test_ordinary_user_ids_pass(name: str) -> None:
    assert is_user_id(name)


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a{b}", "a\x00", "a\n", "-a", "名字", "a/b"])
def test_what_could_break_a_key_a_log_or_a_path_is_no_user_id(name: str) -> None:
    assert not is_user_id(name)
