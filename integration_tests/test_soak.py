"""The soak of hourly syncs, a few hours of it, and that it notices what it is there to notice."""

from __future__ import annotations

import pytest

from integration_tests import hourly
from integration_tests.sandbox import Sandbox, Size
from integration_tests.support import all_streams

pytestmark = pytest.mark.slow


def test_hourly_syncs_with_faults_and_changes_lose_nothing() -> None:
    series = hourly.play(hours=5, seed=3, issues=60, changes=10)
    assert [one.hour for one in series.results] == [0, 1, 2, 3, 4]
    assert any(one.chaos for one in series.results)
    assert series.results[-1].code == 0
    assert all(one.checked for one in series.results if one.code == 0)
    assert all(one.peak_mb > 50 for one in series.results)


def test_a_lost_and_a_stale_record_are_noticed() -> None:
    with Sandbox(size=Size(issues=20), limits=None) as pylon:
        series = hourly.Series()
        series.take(all_streams.sync(pylon, hourly.STREAMS))
        assert hourly.assert_everything_is_kept(pylon, series, set()) > 20
        key, record = series.kept["issues"].popitem()
        with pytest.raises(AssertionError, match="is lost"):
            hourly.assert_everything_is_kept(pylon, series, set())
        series.kept["issues"][key] = {**record, "title": "An older title"}
        with pytest.raises(AssertionError, match="An older title"):
            hourly.assert_everything_is_kept(pylon, series, set())
        assert hourly.assert_everything_is_kept(pylon, series, {("issues", record["id"])})
