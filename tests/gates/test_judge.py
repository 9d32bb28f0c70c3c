"""What the gate stops, each on a real training: a leak, a slice made worse, no runbook, a slow model, changed bytes."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from outlast.bundle.format import pack
from outlast.bundle.predictor import open_bundle
from outlast.errors import Refused, StorageError
from outlast.gates import load
from outlast.gates.case import Case
from outlast.gates.judge import judge
from outlast.gates.latency import fast_enough
from outlast.gates.promote import promote
from outlast.gates.verdict import Check, Verdict, last_verdict
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry.rollout import current
from outlast.registry.versions import Version, find
from outlast.training.run import train
from outlast.types import ModelRef

NOW = datetime(2024, 6, 1, tzinfo=UTC)
NAME = ModelRef("late-orders", "latest")


def edit(folder: Path, old: str, new: str, file: str = "outlast.toml") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def run(folder: Path) -> Version:
    return train(load_project(folder), by="ada", now=NOW).version


def place_of(folder: Path) -> Workspace:
    return load_project(folder).workspace


def judged(folder: Path) -> Verdict:
    place = place_of(folder)
    return judge(place, find(place.ledger, NAME), now=NOW)


def check(verdict: Verdict, name: str) -> Check:
    return next(one for one in verdict.checks if one.name == name)


def refused(folder: Path, says: str) -> None:
    with pytest.raises(Refused, match=says):
        promote(place_of(folder), NAME, by="bob", reason="tested", now=NOW)


@pytest.fixture(scope="module")
def trained_once(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged") / "orders"
    shutil.copytree(orders_template, folder)
    run(folder)
    return folder


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """The small project with one version that deserves to go live."""
    shutil.copytree(trained_once, tmp_path / "orders")
    return tmp_path / "orders"


class Watching:
    """Somebody who is told of the steps."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def begins(self, step: str) -> None:
        self.seen.append(step)

    def ends(self, step: str, seconds: float) -> None:
        assert self.seen[-1] == step
        assert seconds >= 0


@pytest.mark.usefixtures("whole_gate")
def test_the_whole_gate_passes_a_good_version_and_keeps_a_verdict_with_its_evidence(trained: Path) -> None:
    place, watching = place_of(trained), Watching()
    version = find(place.ledger, NAME)
    verdict = judge(place, version, now=NOW, watcher=watching)
    assert [one.name for one in verdict.failed] == []
    assert [one.name for one in verdict.checks] == watching.seen
    assert watching.seen[-2:] == ["latency", "reproducible"]
    assert check(verdict, "latency").evidence["runs"][0]["requests"] >= 25
    assert check(verdict, "latency").evidence["memory"] > 50e6
    assert 0.01 < check(verdict, "latency").evidence["cpu_per_1000"] < 1000
    assert "equal, bit for bit" in check(verdict, "reproducible").says
    assert last_verdict(place.ledger, version) == verdict


def test_a_feature_that_knows_the_outcome_is_stopped(orders: Path) -> None:
    late = pl.read_csv(orders / "data" / "deliveries.csv").select("order_id", fee=pl.col("late").cast(pl.Float64) * 3)
    data = orders / "data" / "orders.csv"
    pl.read_csv(data).join(late, on="order_id").write_csv(data)
    edit(orders, '"coupon", "ordered_at"]', '"coupon", "fee", "ordered_at"]', "model.py")
    edit(orders, 'pl.col("hour"),', 'pl.col("hour"), pl.col("fee"),', "shapes.py")
    run(orders)
    refused(orders, r"\n  leakage: orders: Column 'fee' alone tells the label")
    assert check(judged(orders), "data").passed is True


def test_a_slice_made_worse_is_stopped_though_the_mean_is_better(orders: Path) -> None:
    """The first version knows only the east, the second the other two shops, and has the east upside down."""
    edit(orders, "[retraining]", '[gate]\nmargin = 0.05\nslices = ["shop"]\nslice_rows = 50\n\n[retraining]')
    features = (orders / "shapes.py").read_text()
    east = '(pl.col("shop") == "east").cast(pl.Int8)'
    one = f'return x.select(pl.col("late_3d").fill_null(0.3) * {east}).to_numpy()\n'
    other = f'return x.select(pl.col("late_3d").fill_null(0.3) * (1 - 2 * {east}), {east}).to_numpy()\n'
    head = features[: features.index("    return x.select(")]
    (orders / "shapes.py").write_text(f"{head}    {one}")
    run(orders)
    promote(place_of(orders), NAME, by="bob", reason="tested", now=NOW)
    (orders / "shapes.py").write_text(f"{head}    {other}")
    run(orders)
    verdict = judged(orders)
    champion, slices = check(verdict, "champion"), check(verdict, "slices")
    assert champion.passed is True
    assert champion.evidence["roc_auc"]["value"] > 0.03
    assert slices.passed is False
    assert "worse than under version 1 in shop = east: roc_auc -" in slices.says
    refused(orders, r"\n  slices: worse than under version 1 in shop = east")


def test_a_version_without_a_runbook_is_stopped(trained: Path) -> None:
    (trained / "RUNBOOK.md").unlink()
    refused(trained, r"\n  contract: the runbook 'RUNBOOK.md' does not exist")


SLOW = """
class Slow:
    def __init__(self, inner):
        self.inner = inner

    def predict(self, x):
        import time

        time.sleep(0.02 if len(x) < 3 else 0.0)
        return self.inner.predict_proba(x)[:, 1]
"""


def test_a_model_too_slow_for_its_contract_is_stopped(orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for length in ("SECONDS", "_MORE"):
        monkeypatch.setattr(load, length, 0.5)
    (orders / "shapes.py").write_text((orders / "shapes.py").read_text() + SLOW)
    edit(orders, "from shapes import numbers", "from shapes import Slow, numbers", "model.py")
    edit(orders, "return make_pipeline(", "return Slow(make_pipeline(", "model.py")
    edit(orders, ".fit(x, y)", ".fit(x, y))", "model.py")
    edit(orders, 'p99 = "1s"\nrate = 10', 'p99 = "10ms"\nrate = 4')
    version, project = run(orders), load_project(orders)
    found = fast_enough(Case(project.workspace, orders, project.contract, version, None), now=NOW)
    assert found.passed is not True  # None where the machine is so busy that it may not be the model's fault
    first, second = found.evidence["runs"]
    assert min(first["p50"], second["p50"]) > 10
    assert f"p99 {second['p99']:.3g} ms" in found.says
    assert "10ms is promised" in found.says


def test_a_bundle_whose_bytes_were_changed_is_stopped_before_anything_of_it_runs(trained: Path) -> None:
    place = place_of(trained)
    version = find(place.ledger, NAME)
    bundle = open_bundle(place, version.digest)
    code = "open('ran', 'w')\n" + bundle.files["code/model.py"].decode()
    kept = {name: one for name, one in bundle.manifest.items() if name not in ("format", "files")}
    (file,) = (trained / ".outlast" / "artifacts").rglob(version.digest)
    file.chmod(0o644)
    file.write_bytes(pack(kept, {**bundle.files, "code/model.py": code.encode()}))
    verdict = judged(trained)
    assert [(one.name, one.passed) for one in verdict.checks] == [("bundle", False)]
    assert version.digest[:12] in verdict.checks[0].says
    with pytest.raises(StorageError, match="is damaged, its contents have another digest"):
        promote(place, NAME, by="bob", reason="tested", now=NOW)
    assert current(place.ledger, NAME.name).live is None
    assert not (trained / "ran").exists()
