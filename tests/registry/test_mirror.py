"""The mirror in a real MLflow on SQLite: it follows, is made once, and mends what was changed by hand."""

import io
import shutil
import sqlite3
import sys
import warnings
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from outlast.project.workspace import Workspace
from outlast.registry import mlflow_side, verdicts
from outlast.registry.mirror import failures, mirror, rebuild
from outlast.registry.mlflow_side import connect, quietly
from outlast.registry.rollout import live, transition
from outlast.registry.versions import register
from outlast.settings import Settings
from outlast.storage.ledger import leases
from outlast.types import digest_of, now

# MLflow's own, each time it reads a run.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning",
)
SUMMARY = {
    "metrics": {"roc_auc": {"value": 0.71, "low": 0.69, "high": 0.73}, "log_loss": {"value": 0.5, "low": None}},
    "value": {"per_decision": 3.25, "low": 3.0, "high": 3.5, "baseline": 0.0, "currency": "USD"},
    "threshold": 0.25,
    "rows": {"train": 800, "test": 200},
    "period": {"from": "2013-01-01", "cutoff": None},
    "features": ["origin", "delay_6h"],
}


def client(uri: str):
    with quietly():
        return connect(uri)


@pytest.fixture
def workspace(tmp_path: Path, empty_mlflow: Path) -> Workspace:
    made = Workspace(tmp_path / "work", settings=Settings())
    made.home.mkdir(parents=True)
    shutil.copyfile(empty_mlflow, made.home / "mlflow.db")
    yield made
    made.ledger.dispose()


@pytest.fixture
def mlflow(workspace: Workspace):
    return client(workspace.mlflow_uri)


def bundle_of(number: int) -> bytes:
    """Something like a bundle: a zip with the installed distributions."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            zipfile.ZipInfo("environment.txt"), f"outlast==0.1.0\npytest==9.0.0\nscikit-learn==1.{number}.0\n"
        )
    return buffer.getvalue()


@pytest.fixture
def train(workspace: Workspace, noon):
    def made(number: int, *, model: str = "late", keep: bool = True, summary=SUMMARY):
        data = bundle_of(number)
        digest = workspace.artifacts.put(data) if keep else digest_of(data)
        given = {"code_digest": "c" * 64, "summary": summary, "lineage": {"seed": 7, "commit": "abc"}, "by": "ada"}
        return register(workspace.ledger, model, digest=digest, task="binary", at=noon, **given)

    return made


@pytest.fixture
def promote(workspace: Workspace, noon):
    def made(number: int):
        with workspace.ledger.write() as connection:
            digest = verdicts.write(connection, "late", number, noon, [])
        given = {"by": "ada", "verdict": digest, "at": noon}
        return transition(workspace.ledger, "late", action="promote", to=number, **given)

    return made


def did(done) -> list[tuple[int, str]]:
    return [(one.number, one.did) for one in done]


def aliases(mlflow) -> dict[str, int]:
    return {name: int(number) for name, number in mlflow.get_registered_model("late").aliases.items()}


def numbers(mlflow) -> dict[int, int]:
    """Our number to MLflow's."""
    found = mlflow.search_model_versions("name = 'late'")
    return {int(one.tags["outlast.version"]): int(one.version) for one in found if one.tags}


def runs(mlflow):
    experiment = mlflow.get_experiment_by_name("late").experiment_id
    return sorted(mlflow.search_runs([experiment]), key=lambda run: int(run.data.tags["outlast.version"]))


def test_a_version_is_there_with_run_figures_artifacts_and_alias(workspace, mlflow, train, promote, tmp_path) -> None:
    version = train(1)
    promote(1)
    assert did(mirror(workspace, "late")) == [(1, "made"), (0, "pointed")]
    (run,) = runs(mlflow)
    assert (run.info.run_name, run.info.status, run.data.tags["outlast.digest"]) == (
        "late@1",
        "FINISHED",
        version.digest,
    )
    assert run.data.metrics == {
        "roc_auc": 0.71,
        "roc_auc_low": 0.69,
        "roc_auc_high": 0.73,
        "log_loss": 0.5,
        "value_per_decision": 3.25,
        "value_per_decision_low": 3.0,
        "value_per_decision_high": 3.5,
    }
    assert run.data.params["features"] == "origin, delay_6h"
    assert (run.data.params["rows.train"], run.data.params["seed"], run.data.params["task"]) == ("800", "7", "binary")
    assert run.data.tags["mlflow.source.git.commit"] == "abc"
    files = {one.path for one in mlflow.list_artifacts(run.info.run_id, "model")}
    assert files == {f"model/{name}" for name in ("MLmodel", "outlast", "python_env.yaml", "requirements.txt")}
    folder = Path(mlflow.download_artifacts(run.info.run_id, "model", str(tmp_path)))
    assert (folder / "requirements.txt").read_text() == "outlast==0.1.0\nscikit-learn==1.1.0\n"
    assert digest_of((folder / "outlast/bundle.zip").read_bytes()) == version.digest
    assert aliases(mlflow) == {"champion": 1}
    assert run.info.artifact_uri.startswith(workspace.home.as_uri())  # not where the process happens to run


SEARCHED = {
    **SUMMARY,
    "search": {
        "metric": "roc_auc",
        "trials": [
            {"parameters": {"depth": 3}, "value": 0.7, "step": "trial 1"},
            {"parameters": {"depth": 5}, "value": None, "step": "trial 2"},
        ],
    },
    "timings": {"trial 1": 1.5},
    "evaluation": {
        "calibration": {
            "error": {"value": 0.02, "low": 0.01, "high": 0.03},
            "large": {"value": 0.0, "low": -0.01, "high": 0.01},
            "slope": None,
            "bins": [{"predicted": 0.2, "observed": 0.3, "observed_low": 0.25, "observed_high": 0.35}],
        },
    },
}


def trials(mlflow) -> list[tuple[dict, dict, str]]:
    """What the runs below a version's have: parameters, metrics, state."""
    experiment = mlflow.get_experiment_by_name("late").experiment_id
    found = mlflow.search_runs([experiment], "tags.`outlast.trial` != ''", order_by=["tags.`outlast.trial`"])
    return [(run.data.params, run.data.metrics, run.info.status) for run in found]


def test_trials_are_runs_below_and_pictures_are_artifacts(workspace, mlflow, train) -> None:
    train(1, summary=SEARCHED)
    assert did(mirror(workspace, "late"))[0] == (1, "made")
    experiment = mlflow.get_experiment_by_name("late").experiment_id
    (run,) = mlflow.search_runs([experiment], "tags.`outlast.model` = 'late'")
    below = [({"depth": "3"}, {"roc_auc": 0.7, "seconds": 1.5}, "FINISHED"), ({"depth": "5"}, {}, "FINISHED")]
    assert trials(mlflow) == below
    assert run.data.metrics["calibration_error_high"] == 0.03
    files = {one.path for one in mlflow.list_artifacts(run.info.run_id, "pictures")}
    assert files == {"pictures/calibration.png", "pictures/calibration.svg"}
    assert mirror(workspace, "late") == []
    rebuild(workspace, "late")
    assert trials(mlflow) == below, "made anew, and no run twice"


def test_a_picture_that_cannot_be_drawn_is_reported_and_made_later(workspace, train, monkeypatch) -> None:
    train(1)

    def broken(*_: object) -> list[Path]:
        raise ValueError("no such mark")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_side, "save", broken)
        assert [one.did for one in mirror(workspace, "late")] == ["failed"]
    assert "no such mark" in failures(workspace.ledger)[0].sentence
    mirror(workspace, "late")
    assert failures(workspace.ledger) == []


def test_mirroring_again_does_and_changes_nothing(workspace, mlflow, train, promote) -> None:
    for number in (1, 2):
        train(number)
    promote(1)
    mirror(workspace, "late")
    with closing(sqlite3.connect(workspace.home / "mlflow.db")) as database:
        before = list(database.iterdump())
    assert mirror(workspace, "late") == []
    with closing(sqlite3.connect(workspace.home / "mlflow.db")) as database:
        assert list(database.iterdump()) == before


def test_a_model_without_versions_leaves_no_trace(workspace, mlflow) -> None:
    assert mirror(workspace, "late") == []
    assert mlflow.get_experiment_by_name("late") is None


def test_aliases_follow_the_rollout(workspace, mlflow, train, promote, noon) -> None:
    seen = []
    train(1), train(2)
    mirror(workspace, "late")
    seen.append(aliases(mlflow))
    for step in (lambda: promote(1), lambda: promote(2), lambda: train(3)):
        step()
        assert "put back" not in [one.did for one in mirror(workspace, "late")]
        seen.append(aliases(mlflow))
    transition(workspace.ledger, "late", action="rollback", by="ada", at=noon)
    mirror(workspace, "late")
    seen.append(aliases(mlflow))
    with workspace.ledger.read() as connection:
        verdict = verdicts.newest(connection, "late", 2)
    transition(workspace.ledger, "late", action="shadow", to=2, verdict=verdict.digest, by="ada", at=noon)
    mirror(workspace, "late")
    seen.append(aliases(mlflow))
    assert seen == [
        {"challenger": 2},
        {"champion": 1, "challenger": 2},
        {"champion": 2},
        {"champion": 2, "challenger": 3},
        {"champion": 1, "challenger": 3},
        {"champion": 1, "challenger": 2},  # who stands beside it goes before who was trained last
    ]


def test_an_alias_moved_by_hand_is_put_back_and_reported_and_nothing_live_changes(
    workspace, mlflow, train, promote
) -> None:
    train(1), train(2)
    promote(1)
    mirror(workspace, "late")
    was = live(workspace.ledger)
    mlflow.set_registered_model_alias("late", "champion", "2")
    mlflow.set_registered_model_alias("late", "mine", "2")
    (told,) = mirror(workspace, "late")
    assert (told.did, aliases(mlflow)) == ("put back", {"champion": 1, "challenger": 2, "mine": 2})
    assert "Alias 'champion' of model 'late' pointed at version 2 in MLflow, not by Outlast" in told.sentence
    mlflow.delete_registered_model_alias("late", "challenger")
    (told,) = mirror(workspace, "late")
    assert (told.did, aliases(mlflow)["challenger"]) == ("put back", 2)
    assert "was taken away" in told.sentence
    assert live(workspace.ledger) == was
    assert mirror(workspace, "late") == []


def test_an_alias_set_by_hand_where_none_belongs_is_taken_away(workspace, mlflow, train) -> None:
    train(1)
    mirror(workspace, "late")
    mlflow.set_registered_model_alias("late", "champion", "1")
    (told,) = mirror(workspace, "late")
    assert (told.did, aliases(mlflow)) == ("put back", {"challenger": 1})
    assert "points at nothing again" in told.sentence


def delete_run(mlflow) -> None:
    mlflow.delete_run(runs(mlflow)[0].info.run_id)


def delete_experiment(mlflow) -> None:
    mlflow.delete_experiment(mlflow.get_experiment_by_name("late").experiment_id)


def delete_version(mlflow) -> None:
    mlflow.delete_model_version("late", "1")


def delete_model(mlflow) -> None:
    mlflow.delete_registered_model("late")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (delete_run, {1: 1, 2: 2}),
        (delete_experiment, {1: 1, 2: 2}),
        (delete_version, {1: 3, 2: 2}),
        (delete_model, {1: 1, 2: 2}),
    ],
)
def test_what_was_deleted_by_hand_comes_back(workspace, mlflow, train, promote, damage, expected) -> None:
    train(1), train(2)
    promote(1)
    mirror(workspace, "late")
    damage(mlflow)
    assert "failed" not in [one.did for one in mirror(workspace, "late")]
    assert numbers(mlflow) == expected
    assert len(runs(mlflow)) == 2
    assert aliases(mlflow) == {"champion": expected[1], "challenger": expected[2]}
    assert mirror(workspace, "late") == []


def test_a_registered_model_that_others_use_keeps_a_mapping_of_numbers(workspace, mlflow, train, promote) -> None:
    mlflow.create_registered_model("late")
    mlflow.create_model_version("late", "file:///elsewhere")
    train(1)
    promote(1)
    done = mirror(workspace, "late")
    assert done[0].sentence == "late@1 is in MLflow, where it is version 2: models:/late/2"
    assert aliases(mlflow) == {"champion": 2}
    assert mirror(workspace, "late") == []


def test_the_mirror_is_made_anew_when_its_database_is_gone(workspace, empty_mlflow, train, promote) -> None:
    train(1), train(2)
    promote(2)
    mirror(workspace, "late")
    other = workspace.home / "other.db"
    shutil.copyfile(empty_mlflow, other)
    moved = Workspace(workspace.root, settings=Settings(mlflow=f"sqlite:///{other}"))
    assert did(rebuild(moved)) == [(1, "made"), (2, "made"), (0, "pointed")]
    assert numbers(client(moved.mlflow_uri)) == {1: 1, 2: 2}
    moved.ledger.dispose()


def test_a_rebuild_puts_lost_artifacts_back(workspace, mlflow, train) -> None:
    train(1)
    mirror(workspace, "late")
    shutil.rmtree(workspace.home / "mlartifacts")
    assert mirror(workspace, "late") == []
    rebuild(workspace, "late")
    (run,) = runs(mlflow)
    assert len(mlflow.list_artifacts(run.info.run_id, "model")) == 4


def test_a_run_that_was_cut_short_is_finished(workspace, mlflow, train, monkeypatch) -> None:
    train(1)
    with monkeypatch.context() as cut:
        cut.setattr("mlflow.MlflowClient.log_artifacts", killed)
        with pytest.raises(KeyboardInterrupt):
            mirror(workspace, "late")
    assert [run.info.status for run in runs(mlflow)] == ["RUNNING"]
    assert did(mirror(workspace, "late")) == [(1, "made"), (0, "pointed")]
    assert [run.info.status for run in runs(mlflow)] == ["FINISHED"]
    assert numbers(mlflow) == {1: 1}


def killed(*_, **__) -> None:
    raise KeyboardInterrupt


def test_a_lost_bundle_is_reported_until_it_is_back(workspace, mlflow, train) -> None:
    train(1, keep=False)
    train(2)
    assert did(mirror(workspace, "late")) == [(1, "failed"), (2, "made"), (0, "pointed")]
    assert "late@1 is in MLflow without its bundle" in failures(workspace.ledger)[0].sentence
    assert numbers(mlflow) == {1: 1, 2: 2}
    workspace.artifacts.put(bundle_of(1))
    assert did(mirror(workspace, "late")) == [(1, "made")]
    assert failures(workspace.ledger) == []
    assert mirror(workspace, "late") == []


@pytest.mark.parametrize("uri", ["http://ada:hunter2@127.0.0.1:1", "sqlite:////proc/nowhere/mlflow.db"])
def test_an_outage_is_recorded_and_reported_and_raises_nothing(workspace, train, promote, monkeypatch, uri) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    train(1)
    promote(1)
    down = Workspace(workspace.root, settings=Settings(mlflow=uri))
    (told,) = mirror(down, "late")
    assert (told.number, told.did) == (0, "failed")
    assert told.sentence.startswith("MLflow cannot be brought up to date with model 'late': ")
    assert "hunter2" not in told.sentence
    assert "\n" not in told.sentence
    assert failures(workspace.ledger) == [told]
    assert [one.live for one in live(workspace.ledger)] == [1]
    down.ledger.dispose()
    assert did(mirror(workspace, "late")) == [(1, "made"), (0, "pointed")]
    assert failures(workspace.ledger) == []


def test_an_outage_does_not_make_our_own_alias_look_moved(workspace, mlflow, train, promote, monkeypatch) -> None:
    train(1), train(2)
    promote(1)
    mirror(workspace, "late")
    with monkeypatch.context() as outage:
        outage.setattr("mlflow.MlflowClient.search_runs", full)
        assert did(mirror(workspace, "late")) == [(0, "failed")]
    promote(2)
    assert {one.did for one in mirror(workspace, "late")} == {"pointed"}


def full(*_, **__) -> None:
    raise OSError(28, "No space left on device")


def test_an_outage_half_way_leaves_numbers_in_order(workspace, mlflow, train, monkeypatch) -> None:
    for number in (1, 2, 3):
        train(number)
    with monkeypatch.context() as outage:
        original = sys.modules["mlflow"].MlflowClient.log_artifacts
        left = iter([original])
        outage.setattr("mlflow.MlflowClient.log_artifacts", lambda *given: next(left, full)(*given))
        assert did(mirror(workspace, "late")) == [(1, "made"), (2, "failed")]
    assert numbers(mlflow) == {1: 1}
    assert did(mirror(workspace, "late")) == [(2, "made"), (3, "made"), (0, "pointed")]
    assert numbers(mlflow) == {1: 1, 2: 2, 3: 3}


def test_two_at_once_do_not_make_things_twice(workspace, train) -> None:
    train(1)
    assert leases.acquire(workspace.ledger, "mirror:late", "somebody", 60, now())
    assert did(mirror(workspace, "late")) == [(0, "waited")]
    leases.release(workspace.ledger, "mirror:late", "somebody")
    assert did(mirror(workspace, "late")) == [(1, "made"), (0, "pointed")]


def test_nothing_is_sent_to_a_third_party(workspace, mlflow) -> None:
    from mlflow.telemetry.client import get_telemetry_client

    assert get_telemetry_client() is None


def test_warnings_of_our_own_are_not_hidden() -> None:
    with pytest.warns(sa.exc.SADeprecationWarning, match="something else"), quietly():
        warnings.warn("something else", sa.exc.SADeprecationWarning, stacklevel=1)
