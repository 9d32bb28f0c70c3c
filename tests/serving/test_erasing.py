"""A key is erased: nothing on the disk of the journal says it any more, and what was counted still adds up."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from late_project import ROW

from outlast.bundle.predictor import open_predictor
from outlast.control.acting import Acting
from outlast.control.changing import DO
from outlast.control.operations import ERASE
from outlast.control.shapes import Erasing
from outlast.errors import RequestError
from outlast.journal import reading
from outlast.journal.erased import Erased
from outlast.journal.journal import Journal
from outlast.journal.records import label
from outlast.project.workspace import Workspace
from outlast.registry.audit import entries
from outlast.registry.versions import find
from outlast.types import ModelRef, Named, micros

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
WHO, OTHER = "F-SECRET-1", "F-OTHER-2"


def fill(journal: Journal, workspace: Workspace) -> None:
    version = open_predictor(workspace, find(workspace.ledger, ModelRef.parse("late@1")).digest, 1)
    for number, flight in enumerate((WHO, OTHER, WHO)):
        name = Named(f"of-{flight}-{number}")
        name.asked = "12"
        answers = version.predict([{**ROW, "flight": flight, "tailnum": f"T-{flight}"}], at=NOON)
        journal.predictions(answers, version, request_id=name, server="s")
        journal.shadows([(answers, name)], version, server="s")
        told = {"known_at": micros(NOON), "at": micros(NOON), "origin": "test"}
        journal.labels([label("late", True, prediction_id=answers[0].prediction_id, **told)])  # type: ignore[arg-type]
        journal.labels([label("late", True, key=flight, **told)])  # type: ignore[arg-type]
        row = {"flight": flight, "tailnum": "N1", "landed_at": NOON, "arr_delay": 7.0}
        journal.facts("landings", [row], at=NOON)


def erased(workspace: Workspace, key: str, *, do: bool) -> Erased:
    found: Erased = DO[ERASE.name](Acting(workspace, "ana", NOON), Erasing("late", key, do))
    return found


def holding(folder: Path, text: str) -> list[str]:
    """The files that have a text in them, whatever wrote them."""
    return [
        path.name
        for part in ("tables", "log")
        for path in (folder / ".outlast" / part).rglob("*")
        if path.is_file() and "snapshots" not in path.parts and text.encode() in path.read_bytes()
    ]


def test_a_key_is_gone_from_every_file_of_the_journal(folder: Path, workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        fill(journal, workspace)
    before = reading.joined(workspace, "late").collect()
    wanted = {"facts/landings": 2, "labels/late": 4, "predictions/late": 2, "shadows/late": 2}
    seen = erased(workspace, WHO, do=False)
    assert (seen.rows, seen.done, seen.waiting) == (wanted, False, 0)
    assert holding(folder, WHO)
    assert erased(workspace, WHO, do=True).rows == wanted
    assert holding(folder, WHO) == []
    assert holding(folder, OTHER)
    after = reading.joined(workspace, "late").collect()
    for column in ("prediction_id", "score", "decision", "number", "rung", "cells"):
        assert sorted(after[column]) == sorted(before[column]), column
    assert after["asks"].null_count() == 2
    (entry,) = [one for one in entries(workspace.ledger, object="late") if one.action == "erase"]
    assert (entry.actor, entry.detail["rows"]) == ("ana", wanted)
    assert WHO not in str(entry.detail)
    assert erased(workspace, WHO, do=True).rows == {}


def test_what_a_server_is_writing_to_is_erased_too(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        fill(journal, workspace)
        seen = erased(workspace, WHO, do=True)
        assert (seen.rows["predictions/late"], seen.waiting) == (2, 0)


def test_what_a_server_does_not_let_go_of_is_said_to_be_left(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outlast.storage.appendlog.finish", lambda *_: None)  # it hangs, or is on another host
    with Journal(workspace) as journal:
        fill(journal, workspace)
        seen = erased(workspace, WHO, do=True)
        assert (seen.rows, seen.waiting) == ({}, 3)
    assert erased(workspace, WHO, do=True).waiting == 0


def test_a_key_that_is_none_of_the_models_is_refused(workspace: Workspace) -> None:
    with pytest.raises(RequestError, match="expected an object with flight"):
        erased(workspace, '{"tailnum": "N1"}', do=True)
