"""The card in a real MLflow: beside the version's run, written again only when something else is on it."""

import shutil
from pathlib import Path

import pytest

from outlast.evidence.card.mirroring import beside
from outlast.gates.promote import promote
from outlast.project.workspace import Workspace
from outlast.registry.mirror import failures, mirror, rebuild
from outlast.registry.mlflow_side import connect, quietly
from outlast.types import ModelRef, now

NAME = "late-orders"

# MLflow's own, each time it reads a run.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning",
)


def written(workspace: Workspace) -> dict[str, tuple[int, str]]:
    """When each form of the card was written, and what stands in it."""
    files = (workspace.home / "mlartifacts").rglob("card.*")
    return {file.name: (file.stat().st_mtime_ns, file.read_text()) for file in files}


def test_the_card_follows_what_is_said_of_the_version(known: Workspace, empty_mlflow: Path, monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    place = Workspace.find(known.root)
    shutil.copyfile(empty_mlflow, place.home / "mlflow.db")
    mirror(place, NAME, beside=beside)
    first = written(place)
    assert first.keys() == {"card.md", "card.html"}
    assert "It was never judged" in first["card.md"][1]
    assert first["card.html"][1].count("<svg") >= 3
    mirror(place, NAME, beside=beside)
    assert written(place) == first, "nothing new is on it"
    promote(place, ModelRef(NAME, 1), by="bob", reason="agreed with shipping", now=now())
    mirror(place, NAME, beside=beside)
    second = written(place)
    assert "agreed with shipping" in second["card.md"][1]
    assert "agreed with shipping" in second["card.html"][1]
    with quietly():
        client = connect(place.mlflow_uri)
        (run,) = client.search_runs([client.get_experiment_by_name(NAME).experiment_id])
        assert {"card.md", "card.html"} <= {one.path for one in client.list_artifacts(run.info.run_id)}
    rebuild(place, NAME)
    assert written(place) == second, "who knows of no card leaves it"
    place.artifacts.path(run.data.tags["outlast.digest"]).unlink()
    assert [one.did for one in mirror(place, NAME, beside=beside)] == ["failed"]
    assert "without what belongs beside it" in failures(place.ledger)[0].sentence
    place.ledger.dispose()
