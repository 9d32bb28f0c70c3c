"""Declared slices have figures of their own, and what gains least stands first."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from watched import DAY, MODEL, START, made, predict, through_the_day

from outlast.cli.watched import watched
from outlast.monitoring.report import Report, report
from outlast.retraining.tick import tick


def seen(folder: Path, terms: dict[str, Any]) -> Report:
    place, origin = made(folder, {"monitoring": {"cadence": "1d", **terms}})
    for day in range(2):
        predict(place, origin, through_the_day(240, START + day * DAY), seed=2 + day)
    tick(place, now=START + 2 * DAY + timedelta(hours=1))
    return report(place, MODEL)


def test_each_value_of_a_declared_column_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = seen(tmp_path, {"slices": ["origin", "wind"]})
    origins = [one for one in found.slices if one.slice.startswith("origin=")]
    assert sorted(one.slice for one in origins) == ["origin=EWR", "origin=JFK", "origin=LGA"]
    assert sum(one.rows for one in origins) == sum(line.rows for line in found.lines) == 480
    assert all(one.metric.value is not None and one.coverage.value == 1 for one in origins)
    gains = [one.gain.high for one in found.slices if one.gain.high is not None]
    assert len(gains) > 3
    assert gains == sorted(gains)
    assert found.to_json()["slices"][0]["slice"] == found.slices[0].slice
    watched(found, 5)
    said = capsys.readouterr().out
    assert "Declared slices, what gains least first" in said
    assert found.slices[0].slice in said
    assert f"… and {len(found.slices) - 5} slices more: --json" in said


def test_a_model_that_declares_none_shows_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = seen(tmp_path, {})
    assert found.slices == ()
    watched(found, 5)
    assert "Declared slices" not in capsys.readouterr().out
