"""What every release wrote is read by this one: ledger, bundle, tables, append-log, fresh values, contract."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from outlast.bundle.ingest import update
from outlast.bundle.predictor import Predictor, open_bundle, open_predictor
from outlast.bundle.replay import open_proven
from outlast.gates.judge import judge
from outlast.journal import reading
from outlast.journal.journal import seal
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry import audit, served
from outlast.registry.rollout import current, transitions
from outlast.registry.versions import find
from outlast.storage.ledger import migrate_ledger
from outlast.types import ModelRef

HERE = Path(__file__).parent
RELEASES = sorted(file.parent.name for file in HERE.glob("*/expected.json"))
NAME = "late-orders"
NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=RELEASES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of what a release left behind, as it lay in a project's folder."""
    shutil.copytree(HERE / request.param, tmp_path / "shop")
    (tmp_path / "shop" / "home").rename(tmp_path / "shop" / ".outlast")
    return tmp_path / "shop"


@pytest.fixture
def workspace(folder: Path) -> Iterator[Workspace]:
    place = Workspace.find(folder)
    migrate_ledger(place.ledger_url)
    yield place
    place.ledger.dispose()
    place.fresh.close()


@pytest.fixture
def expected(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "expected.json").read_text())


@pytest.fixture
def predictor(workspace: Workspace) -> Predictor:
    return open_predictor(workspace, find(workspace.ledger, ModelRef(NAME, 1)).digest, 1)


def test_there_is_a_corpus() -> None:
    assert "0.1.0" in RELEASES


def test_the_corpus_stays_small() -> None:
    for release in RELEASES:
        assert sum(file.stat().st_size for file in (HERE / release).rglob("*") if file.is_file()) < 300_000


def test_the_ledger_says_who_let_what_out_and_its_audit_trail_holds(workspace: Workspace) -> None:
    ledger = workspace.ledger
    assert audit.verify(ledger) is None
    rollout = current(ledger, NAME)
    assert (rollout.live, rollout.previous, rollout.sequence) == (1, None, 1)
    (step,) = transitions(ledger, NAME)
    assert (step.action, step.to_version, step.by, step.reason) == ("promote", 1, "bob", "the first one")
    (span,) = served.history(ledger, NAME)
    assert (span.version, span.server, span.until) == (1, "corpus", NOW)
    version = find(ledger, ModelRef(NAME, "live"))
    assert (version.created_by, version.task) == ("ada", "binary")
    assert version.summary["value"]["currency"] == "EUR"


def test_a_change_of_the_trail_is_still_found(workspace: Workspace) -> None:
    with workspace.ledger.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER transitions_no_update")
        connection.exec_driver_sql("UPDATE transitions SET reason = 'another one'")
    assert audit.verify(workspace.ledger) is not None


def test_the_bundle_is_whole_and_its_contract_is_a_contract(workspace: Workspace) -> None:
    version = find(workspace.ledger, ModelRef(NAME, 1))
    bundle = open_bundle(workspace, version.digest)
    assert bundle.digest == version.digest
    assert bundle.contract.model.owner == "orders@example.com"
    assert bundle.code.digest == version.code_digest
    assert {"golden.json", "lineage.json", "summary.json", "environment.txt"} <= set(bundle.files)


def test_requests_get_the_answers_of_then(predictor: Predictor, expected: list[dict[str, Any]]) -> None:
    """The bundle's code, its model and the fresh values that were kept, bit by bit."""
    answers = predictor.predict([one["request"] for one in expected], at=NOW)
    for then, answer in zip(expected, answers, strict=True):
        assert (answer.rung, answer.score, answer.decision, answer.key) == (
            then["rung"], then["score"], then["decision"], then["key"]
        )  # fmt: skip
        assert msgspec.to_builtins(answer.features) == then["features"]
        assert answer.cells.hex() == then["cells"]
    assert {answer.decision for answer in answers} == {"call", "wait"}


def test_golden_requests_get_the_scores_of_training(predictor: Predictor) -> None:
    newest = predictor.golden[-1]
    (answer,) = predictor.predict([newest["request"]], at=NOW)
    assert (answer.rung, answer.score) == ("full", newest["scores"][1])


def test_fresh_values_are_there_and_take_more(workspace: Workspace, predictor: Predictor) -> None:
    store = workspace.fresh
    before = [store.count(lookup.digest) for lookup in predictor.lookups]
    assert min(before) > 0
    late = {"order_id": [900], "shop": ["nowhere"], "delivered_at": [datetime(2024, 2, 29, tzinfo=UTC)], "late": [True]}
    update(store, predictor.lookups, pl.DataFrame(late))
    assert [store.count(lookup.digest) for lookup in predictor.lookups] == [count + 1 for count in before]
    row = {"shop": "nowhere", "weight": 1, "coupon": "A", "ordered_at": "2024-02-29T12:00:00Z"}
    assert predictor.predict([row], at=NOW)[0].features["late_1d"] == 1.0


def test_the_journal_is_read_from_tables_and_log_and_sealed_on(
    workspace: Workspace, expected: list[dict[str, Any]]
) -> None:
    def kept() -> pl.DataFrame:
        return reading.predictions(workspace, NAME).collect().sort("prediction_id")

    sealed = workspace.tables.scan(f"predictions/{NAME}").collect()
    assert sealed.height == 5
    before = kept()
    assert before["prediction_id"].to_list() == [one["id"] for one in expected]
    assert before["score"].to_list() == [one["score"] for one in expected]
    assert [cells.hex() for cells in before["cells"]] == [one["cells"] for one in expected]
    assert seal(workspace) == {f"predictions/{NAME}": len(expected) - 5, f"labels/{NAME}": 1}
    assert kept().drop("segment").equals(before.drop("segment"))


def test_labels_and_facts_of_then_still_count(workspace: Workspace) -> None:
    joined = reading.joined(workspace, NAME).collect().drop_nulls("value").sort("prediction_id")
    assert joined["value"].to_list() == ["true", "false"]
    assert joined["key"].to_list() == ["500", "501"]
    (fact,) = reading.facts(workspace, "deliveries").collect()["row"]
    assert '"order_id":500' in fact


def test_the_project_of_then_is_a_project_now(folder: Path, workspace: Workspace) -> None:
    project = load_project(folder, workspace)
    assert project.model.name == NAME
    assert [lookup.digest for lookup in project.model.lookups] == [
        kept["digest"]
        for kept in open_bundle(workspace, find(workspace.ledger, ModelRef(NAME, 1)).digest).manifest["lookups"]
    ]


def test_the_gate_still_judges_a_version_of_then(workspace: Workspace) -> None:
    """Its golden rows carry no facts and its test rows are not in the corpus: what cannot be tried is not passed."""
    verdict = judge(workspace, find(workspace.ledger, ModelRef(NAME, 1)), now=NOW)
    assert [(check.name, check.passed) for check in verdict.failed] == [("calibration", None), ("skew", None)]
    assert "got the answers of training from the values once looked up" in verdict.failed[1].says


def test_a_server_still_takes_a_version_of_then(workspace: Workspace) -> None:
    assert open_proven(workspace, find(workspace.ledger, ModelRef(NAME, 1)).digest, 1).version == 1
