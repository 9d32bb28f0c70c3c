"""A whole run on a small project: labels as known, splits with an embargo, the same bytes twice, honest counts."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from outlast.bundle.predictor import open_bundle, open_predictor
from outlast.errors import Conflict, DataError, OutlastError, TrainingError
from outlast.journal.ingest import Ingest
from outlast.journal.journal import Journal
from outlast.journal.sources import Sources
from outlast.project.loader import load_project
from outlast.training.dataset import AT, LABEL_AT, build_dataset, cutoff_of
from outlast.training.run import Trained, train
from outlast.training.splitting import split_rows
from outlast.types import micros

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def run(folder: Path, **more: int) -> Trained:
    return train(load_project(folder), by="ada", now=NOW, **more)


def edit(folder: Path, old: str, new: str, file: str = "outlast.toml") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def test_a_run_registers_a_version_with_its_figures_and_its_money(orders: Path) -> None:
    version = run(orders).version
    summary = version.summary
    assert (version.model, version.number, version.task) == ("late-orders", 1, "binary")
    auc = summary["metrics"]["roc_auc"]
    assert 0.5 < auc["low"] < auc["value"] < auc["high"] < 1
    assert summary["value"]["currency"] == "EUR"
    assert summary["value"]["low"] > 0
    assert "simpler" not in summary
    assert summary["compiled"]["says"] == (
        "the fitted model serves: the function numbers of a FunctionTransformer is not data"
    )
    assert set(summary["sources"]) == {"orders", "deliveries"}


def test_two_runs_of_the_same_give_the_same_bytes_and_one_version(orders: Path) -> None:
    first, second = run(orders).version, run(orders).version
    assert first.digest == second.digest
    assert second.number == 1


def test_the_same_project_in_another_folder_gives_the_same_bytes(orders: Path) -> None:
    here = run(orders).version.digest
    there = orders.parent / "elsewhere" / "orders"
    shutil.copytree(orders, there, ignore=shutil.ignore_patterns(".outlast"))
    assert run(there).version.digest == here


def test_the_order_of_payoffs_survives_the_bundle(orders: Path) -> None:
    """The first decision acts and the last does nothing, however they are called."""
    edit(orders, "call = { yes = 10, no = -4 }, wait =", "visit = { yes = 10, no = -4 }, a_letter =")
    edit(orders, 'decision = "wait"', 'decision = "a_letter"')
    version = run(orders).version
    kept = open_bundle(load_project(orders).workspace, version.digest).contract
    assert list(kept.value.payoff or {}) == ["visit", "a_letter"]
    assert version.summary["value"]["baseline"] == 0
    assert version.summary["threshold"] == pytest.approx(4 / 14)


def test_another_seed_or_another_row_is_another_version(orders: Path) -> None:
    first = run(orders)
    edit(orders, "threads = 1", 'threads = 1\nsplit = "random"')
    assert run(orders, seed=5).version.digest != run(orders, seed=6).version.digest
    assert first.version.number == 1


def test_labels_are_used_only_if_known_at_the_cutoff_and_splits_are_embargoed(orders: Path) -> None:
    project = load_project(orders)
    cutoff = cutoff_of(project, NOW)
    dataset = build_dataset(project, Sources(project), cutoff)
    train_rows, test_rows = split_rows(project, dataset, 0)
    known, asked = dataset.rows[LABEL_AT].to_numpy(), dataset.rows[AT].to_numpy()
    assert known.max() < micros(cutoff)
    assert known[train_rows].max() < asked[test_rows].min()
    embargoed = ~train_rows & ~test_rows
    assert embargoed.any()
    assert (known[embargoed] >= asked[test_rows].min()).all()
    assert dataset.counts["asked"] == sum(dataset.counts[k] for k in ("labelled", "never", "not_yet"))
    assert dataset.counts["not_yet"] > 0


def test_features_never_see_the_label_or_the_key(orders: Path) -> None:
    project = load_project(orders)
    dataset = build_dataset(project, Sources(project), cutoff_of(project, NOW))
    expected = ("shop", "weight", "coupon", "ordered_at", "late_1d", "late_3d", "last_late", "hour")
    assert dataset.features == expected


def test_silence_may_mean_no(orders: Path) -> None:
    deliveries = pl.read_csv(orders / "data" / "deliveries.csv")
    deliveries.filter(pl.col("late")).write_csv(orders / "data" / "deliveries.csv")
    project = load_project(orders)
    with pytest.raises(DataError, match=r"hold one class only, 'yes' \(\d+ rows\).* silence = \"no\""):
        build_dataset(project, Sources(project), cutoff_of(project, NOW))
    edit(orders, 'delay = "2d"', 'delay = "2d"\nmaturity = "3d"\nsilence = "no"')
    project = load_project(orders)
    both = build_dataset(project, Sources(project), cutoff_of(project, NOW))
    assert both.counts["never"] == 0
    assert 0 < both.y.mean() < 1


def test_what_is_served_is_what_was_evaluated(orders: Path) -> None:
    """The bundle's own code and model give the scores of the run again, from the features it kept."""
    trained = run(orders)
    project = load_project(orders)
    predictor = open_predictor(project.workspace, trained.version.digest, 1)
    rows = project.workspace.tables.scan(trained.version.summary["snapshot"]).filter(pl.col("__test")).collect()
    golden = open_bundle(project.workspace, trained.version.digest).json("golden.json")
    scored = np.array(predictor.score_features(rows))
    assert golden[-1]["scores"] == scored[-1].tolist()
    assert all(one["request"]["coupon"] for one in golden[:1])


def test_what_was_pushed_is_trained_on_like_what_lies_in_the_source(orders: Path) -> None:
    run(orders)
    deliveries = pl.read_csv(orders / "data" / "deliveries.csv", try_parse_dates=True)
    project = load_project(orders)
    before = build_dataset(project, Sources(project), cutoff_of(project, NOW))
    early, late = deliveries.head(900), deliveries.tail(600)
    early.write_csv(orders / "data" / "deliveries.csv")
    with Journal(project.workspace) as journal:
        done = Ingest(project.workspace, journal).take("deliveries", late, at=NOW)
        assert done.rows == 600
    sources = Sources(project)
    after = build_dataset(project, sources, cutoff_of(project, NOW))
    assert after.rows.equals(before.rows, null_equal=True)
    assert sources.fingerprints()["deliveries"]["pushed"] == 600


FAULTS = [
    (("model.py", "return make_pipeline(", "1 / 0; return make_pipeline("), "fit of model 'late-ord"),
    (("model.py", ".fit(x, y)", ".fit(x, y) and None"), "returned a NoneType"),
    (("model.py", "make_pipeline(FunctionTransformer(numbers), LogisticRegression(random_state=seed)).fit(x, y)",
      "LogisticRegression().fit(numbers(x), y)"), "returned cannot predict"),
    (("model.py", "hour=pl.col", "shop=pl.col"), "which is there already"),
    (("model.py", "return rows.select(hour=pl.col(\"ordered_at\").dt.hour())", "return rows.select(hour=pl.len())"),
     "exactly one row for each row"),
    (("model.py", "return rows.select(hour=pl.col(\"ordered_at\").dt.hour())", "return 3"), "returned a int"),
    (("model.py", 'orders["shop", "weight"', 'orders["shop", "wieght"'), "did you mean 'weight'"),
    (("model.py", 'max_age="2d"', 'max_age="2 d"'), "not a length of time"),
    (("model.py", 'last_late="late"', 'last_late="lat"'), "did you mean 'late'"),
    (("model.py", 'key="order_id", time="delivered_at"', 'time="delivered_at"'), "has no key"),
    (("outlast.toml", 'until = "2024-03-25"', 'until = "soon"'), "expected a moment"),
    (("outlast.toml", 'until = "2024-03-25"', 'until = "2023-03-25"'), "no labelled question before"),
    (("outlast.toml", "yes = 10, no = -4", "yes = 10, maybe = -4"), "expected no, yes"),
    (("outlast.toml", "yes = 10, no = -4", 'yes = "wieght", no = -4'), "neither an ask nor a feature"),
    (("outlast.toml", 'currency = "EUR"', 'baseline = "weight >> 3"'), "cannot be read as a rule"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), FAULTS, ids=[says for _, says in FAULTS])
def test_a_run_that_cannot_be_is_refused_in_a_sentence_and_leaves_nothing(
    orders: Path, change: tuple[str, str, str], says: str
) -> None:
    edit(orders, change[1], change[2], change[0])
    with pytest.raises(OutlastError) as caught:
        run(orders)
    assert says in str(caught.value)
    assert not list((orders / ".outlast").rglob("*.zip"))
    assert not (orders / ".outlast" / "artifacts").exists() or not load_project(orders).workspace.artifacts.digests()


def test_one_name_cannot_mean_two_sources_in_a_workspace(orders: Path) -> None:
    (orders.parent / "workspace.toml").write_text("")
    run(orders)
    other = orders.parent / "other"
    orders.rename(orders.parent / "tmp")
    (orders.parent / "tmp").rename(other)
    edit(other, '"late-orders"', '"other-orders"', "model.py")
    edit(other, 'lag="5m"', 'lag="6m"', "model.py")
    with pytest.raises(Conflict, match="deliveries"):
        run(other)


def test_two_classes_as_text_need_a_comparison(orders: Path) -> None:
    edit(orders, 'label=deliveries["late"] == True', 'label=deliveries["shop"]', "model.py")
    edit(orders, "[model]", '[model]\ntask = "binary"')
    with pytest.raises(TrainingError, match="write it as a comparison"):
        run(orders)
