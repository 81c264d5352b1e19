"""Whole sales with everything as its own processes: one in peace, then one under a siege in the same folder."""

import pytest

from tests.ops.run.stage import RUN_SECONDS_MAX, Stage, is_alive

BESIEGED_UNITS = 22  # for 150 shoppers


@pytest.mark.run
@pytest.mark.timeout(2 * RUN_SECONDS_MAX + 60)
def test_a_sale_in_peace_is_killed_when_it_is_over_and_the_next_one_is_besieged(stage: Stage) -> None:
    """One course of two sales, for each start of the system costs ten seconds of two cores:

    the first holds in every row, and then its `floodgate run` dies and leaves everything running; the second ends what
    was left, and sells a sale of its own to zero while worker and keeper are killed, the gateway five times, Redis is
    flushed three times, and the provider misbehaves.
    """
    process = stage.stay_up(CROWD="40")
    first = stage.report()
    assert [row["id"] for row in first["rows"] if not row["holds"]] in ([], ["duration_seconds"])
    process.kill()
    process.communicate()
    left = stage.left()
    assert len(left) > 6

    code, output = stage.run(CROWD="150", FAULTS="1", KILL="worker,keeper", KILL_AFTER_SECONDS="1")
    stage.assert_clean(code, output)
    assert not [pid for pid in left if is_alive(pid)]
    second = stage.report()
    assert second["sale_id"] != first["sale_id"]
    rows = {row["id"]: row for row in second["rows"]}
    assert rows["units_held_or_confirmed"]["value"] == BESIEGED_UNITS
    assert (rows["redis_flushed"]["value"], rows["gateway_killed"]["value"]) == (3, 5)
    assert rows["killed_and_back_worker"]["holds"]
    assert rows["killed_and_back_keeper"]["holds"]
    assert rows["grants_paid_once"]["value"] == 0
    stage.assert_nothing_left()
