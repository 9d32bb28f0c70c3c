"""Served features are computed again later: right ones pass, a late feed and other code are told apart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from outlast.bundle.predictor import open_predictor
from outlast.gates.promote import fill_fresh
from outlast.journal.ingest import Ingest
from outlast.journal.journal import Journal
from outlast.monitoring.skew import Column, audit
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.training.run import train

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ASKED = datetime(2024, 6, 1, 12, tzinfo=UTC)
ROW = {"shop": "east", "weight": 2, "coupon": "A"}


@pytest.fixture
def served(orders: Path) -> tuple[Workspace, Version]:
    text = (orders / "model.py").read_text()
    rate = "dear=pl.col('weight') * rate(), hour=pl.col"
    numbers = "from shapes import numbers\n"
    (orders / "model.py").write_text(
        text.replace("hour=pl.col", rate).replace(numbers, numbers + "from rates import rate\n")
    )
    (orders / "rates.py").write_text("import os\n\n\ndef rate():\n    return float(os.environ.get('RATE', '1'))\n")
    project = load_project(orders)
    version = train(project, by="ada", now=NOW).version
    fill_fresh(project.workspace, version, now=NOW)
    return project.workspace, version


def ask(place: Workspace, version: Version, hours: int) -> None:
    """An answer every hour, kept as a server keeps it."""
    predictor = open_predictor(place, version.digest, version.number)
    with Journal(place) as journal:
        for hour in range(hours):
            at = ASKED + timedelta(hours=hour)
            answers = predictor.predict([{**ROW, "ordered_at": at.isoformat()}], at=at)
            journal.predictions(answers, predictor, request_id=str(hour), server="s")


def push(place: Workspace, key: int, known: datetime, *, at: datetime) -> None:
    rows = pl.DataFrame(
        {"order_id": [key], "shop": ["east"], "delivered_at": [known.replace(tzinfo=None)], "late": [True]}
    )
    with Journal(place) as journal:
        Ingest(place, journal).take("deliveries", rows, at=at)


def columns(place: Workspace) -> dict[str, Column]:
    return {one.column: one for one in audit(place, "late-orders").columns if one.differ}


def test_what_was_served_right_stays_right_when_more_is_known(served: tuple[Workspace, Version]) -> None:
    place, version = served
    push(place, 90_001, ASKED - timedelta(hours=1), at=ASKED - timedelta(minutes=30))
    ask(place, version, 4)
    push(place, 90_002, ASKED + timedelta(hours=9), at=ASKED + timedelta(hours=9))
    found = audit(place, "late-orders")
    assert (found.served, found.looked_at, found.differ) == (4, 4, 0)
    assert {one.column for one in found.columns} == {"late_1d", "late_3d", "last_late", "dear", "hour"}
    assert audit(place, "late-orders", since=ASKED + timedelta(hours=2), sample=1).looked_at == 1


def test_a_late_feed_is_told_from_other_code(
    served: tuple[Workspace, Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, version = served
    push(place, 90_001, ASKED - timedelta(hours=2), at=ASKED - timedelta(hours=1))
    monkeypatch.setenv("RATE", "3")
    ask(place, version, 4)
    monkeypatch.delenv("RATE")
    push(place, 90_003, ASKED - timedelta(hours=1), at=ASKED + timedelta(hours=6))  # arrives six hours late
    correction = pl.DataFrame({"order_id": [90_001], "shop": ["west"], "late": [True]}).with_columns(
        delivered_at=pl.lit((ASKED - timedelta(minutes=50)).replace(tzinfo=None))
    )
    with Journal(place) as journal:
        Ingest(place, journal).take("deliveries", correction, at=ASKED + timedelta(hours=7))
    found = columns(place)
    assert (found["dear"].differ, found["dear"].late, found["dear"].other_code) == (4, 0, 4)
    assert found["dear"].example is not None
    assert (found["dear"].example["served"], found["dear"].example["computed"]) == (6.0, 2.0)
    late = {name: (one.differ, one.late, one.other_code) for name, one in found.items() if name != "dear"}
    assert all(differ == late == 4 and other == 0 for differ, late, other in late.values()), late


def test_nothing_served_is_nothing_found(served: tuple[Workspace, Version]) -> None:
    found = audit(served[0], "late-orders")
    assert (found.served, found.looked_at, found.columns) == (0, 0, ())
