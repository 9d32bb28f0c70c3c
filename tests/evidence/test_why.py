"""Why a version answers as it does, and where one answer came from: from the table, and before it is sealed."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outlast.bundle.answers import Answer
from outlast.errors import NotFound, RequestError
from outlast.evidence.moved import moved
from outlast.evidence.why import WITHHELD, is_prediction, why_prediction, why_version
from outlast.journal.finding import span_of
from outlast.journal.journal import Journal
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry.rollout import transition
from outlast.registry.verdicts import write
from outlast.registry.versions import Version, find
from outlast.serving.handle import Handle, open_model
from outlast.training.run import train
from outlast.types import ModelRef, micros

NOW = datetime(2024, 6, 1, tzinfo=UTC)
LIVE = ModelRef("late-orders", "live")
ROW = {"shop": "east", "weight": 2.5, "coupon": "A", "ordered_at": "2024-03-01T10:00:00Z"}


def answer(number: int) -> Answer:
    """An answer of the day after, a second after the one before."""
    at = micros(NOW + timedelta(days=1, seconds=number))
    asks = {"shop": "east", "weight": 2.5, "coupon": "A"}
    seen = {**asks, "hour": number}
    name = f"{at:014x}{number:016x}"
    return Answer(name, f"k{number}", at, at, asks, seen, number / 40, None, "call", "full", [], [], b"")


@pytest.fixture(scope="module")
def place(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A version with a sensitive column, live since NOW, and 40 answers in the journal, half of them sealed."""
    folder = tmp_path_factory.mktemp("why") / "orders"
    shutil.copytree(orders_template, folder)
    contract = folder / "outlast.toml"
    contract.write_text(contract.read_text() + '\n[journal]\nsensitive = ["coupon"]\n')
    project = load_project(folder)
    version = train(project, by="ada", now=NOW).version
    ledger = project.workspace.ledger
    said = [{"name": "made", "passed": True, "says": "", "evidence": {}}]
    with ledger.write() as connection:
        verdict = write(connection, version.model, 1, NOW, said)
    transition(ledger, version.model, action="promote", to=1, by="bob", reason="better", verdict=verdict, at=NOW)
    journal_of(project.workspace, version)
    return project.workspace


def journal_of(workspace: Workspace, version: Version) -> None:
    origin = open_model("late-orders@1", workspace)
    assert isinstance(origin, Handle)
    with Journal(workspace) as journal:
        journal.predictions([answer(n) for n in range(20)], origin._predictor, request_id="r", server="host-1")
        journal.seal()
        journal.predictions([answer(n) for n in range(20, 40)], origin._predictor, request_id="s", server="host-1")
    assert version.digest == origin.digest


def test_the_five_questions_have_answers_for_programs(place: Workspace) -> None:
    said = why_version(place, LIVE).plain()
    assert said["code"]["digest"]
    assert {name: one["rows"] for name, one in said["sources"].items()} == {"orders": 1500, "deliveries": 1500}
    assert said["training_set"]["rows"] == 1391
    assert [one["kind"] for one in said["features"]] == ["window", "latest", "function"]
    assert said["environment"]["seed"] == 0
    assert said["environment"]["builds"]["outlast"]["artifact"]
    assert said["verdict"].passed
    assert [(one["action"], one["by"]) for one in said["transitions"]] == [("promote", "bob")]
    assert said["trained"]["cost"]["cpu_seconds"] > 0
    assert said["prediction"] is None


@pytest.mark.parametrize("number", [7, 33], ids=["sealed", "not sealed"])
def test_an_answer_is_found_by_its_id_and_by_how_that_begins(place: Workspace, number: int) -> None:
    sent = answer(number)
    for begins in (sent.prediction_id, sent.prediction_id[:14]):
        found = why_prediction(place, begins)
        assert found.prediction is not None
        assert found.prediction.prediction_id == sent.prediction_id
        assert (found.prediction.score, found.prediction.server) == (number / 40, "host-1")
        assert found.prediction.made_live is not None
        assert found.prediction.made_live.by == "bob"
        assert str(found.version) == "late-orders@1"


def test_sensitive_columns_of_an_answer_are_not_told(place: Workspace) -> None:
    found = why_prediction(place, answer(7).prediction_id).prediction
    assert found is not None
    assert found.asks == {"shop": "east", "weight": 2.5, "coupon": WITHHELD}
    assert found.features is not None
    assert found.features["coupon"] == WITHHELD
    assert len(found.asks_digest or "") == 64


def test_an_id_that_is_not_there_or_begins_several_says_so(place: Workspace) -> None:
    with pytest.raises(NotFound, match=r"There is no model 'f00d', and it is too short .* give 8 characters"):
        why_version(place, ModelRef("f00d"))
    with pytest.raises(NotFound, match="There is no prediction 'f00dfeedf00d'"):
        why_prediction(place, "f00dfeedf00d")
    with pytest.raises(RequestError, match="Several predictions begin with"):
        why_prediction(place, answer(0).prediction_id[:8])


@pytest.mark.parametrize(("text", "is_one"), [("late-orders", False), ("beef", False), ("00061a2b3c4d5e6f", True)])
def test_only_the_digits_of_an_id_mean_a_prediction(place: Workspace, text: str, is_one: bool) -> None:
    assert is_prediction(place, text) is is_one


def test_an_id_tells_its_moment() -> None:
    sent = answer(3)
    assert span_of(sent.prediction_id) == (sent.at, sent.at)
    first, last = span_of(sent.prediction_id[:10])
    assert first <= sent.at <= last
    assert last - first == 16**4 - 1


def test_nothing_of_the_project_or_the_bundle_runs(place: Workspace) -> None:
    """The project's model.py would end the process, and nothing that models are made of is loaded."""
    (place.root / "model.py").write_text((place.root / "model.py").read_text() + "\nraise SystemExit(9)\n")
    say = "from outlast.cli import main; import sys; main(['why', 'late-orders@1', '--json'])"
    look = "import atexit, sys; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr)); "
    done = subprocess.run(
        [sys.executable, "-c", look + say], cwd=place.root, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = done.stderr.splitlines()[-1]
    assert "'polars'" in loaded
    for heavy in ("sklearn", "mlflow", "pandas", "onnxruntime", "deltalake", "alembic"):
        assert f"'{heavy}'" not in loaded


def test_a_version_of_a_project_that_is_gone_has_moved_nowhere(place: Workspace, tmp_path: Path) -> None:
    elsewhere = Workspace(tmp_path, settings=place.settings)
    version = find(place.ledger, LIVE)
    vars(elsewhere)["ledger"] = place.ledger
    assert moved(elsewhere, version) == {}
