"""Requests that a version answers aside, gathered, each as of its own moment."""

import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from late_project import ROW, promote

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor, open_predictor
from outlast.bundle.requests import Asked
from outlast.errors import Unavailable
from outlast.journal.columns import SHADOWS
from outlast.journal.journal import Journal
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.serving.beside import Seat
from outlast.serving.metrics import Metrics
from outlast.serving.shadowing import ROOM, Shadows
from outlast.types import ModelRef

BEGIN = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def place(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace.find(Path(shutil.copytree(trained, tmp_path_factory.mktemp("shadowing") / "late")))
    promote(workspace, 1)
    return workspace


@pytest.fixture
def version(place: Workspace) -> Predictor:
    return open_predictor(place, find(place.ledger, ModelRef.parse("late@2")).digest, 2)


@pytest.fixture
def seat(version: Predictor) -> Seat:
    return Seat(version, BEGIN, None, threading.Lock())


@pytest.fixture
def journal(place: Workspace) -> Iterator[Journal]:
    with Journal(place) as found:
        yield found


def heard(version: Predictor, count: int) -> list[list[Answer]]:
    """Answers to some requests, a minute apart."""
    return [version.predict([ROW] * 2, at=BEGIN + timedelta(minutes=n)) for n in range(count)]


def kept(journal: Journal, place: Workspace) -> dict[str, Any]:
    journal.seal()
    rows = place.tables.scan(SHADOWS.stream("late")).collect()
    return {name: rows.filter(rows["request_id"] == name).to_dicts() for name in rows["request_id"].unique()}


def counted(metrics: Metrics, name: str) -> float:
    return sum(sample.value for one in metrics.collect() for sample in one.samples if sample.name == name)


def test_those_that_wait_are_asked_together_each_as_of_its_moment(
    version: Predictor, seat: Seat, journal: Journal, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, metrics, sizes = heard(version, 40), Metrics(), []
    real = version.answer

    def counting(asked: list[Asked], now: int, look_up: Any = None) -> list[Answer]:
        sizes.append(len(asked))
        return real(asked, now, look_up)

    monkeypatch.setattr(version, "answer", counting)
    shadows = Shadows(journal, metrics, "here")
    for number, some in enumerate(answers):
        shadows.ask(seat, [ROW] * 2, some, f"together-{number}")
    shadows.start()
    shadows.stop()
    assert sizes == [64, 16]
    assert seat.flying == 0
    rows = kept(journal, place)
    for number, some in enumerate(answers):
        mine = rows[f"together-{number}"]
        assert [row["at"] for row in mine] == [BEGIN + timedelta(minutes=number)] * 2
        assert [row["decide_at"] for row in mine] == [BEGIN + timedelta(minutes=number)] * 2
        assert [row["score"] for row in mine] == [one.score for one in some]
        assert {row["prediction_id"][:14] for row in mine} == {some[0].prediction_id[:14]}
    assert counted(metrics, "outlast_shadow_answers_total") == 80


def test_one_that_fails_fails_alone(
    version: Predictor, seat: Seat, journal: Journal, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, metrics = heard(version, 3), Metrics()
    real = version.answer

    def sometimes(asked: list[Asked], now: int, look_up: Any = None) -> list[Answer]:
        if any(one.key == "poison" for one in asked):
            raise Unavailable("nothing answers this")
        return real(asked, now, look_up)

    monkeypatch.setattr(version, "answer", sometimes)
    shadows = Shadows(journal, metrics, "here")
    for number, some in enumerate(answers):
        flight = "poison" if number == 1 else f"F{number}"
        shadows.ask(seat, [{**ROW, "flight": flight}] * 2, some, f"alone-{number}")
    shadows.start()
    shadows.stop()
    assert {name for name in kept(journal, place) if name.startswith("alone")} == {"alone-0", "alone-2"}
    assert counted(metrics, "outlast_challenger_missed_total") == 2
    assert seat.flying == 0


def test_what_comes_when_too_many_wait_is_counted_and_not_asked(
    version: Predictor, seat: Seat, journal: Journal
) -> None:
    (some,), metrics = heard(version, 1), Metrics()
    shadows = Shadows(journal, metrics, "here")
    for number in range(ROOM + 3):
        shadows.ask(seat, [ROW] * 2, some, f"many-{number}")
    assert seat.flying == ROOM
    assert counted(metrics, "outlast_challenger_missed_total") == 6
    shadows.start()
    shadows.stop()
    assert seat.flying == 0
    assert counted(metrics, "outlast_shadow_answers_total") == 2 * ROOM
