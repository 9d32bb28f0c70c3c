"""What `why` says on one screen of the bins that a version took from another."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outlast.cli.telling_why import told
from outlast.evidence.told import Why
from outlast.project.loader import load_project
from outlast.training.run import train


def test_whose_bins_features_are_counted_in_is_told(orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = train(load_project(orders), by="ada", now=datetime(2024, 6, 1, tzinfo=UTC)).version
    told(Why(version, [], None, [], {}))
    assert "counted in the bins" not in capsys.readouterr().out
    names = [f"f{n}" for n in range(8)]
    lineage = {**version.lineage, "bins": [{"version": 3, "bundle": "d" * 64, "features": names}]}
    told(Why(replace(version, lineage=lineage), [], None, [], {}))
    said = " ".join(capsys.readouterr().out.split())
    assert "counted in the bins of late-orders@3, so that both can be watched as one: f0, f1" in said
    assert "f5, and 2 more" in said
