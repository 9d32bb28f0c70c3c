"""What a run leaves for the watch: a past whose loss is the evaluation's, and bins that outlast the version."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from outlast.bundle.format import Bundle
from outlast.bundle.predictor import open_bundle
from outlast.data.past import FILE, Past, from_bytes
from outlast.data.profile import Profile
from outlast.data.profile import from_json as profile_from
from outlast.project.loader import load_project
from outlast.registry.versions import find
from outlast.training.run import Trained, train
from outlast.types import ModelRef
from tests.serving.numbers_project import CLASSES, build

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def run(folder: Path) -> tuple[Trained, Bundle, Past]:
    project = load_project(folder)
    trained = train(project, by="ada", now=NOW)
    bundle = open_bundle(project.workspace, trained.version.digest)
    past = from_bytes(bundle.files[FILE])
    assert past is not None
    return trained, bundle, past


def edit(folder: Path, old: str, new: str, file: str) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def profile(bundle: Bundle) -> Profile:
    return profile_from(bundle.files["profile.json"])


def test_the_loss_of_the_past_is_what_the_evaluation_says_was_lost(orders: Path) -> None:
    """Money regret: what the best decision of every outcome is worth, less what the model's were."""
    trained, bundle, past = run(orders)
    held_out = trained.version.summary["rows"]["test"]
    assert past.rows == past.blocks.rows.sum() == held_out
    assert past.features == tuple(one.name for one in profile(bundle).features)
    assert past.scale.kind == "payoff"
    payoff = past.scale.payoff
    yes = past.blocks.outcomes[..., 1].sum() / held_out
    best = yes * max(float(p["yes"]) for p in payoff.values()) + (1 - yes) * max(
        float(p["no"]) for p in payoff.values()
    )
    lost = past.blocks.mills.sum() * (past.scale.money or 0) / held_out
    assert lost == pytest.approx(best - trained.version.summary["value"]["model"], abs=past.scale.span / 1000)
    assert past.wide is not None
    assert past.usual.rows.sum() == trained.version.summary["rows"]["labelled"]


def test_every_feature_has_a_digest_and_the_next_version_keeps_its_bins(orders: Path) -> None:
    first, bundle, _ = run(orders)
    assert set(bundle.manifest["feature_digests"]) == set(first.version.summary["features"])
    assert "bins" not in first.version.lineage
    edit(orders, "threads = 1", 'threads = 1\nsince = "2024-01-20"', "outlast.toml")
    edit(orders, ".dt.hour()", ".dt.weekday()", "model.py")
    second, changed, _ = run(orders)
    assert second.version.number == 2
    (said,) = second.version.lineage["bins"]
    assert (said["version"], said["bundle"]) == (1, first.version.digest)
    assert "hour" not in said["features"]
    before, after = ({one.name: one for one in profile(b).features} for b in (bundle, changed))
    for name in said["features"]:
        assert (after[name].edges, after[name].categories) == (before[name].edges, before[name].categories)
        assert sum(after[name].counts) == sum(after["shop"].counts) != sum(before[name].counts)
    assert after["hour"].edges != before["hour"].edges
    assert run(orders)[0].version.digest == second.version.digest, "the same again is the same version"


REGRESSION = """
from outlast import Model, Source

planks = Source("planks", "planks.parquet", key="plank", time="at")


def fit(x, y, seed):
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit(x, y)


model = Model("width", asks=planks["width", "knots"], label=planks["length"], fit=fit)
"""


def test_classes_lose_where_another_was_likeliest(tmp_path: Path) -> None:
    workspace = build(tmp_path / "grades")
    version = find(workspace.ledger, ModelRef("grade", 1))
    past = from_bytes(open_bundle(workspace, version.digest).files[FILE])
    assert past is not None
    assert (past.scale.kind, past.scale.outcomes, past.scale.money) == ("error", CLASSES, None)
    wrong = past.blocks.outcomes[..., 0].sum() / past.rows
    assert past.blocks.mills.sum() / past.rows == pytest.approx(1000 * wrong)
    assert wrong == pytest.approx(1 - version.summary["metrics"]["accuracy"]["value"])
    sample = past.sample
    assert ((sample.answers == sample.outcomes) == (sample.sides == 1)).all()


def test_amounts_lose_by_their_squared_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    knots = rng.integers(0, 9, 600)
    at = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(600)]
    length = 1.0 + 0.3 * knots + rng.normal(0, 0.1 + 0.1 * knots)
    planks = pl.DataFrame({"plank": range(600), "at": at, "width": rng.random(600), "knots": knots, "length": length})
    planks.write_parquet(tmp_path / "planks.parquet")
    (tmp_path / "model.py").write_text(REGRESSION)
    (tmp_path / "outlast.toml").write_text('[model]\ntask = "regression"\n[label]\ndelay = "1h"\n')
    trained, _, past = run(tmp_path)
    assert past.scale.kind == "squared"
    rmse = trained.version.summary["metrics"]["rmse"]["value"]
    assert past.blocks.mills.sum() / past.rows * past.scale.span / 1000 == pytest.approx(rmse**2, rel=0.05)
    assert (past.sample.sides == (past.sample.outcomes >= past.sample.scores)).all()
