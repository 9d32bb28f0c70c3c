"""A search for parameters, and splits by group: nothing is judged by rows that it has learned from."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from outlast.errors import ContractError, DataError, TrainingError
from outlast.journal.sources import Sources
from outlast.project.contract import parse_contract
from outlast.project.loader import load_project
from outlast.training.dataset import GROUP, build_dataset, cutoff_of
from outlast.training.reproduce.again import reproducible_here
from outlast.training.run import train
from outlast.training.search import combinations, parameters_of
from outlast.training.splitting import split_rows

NOW = datetime(2024, 6, 1, tzinfo=UTC)
MODEL = """
import json
from pathlib import Path

import polars as pl
from outlast import Model, Source

rows = Source("rows", "rows.parquet", key="id", time="at")


class Means:
    def __init__(self, bins, flat=False):
        self.bins, self.flat = bins, flat

    def fit(self, x, y):
        place = self._place(x)
        self.means = [float(y[place == n].mean()) if (place == n).any() else 0.5 for n in range(self.bins)]
        return self

    def _place(self, x):
        return (x["size"].to_numpy() * self.bins).astype(int).clip(0, self.bins - 1)

    def predict_proba(self, x):
        import numpy as np

        chance = np.array(self.means)[self._place(x)] * (0 if self.flat else 1)
        return np.column_stack([1 - chance, chance])

    def predict(self, x):
        return self.predict_proba(x)[:, 1] > 0.5

    def get_params(self):
        return {"bins": self.bins, "flat": self.flat, "edges": [0, 1]}


def fit(x, y, seed, bins=1, flat=False):
    with open(Path.cwd() / "seen.jsonl", "a") as file:
        file.write(json.dumps({"bins": bins, "flat": flat, "rows": len(x), "last": int(x["n"].max())}) + "\\n")
    return Means(bins, flat).fit(x, y)


model = Model("grid", asks=rows["size", "n"], label=rows["late"] == True, fit=fit)
"""


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A thousand rows in order of time, whose chance is a step that two bins can see; ten rows of each customer."""
    rng = np.random.default_rng(4)
    size = rng.random(1000)
    frame = {
        "id": range(1000),
        "n": range(1000),
        "size": size,
        "late": rng.random(1000) < np.where(size > 0.5, 0.9, 0.2),
    }
    at = pl.datetime_range(datetime(2024, 1, 1), datetime(2024, 5, 1), eager=True, interval="1h")[:1000]
    pl.DataFrame({**frame, "at": at, "customer": [f"c{n % 100}" for n in range(1000)]}).write_parquet(
        tmp_path / "rows.parquet"
    )
    (tmp_path / "model.py").write_text(MODEL)
    write(tmp_path, "search = { bins = [1, 2, 4], flat = [true, false] }")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, training: str, label: str = "delay = '1d'") -> None:
    (folder / "outlast.toml").write_text(f"[label]\n{label}\n[training]\nthreads = 1\n{training}\n")


class Watched:
    def __init__(self) -> None:
        self.begun: list[str] = []

    def begins(self, step: str) -> None:
        self.begun.append(step)

    def ends(self, step: str, seconds: float) -> None:
        assert self.begun[-1] == step


def test_the_best_trial_is_fitted_again_on_all_rows_to_train(grid: Path) -> None:
    watcher = Watched()
    version = train(load_project(grid), by="ada", now=NOW, watcher=watcher).version
    found = version.summary["search"]
    values = {(t["parameters"]["bins"], t["parameters"]["flat"]): t["value"] for t in found["trials"]}
    assert len(values) == found["combinations"] == 6
    assert found["chosen"]["flat"] is False
    assert found["trials"][found["best"]]["value"] == max(values.values()) > values[1, False]
    seen = pl.read_ndjson(grid / "seen.jsonl")
    assert seen.height == 7
    assert seen["rows"].to_list() == [found["rows"]["train"]] * 6 + [version.summary["rows"]["train"]]
    assert version.lineage["parameters"]["search"] == found["chosen"]
    assert version.lineage["parameters"]["estimator"] == found["chosen"]
    trials = [step for step in watcher.begun if step.startswith("trial")]
    assert trials[0] == "trial 1 of 6: bins=1, flat=True"
    assert set(trials) <= set(version.summary["timings"])


def test_trials_see_neither_test_rows_nor_labels_that_came_later(grid: Path) -> None:
    train(load_project(grid), by="ada", now=NOW)
    seen = pl.read_ndjson(grid / "seen.jsonl")
    assert seen["last"].to_list() == [seen["last"][0]] * 6 + [seen["last"][6]]
    assert seen["last"][6] == 799 - 24 - 1, "a day before the test begins, by the label's delay"
    assert seen["last"][0] < 0.8 * seen["last"][6], "and a day before the rows that judge"


def test_a_searched_version_is_made_again_with_the_parameters_it_chose(grid: Path) -> None:
    project = load_project(grid)
    version = train(project, by="ada", now=NOW).version
    assert reproducible_here(project.workspace, version).equal


@pytest.mark.parametrize(
    ("training", "says"),
    [
        ("search = { bin = [1] }", "tries 'bin', which fit of model 'grid' does not take: did you mean 'bins'"),
        ("search = { seed = [1, 2] }", "tries 'seed', which fit of model 'grid' does not take"),
        ("search = { bins = [] }", "'training.search' is .*'bins' lists what to try"),
        ('split = "group"', 'split = "group" and group = "a column of the questions" go together'),
        (
            'split = "group"\ngroup = "custmer"',
            "'training.group' names the column 'custmer', which source 'rows'",
        ),
    ],
)
def test_what_cannot_be_tried_or_grouped_is_one_sentence(grid: Path, training: str, says: str) -> None:
    write(grid, training)
    with pytest.raises(ContractError, match=says):
        train(load_project(grid), by="ada", now=NOW)
    assert not (grid / "seen.jsonl").exists()


def test_too_few_rows_to_judge_trials_by_is_one_sentence(grid: Path) -> None:
    write(grid, "search = { bins = [1, 2] }\nuntil = '2024-01-03'\nholdout = 0.8", "delay = '1h'")
    with pytest.raises((DataError, TrainingError), match=r"'training\.search' needs a part of the rows to train"):
        train(load_project(grid), by="ada", now=NOW)


def test_no_group_is_on_both_sides(grid: Path) -> None:
    write(grid, 'split = "group"\ngroup = "customer"')
    project = load_project(grid)
    dataset = build_dataset(project, Sources(project), cutoff_of(project, NOW))
    sides = [set(dataset.rows.filter(pl.Series(side))[GROUP]) for side in split_rows(project, dataset, 0)]
    assert not sides[0] & sides[1]
    assert len(sides[1]) == 20
    assert sides[1] != set(dataset.rows.filter(pl.Series(split_rows(project, dataset, 1)[1]))[GROUP])
    assert train(project, by="ada", now=NOW).version.summary["rows"]["test"] == 200


def test_rows_that_name_no_group_are_groups_of_their_own(grid: Path) -> None:
    frame = pl.read_parquet(grid / "rows.parquet").with_columns(customer=pl.lit(None, pl.String))
    frame.write_parquet(grid / "rows.parquet")
    write(grid, 'split = "group"\ngroup = "customer"')
    project = load_project(grid)
    dataset = build_dataset(project, Sources(project), cutoff_of(project, NOW))
    assert int(split_rows(project, dataset, 0)[1].sum()) == 200


def test_more_combinations_than_trials_are_drawn_without_repeating_one() -> None:
    values = {"a": list(range(50)), "b": list(range(1000)), "c": ["x", "y"]}
    drawn = combinations(values, 12, seed=3)
    assert len({tuple(one.values()) for one in drawn}) == 12
    assert drawn == combinations(values, 12, seed=3) != combinations(values, 12, seed=4)
    every = combinations({"a": [1, 2], "b": ["x", "y"]}, 12, seed=0)
    assert every == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]


def test_an_estimators_parameters_are_its_plain_ones() -> None:
    class Shy:
        def get_params(self) -> dict[str, object]:
            raise NotImplementedError

    class Open:
        def get_params(self) -> dict[str, object]:
            return {"b": 2, "a": float("nan"), "steps": [1], "c": None}

    assert parameters_of(object()) == parameters_of(Shy()) == {}
    assert parameters_of(Open()) == {"a": "nan", "b": 2, "c": None}


def test_a_contract_without_a_search_reads_as_before() -> None:
    assert parse_contract("").training.search == {}
