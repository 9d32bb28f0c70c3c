"""The ladder's simpler model: what it may see, who is chosen, what it costs, and that it comes out the same twice."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outlast.bundle.predictor import open_bundle
from outlast.project.loader import load_project
from outlast.registry.versions import Version
from outlast.training.run import train

NOW = datetime(2024, 6, 1, tzinfo=UTC)
LADDER = ('ladder = ["full", "default", "refuse"]', 'ladder = ["full", "simpler", "default", "refuse"]')


def edit(folder: Path, old: str, new: str, file: str = "model.py") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def trained(folder: Path) -> Version:
    return train(load_project(folder), by="ada", now=NOW).version


@pytest.fixture
def laddered(orders: Path) -> Path:
    """The small project with a ladder that names a simpler model."""
    edit(orders, *LADDER, "outlast.toml")
    return orders


@pytest.fixture(scope="module")
def made(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Version]:
    folder = tmp_path_factory.mktemp("made") / "orders"
    shutil.copytree(orders_template, folder)
    edit(folder, *LADDER, "outlast.toml")
    return folder, trained(folder)


def test_it_sees_what_is_asked_and_what_functions_give_without_a_lookup(made: tuple[Path, Version]) -> None:
    folder, version = made
    found = version.summary["simpler"]
    assert found["features"] == ["shop", "weight", "coupon", "ordered_at", "hour"]
    manifest = open_bundle(load_project(folder).workspace, version.digest).manifest["simpler"]
    assert manifest == {"features": found["features"], "functions": ["calendar"], "places": [0], "pandas": False}


def test_the_best_candidate_on_held_out_training_rows_is_chosen_and_the_others_are_named(
    made: tuple[Path, Version],
) -> None:
    _, version = made
    found = version.summary["simpler"]
    assert set(found["judged"]["failed"]) == {"own fit"}  # it names the columns that are looked up
    assert "late_1d" in found["judged"]["failed"]["own fit"]
    figures = found["judged"]["figures"]
    assert found["candidate"] == max(figures, key=lambda name: figures[name])
    assert set(figures) == {"house", "distilled"}
    assert found["candidate"] in version.lineage["simpler"]["candidate"]
    assert "own fit could not be fitted" in version.lineage["simpler"]["why"]


def test_what_it_costs_is_the_difference_of_both_on_the_same_rows(made: tuple[Path, Version]) -> None:
    _, version = made
    summary, found = version.summary, version.summary["simpler"]
    lost = summary["metrics"]["roc_auc"]["value"] - found["metrics"]["roc_auc"]["value"]
    assert found["costs"]["metric"] == "roc_auc"
    assert found["costs"]["loss"]["value"] == pytest.approx(lost)
    assert found["costs"]["loss"]["low"] < lost < found["costs"]["loss"]["high"]
    money = found["costs"]["value"]
    assert money["per_decision"] == pytest.approx(summary["value"]["per_decision"] - found["value"]["per_decision"])
    assert money["per_1000"] == pytest.approx(1000 * money["per_decision"])
    assert (money["low"] < money["per_decision"] < money["high"], money["currency"]) == (True, "EUR")
    assert found["compiled"]["compiled"], found["compiled"]["says"]


def test_equal_trainings_keep_equal_bytes(made: tuple[Path, Version], laddered: Path) -> None:
    assert trained(laddered).digest == made[1].digest


OWN = """
def fit(x, y, seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    return make_pipeline(FunctionTransformer(some), LogisticRegression(random_state=seed)).fit(x, y)


def some(x):
    day = pl.col("ordered_at").dt.epoch("s") / 86400 / 6  # the tide of the orders, which trees cannot see in a moment
    known = x.select(pl.col("weight"), (pl.col("shop") == "east").cast(pl.Int8), day.sin().alias("a"), b=day.cos())
    return known.to_numpy()


"""


def test_the_projects_own_fit_may_win(laddered: Path) -> None:
    text = (laddered / "model.py").read_text()
    (laddered / "model.py").write_text(text[: text.index("def fit(")] + OWN + text[text.index("model = Model(") :])
    found = trained(laddered).summary["simpler"]
    assert found["judged"]["failed"] == {}
    assert found["candidate"] == "own fit"
    assert found["why"].startswith("the project's fit on the columns left: roc_auc 0.")


def test_functions_that_read_what_is_looked_up_are_left_out_and_said(laddered: Path) -> None:
    reads = "def risky(rows):\n    return rows.select(risk=pl.col('late_1d') * 2)\n\n\ndef fit("
    guesses = "def guess(rows):\n    return rows.select(guess=pl.col('weight') * ('late_1d' in rows.columns))\n\n\n"
    edit(laddered, "def fit(", guesses + reads)
    edit(laddered, "calendar],", "risky, calendar, guess],")
    found = trained(laddered).summary["simpler"]
    assert "risk" not in found["features"]
    assert "guess" not in found["features"]
    assert found["left_out"]["risky"].startswith("it cannot do without what is looked up: Function 'risky' fails")
    assert found["left_out"]["guess"] == "it gives other values without what is looked up"


def test_a_ladder_without_it_trains_none(orders: Path) -> None:
    version = trained(orders)
    assert "simpler" not in version.summary
    assert "simpler" not in open_bundle(load_project(orders).workspace, version.digest).manifest


def test_a_model_that_looks_nothing_up_needs_no_other(laddered: Path) -> None:
    text = (laddered / "model.py").read_text()
    text = text[: text.index("def fit(")] + OWN + text[text.index("model = Model(") :]
    begin, end = text.index("    features=["), text.index("    label=")
    (laddered / "model.py").write_text(text[:begin] + "    features=[calendar],\n" + text[end:])
    version = trained(laddered)
    assert version.summary["simpler"] == {"says": "the full model looks nothing up: no second one was trained"}
    bundle = open_bundle(load_project(laddered).workspace, version.digest)
    assert "simpler" not in bundle.manifest
    assert not [name for name in bundle.files if "simpler" in name]


def test_payoffs_of_a_looked_up_column_leave_nothing_to_decide_by(laddered: Path) -> None:
    edit(laddered, "yes = 10, no = -4", 'yes = "late_3d", no = -0.4', "outlast.toml")
    found = trained(laddered).summary["simpler"]
    assert found == {"says": "none: payoffs read 'late_3d', which is not known without what is looked up"}


def several(folder: Path, label: str, task: str, money: str) -> None:
    edit(folder, 'label=deliveries["late"] == True', f"label={label}")
    edit(folder, "LogisticRegression(random_state=seed)", task)
    edit(folder, "import LogisticRegression", "import LogisticRegression, Ridge")
    edit(folder, "payoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }", money, "outlast.toml")


SEVERAL: dict[str, Any] = {
    "regression": ('deliveries["hours"]', "Ridge()", "per_unit_error = -2"),
    "multiclass": ('deliveries["kind"]', "LogisticRegression(random_state=seed, max_iter=1000)",
                   "payoff = { call = { a = 1, b = 2, c = -3 }, wait = { a = 0, b = 0, c = 0 } }"),
}  # fmt: skip


@pytest.mark.parametrize("task", SEVERAL)
def test_other_tasks_have_one_too(laddered: Path, task: str) -> None:
    import polars as pl

    file = laddered / "data" / "deliveries.csv"
    told = pl.read_csv(file, try_parse_dates=True)
    hours = (pl.col("order_id") * 7919 % 97 / 10 + 5 * (pl.col("shop") == "east")).alias("hours")
    kinds = pl.when(pl.col("hours") > 9).then(pl.lit("a")).when(pl.col("hours") > 4).then(pl.lit("b"))
    told.with_columns(hours).with_columns(kind=kinds.otherwise(pl.lit("c"))).write_csv(file)
    label, fit, money = SEVERAL[task]
    several(laddered, label, fit, money)
    if task == "regression":
        edit(laddered, 'defaults = { decision = "wait" }', "defaults = { decision = 3.5 }", "outlast.toml")
    found = trained(laddered).summary["simpler"]
    assert found["candidate"] in ("house", "distilled")
    assert found["compiled"]["compiled"], found["compiled"]["says"]
    assert found["costs"]["value"]["per_decision"] > 0
