"""The gate asks a version its golden rows over HTTP, in a workspace that leaves nothing behind."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outlast.bundle.format import encode, pack
from outlast.bundle.predictor import open_bundle
from outlast.errors import Refused
from outlast.gates.promote import promote
from outlast.gates.skew import answers_alike
from outlast.journal.reading import predictions
from outlast.project.loader import load_project
from outlast.registry.rollout import current
from outlast.registry.versions import Version, find, register
from outlast.training.run import train
from outlast.types import ModelRef

NOW = datetime(2024, 6, 1, tzinfo=UTC)
NAME = "late-orders"
pytestmark = pytest.mark.usefixtures("asked_anew")


@pytest.fixture(scope="module")
def trained(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with a feature that hangs on the environment, trained once."""
    orders = shutil.copytree(orders_template, tmp_path_factory.mktemp("trained") / "orders")
    (orders / "rates.py").write_text("import os\n\n\ndef rate():\n    return float(os.environ.get('RATE', '1'))\n")
    text = (orders / "model.py").read_text().replace("hour=pl.col", "dear=pl.col('weight') * rate(), hour=pl.col")
    numbers = "from shapes import numbers\n"
    (orders / "model.py").write_text(text.replace(numbers, numbers + "from rates import rate\n"))
    shapes = (orders / "shapes.py").read_text()
    (orders / "shapes.py").write_text(shapes.replace('pl.col("weight")', 'pl.col("dear")'))
    train(load_project(orders), by="ada", now=NOW)
    return orders


@pytest.fixture
def version(trained: Path, orders: Path) -> Version:
    """Its version; the project is that of `orders`."""
    shutil.copytree(trained, orders, dirs_exist_ok=True)
    return find(load_project(orders).workspace.ledger, ModelRef(NAME))


def test_a_version_that_answers_as_in_training_passes_and_leaves_nothing_behind(orders: Path, version: Version) -> None:
    place = load_project(orders).workspace
    check = answers_alike(place, version, now=NOW)
    assert (check.name, check.passed) == ("skew", True)
    assert check.says.startswith("over HTTP, 17 golden rows, asked from ") or check.says.startswith("over HTTP, 16 ")
    assert check.says.endswith("got the answers of training to the last bit")
    assert check.evidence["differences"] == []
    assert current(place.ledger, NAME).live is None
    assert predictions(place, NAME).collect().is_empty()
    assert place.fresh.digests() == []


def test_a_version_that_answers_otherwise_here_stands_in_its_own_way(
    orders: Path, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATE", "3")
    place = load_project(orders).workspace
    with pytest.raises(
        Refused, match=r"1 of 10 checks stands in the way, verdict [0-9a-f]{12}:\n  skew: golden row 0 has the scores"
    ):
        promote(place, ModelRef(NAME, "latest"), by="bob", reason="tested", now=NOW)
    assert current(place.ledger, NAME).live is None


def test_what_could_not_be_asked_is_not_passed(orders: Path, version: Version) -> None:
    place = load_project(orders).workspace
    bundle = open_bundle(place, version.digest)
    rows = bundle.json("golden.json")
    for row in rows:
        del row["facts"], row["answer"]
    manifest = {name: value for name, value in bundle.manifest.items() if name not in ("format", "files")}
    digest = place.artifacts.put(pack(manifest, {**bundle.files, "golden.json": encode(rows)}))
    earlier = register(place.ledger, NAME, digest=digest, code_digest=version.code_digest, task="binary", summary={},
                       lineage={}, by="ada", at=NOW)  # fmt: skip
    check = answers_alike(place, earlier, now=NOW)
    assert check.passed is None
    assert "carry no facts" in check.says
    broken = place.artifacts.put(b"no bundle")
    gone = register(place.ledger, NAME, digest=broken, code_digest=None, task="binary", summary={}, lineage={}, by="a",
                    at=NOW)  # fmt: skip
    check = answers_alike(place, gone, now=NOW)
    assert check.passed is None
    assert "could not be asked: Bundle" in check.says
