"""What answers lacked: nulls, NaN and odd names; other versions, lower rungs and older answers do not count."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from outlast.bundle.answers import Answer
from outlast.journal import missing
from outlast.journal.journal import Journal
from outlast.journal.missing import missing_lately
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.types import micros

NOW = datetime(2024, 6, 8, 12, tzinfo=UTC)
NAMES = ["wind", "it's", "a.b", "never"]


@dataclass(frozen=True)
class Version:
    version: int = 3
    model: str = "late"
    digest: str = "d" * 64
    contract: Contract = field(default_factory=Contract)


def answer(number: int, features: dict[str, Any], *, at: datetime = NOW, rung: str = "full") -> Answer:
    moment = micros(at - timedelta(minutes=1))
    return Answer(
        prediction_id=f"p{number}", key=None, at=moment, decide_at=moment, asks={}, features=features, score=0.5,
        scores=None, decision="act", rung=rung, reasons=[], warnings=[], cells=b"",
    )  # fmt: skip


def kept(workspace: Workspace, answers: list[Answer], version: int = 3) -> None:
    with Journal(workspace) as journal:
        journal.predictions(answers, Version(version), request_id="r", server="s")


def test_nulls_and_nan_are_missing_and_odd_names_are_found(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    kept(place, [
        answer(1, {"wind": float("nan"), "it's": 1, "a.b": None}),
        answer(2, {"wind": None, "it's": None, "a.b": 0.0}),
        answer(3, {"wind": 2.5, "it's": "null", "a.b": False}),
    ])  # fmt: skip
    rows, gaps = missing_lately(place, "late", 3, NAMES, now=NOW)
    assert (rows, gaps) == (3, {"wind": 2, "it's": 1, "a.b": 1, "never": 3})


def test_only_full_answers_of_the_version_in_the_last_seven_days_count(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    kept(place, [answer(1, {"wind": None}), answer(2, {}, rung="default")])
    kept(place, [answer(4, {"wind": None}, at=NOW - timedelta(days=7)), answer(5, {"wind": 1.0})])
    kept(place, [answer(6, {"wind": None})], version=4)
    assert missing_lately(place, "late", 3, ["wind"], now=NOW) == (2, {"wind": 1})
    assert missing_lately(place, "nobody", 1, ["wind"], now=NOW) == (0, {"wind": 0})


def test_of_many_answers_some_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Workspace(tmp_path)
    kept(place, [answer(n, {"wind": None if n % 2 else 1.0}) for n in range(400)])
    monkeypatch.setattr(missing, "MOST", 100)
    rows, gaps = missing_lately(place, "late", 3, ["wind"], now=NOW)
    assert 60 < rows < 140
    assert 0.3 < gaps["wind"] / rows < 0.7
