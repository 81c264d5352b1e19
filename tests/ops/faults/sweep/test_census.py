"""A script or SQL file that no chain runs is found, and so is an excuse that nobody needs any more."""

from ops.faults.sweep.census import EXCUSED, find_gaps, list_files

RUN = ["lua.before/flashsale/lua/claim.lua#1", "commit.before/flashsale.holds.expire#2"]


def test_a_file_that_is_run_is_no_gap() -> None:
    assert find_gaps(RUN, ["flashsale/lua/claim.lua"], []) == []


def test_a_new_file_that_nobody_runs_is_named() -> None:
    (gap,) = find_gaps(RUN, ["flashsale/lua/claim.lua", "flashsale/lua/new.lua"], [])
    assert gap.startswith("flashsale/lua/new.lua")
    assert (
        find_gaps(RUN, ["flashsale/lua/claim.lua", "flashsale/lua/new.lua"], ["flashsale/lua/new.lua"]) == []
    )


def test_an_excuse_for_what_is_run_or_gone_is_named() -> None:
    found = find_gaps(RUN, ["flashsale/lua/claim.lua"], ["flashsale/lua/claim.lua", "flashsale/lua/gone.lua"])
    assert [gap.partition(":")[0] for gap in found] == ["flashsale/lua/claim.lua", "flashsale/lua/gone.lua"]


def test_the_rooms_files_are_listed_by_their_paths() -> None:
    files = list_files()
    assert {"flashsale/lua/claim.lua", "ops/keeper/sql/take_duty.sql", *EXCUSED} <= set(files)
