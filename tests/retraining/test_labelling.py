"""Labels from their own source: pushed or lying there, each becomes a label once, whoever dies on the way."""

import shutil
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from answered import ASKED, ROW, push, template

from outlast.bundle.predictor import open_predictor
from outlast.journal import sealing
from outlast.journal.journal import Journal, seal
from outlast.journal.reading import label_history
from outlast.journal.records import label
from outlast.journal.strays import strays
from outlast.monitoring.counting.refreshing import refresh
from outlast.monitoring.counting.windows import stored
from outlast.monitoring.subject import open_subject
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version, find
from outlast.retraining.labelling import label_due
from outlast.types import ModelRef, micros

MODEL = "late-orders"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def labelled(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return template(orders_template, tmp_path_factory.mktemp("labelled") / "orders")


@pytest.fixture
def asked(labelled: Path, tmp_path: Path) -> tuple[Workspace, Version]:
    """A workspace with three answers, about orders 90000 to 90002, counted."""
    place = Workspace.find(shutil.copytree(labelled, tmp_path / "orders"))
    version = find(place.ledger, ModelRef(MODEL))
    predictor = open_predictor(place, version.digest, version.number)
    with Journal(place) as journal:
        for number in range(3):
            at = ASKED + number * HOUR
            row = {**ROW, "order_id": 90_000 + number, "ordered_at": at.isoformat()}
            journal.predictions(predictor.predict([row], at=at), predictor, request_id=str(number), server="s")
    count(place, ASKED + 3 * HOUR)
    return place, version


def count(place: Workspace, now) -> None:
    seal(place)
    refresh(place, MODEL, HOUR, now=now, subject=lambda number: open_subject(place, MODEL, number), hold=lambda: None)


def look(place: Workspace, version: Version, now) -> tuple[bool, str]:
    seal(place)
    return label_due(place, version, HOUR, now=now, hold=lambda: None)


def kept(place: Workspace) -> list[tuple[str, str]]:
    rows = label_history(place, MODEL).sort("known_at", "key").collect()
    assert set(rows["origin"]) <= {"source deliveries"}
    return list(rows.select("key", "value").iter_rows())


def test_a_pushed_fact_is_a_label_once_and_a_correction_another(asked: tuple[Workspace, Version]) -> None:
    place, version = asked
    assert look(place, version, ASKED + 3 * HOUR) == (False, "nothing new in deliveries")
    push(place, 90_001, ASKED + 3 * HOUR, at=ASKED + 3.5 * HOUR)
    assert look(place, version, ASKED + 4 * HOUR) == (True, "1 label from deliveries")
    assert look(place, version, ASKED + 4 * HOUR) == (False, "nothing new in deliveries")
    assert look(place, version, ASKED + 8 * HOUR) == (False, "nothing new in deliveries")
    row = label_history(place, MODEL).collect().row(0, named=True)
    assert row["known_at"] == ASKED + 3 * HOUR + timedelta(minutes=5)  # the source's lag
    push(place, 90_001, ASKED + 5 * HOUR, at=ASKED + 9 * HOUR)
    assert look(place, version, ASKED + 9 * HOUR)[0]
    assert kept(place) == [("90001", "true")] * 2
    count(place, ASKED + 9 * HOUR)
    (window,) = [one for one in stored(place.ledger, MODEL) if one.counts.labels.sum()]
    assert (window.starts_at, window.counts.tally("early")) == (ASKED + HOUR, 1)


def test_what_somebody_gave_already_is_not_said_again(asked: tuple[Workspace, Version]) -> None:
    place, version = asked
    landed, lag = ASKED + 3 * HOUR, timedelta(minutes=5)
    known = micros(landed + lag)
    with Journal(place) as journal:
        journal.labels([
            label(MODEL, True, key=key, known_at=known, at=known, origin="http") for key in ("90001", "90002")
        ])  # fmt: skip
    push(place, 90_001, landed, at=landed + lag)
    push(place, 90_002, landed + HOUR, at=landed + lag + HOUR)
    assert look(place, version, ASKED + 6 * HOUR) == (True, "1 label from deliveries")
    rows = label_history(place, MODEL).filter(pl.col("origin") != "http").collect()
    assert rows["key"].to_list() == ["90002"], "known at another moment than was given"


def test_rows_that_lie_there_become_labels_when_they_are_known_and_those_before_the_first_answer_never(
    asked: tuple[Workspace, Version],
) -> None:
    place, version = asked
    file = place.root / "data" / "deliveries.csv"
    lying = pl.read_csv(file, try_parse_dates=True)
    more = [(90_000 + n, "east", (ASKED + hours * HOUR).replace(tzinfo=None), n == 2) for n, hours in ((0, 4), (2, 9))]
    added = pl.DataFrame(more, schema=lying.schema, orient="row")
    pl.concat([lying, added]).write_csv(file)
    assert look(place, version, ASKED + 5 * HOUR) == (True, "1 label from deliveries")
    assert look(place, version, ASKED + 5.5 * HOUR) == (False, "nothing new in deliveries")
    assert look(place, version, ASKED + 10 * HOUR) == (True, "1 label from deliveries")
    assert kept(place) == [("90000", "false"), ("90002", "true")]
    assert strays(place, MODEL).unknown == 0


@pytest.mark.parametrize("step", ["rows", "number"])
def test_a_look_that_dies_leaves_its_labels_to_the_next(
    asked: tuple[Workspace, Version], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    place, version = asked
    push(place, 90_001, ASKED + 3 * HOUR, at=ASKED + 3.5 * HOUR)
    seal(place)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*{"rows": (place.tables, "append"), "number": (sealing, "note")}[step], dies)
        with pytest.raises(KeyboardInterrupt):
            label_due(place, version, HOUR, now=ASKED + 4 * HOUR, hold=lambda: None)
    look(place, version, ASKED + 6 * HOUR)
    assert kept(place) == [("90001", "true")]
    count(place, ASKED + 6 * HOUR)
    assert sum(one.counts.labels.sum() for one in stored(place.ledger, MODEL)) == 1


def test_a_version_from_elsewhere_is_told_by_what_is_pushed(asked: tuple[Workspace, Version]) -> None:
    place, version = asked
    (place.root / "data" / "deliveries.csv").unlink()
    push(place, 90_001, ASKED + 3 * HOUR, at=ASKED + 3.5 * HOUR)
    assert look(place, version, ASKED + 4 * HOUR) == (True, "1 label from deliveries")
