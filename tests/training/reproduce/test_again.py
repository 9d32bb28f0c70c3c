"""Versions made again, by real fits in processes of their own: equal to the last bit, or the right cause named."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from outlast.errors import NotFound
from outlast.project.loader import Project, load_project
from outlast.registry.versions import Version, find
from outlast.training.reproduce import again
from outlast.training.reproduce.again import Runs, reproduce, reproducible_here
from outlast.training.reproduce.changes import Instead, with_changes
from outlast.training.reproduce.inputs import kept_inputs
from outlast.training.run import train
from outlast.training.steps import Steps
from outlast.types import ModelRef

NOW = datetime(2024, 6, 1, tzinfo=UTC)
FAMILIES = {
    "scikit-learn": """
    from sklearn.ensemble import HistGradientBoostingClassifier
    trees = HistGradientBoostingClassifier(max_iter=10, random_state=seed)
""",
    "lightgbm": """
    from lightgbm import LGBMClassifier
    same = {"random_state": seed, "deterministic": True, "force_row_wise": True, "verbose": -1}  # not by the clock
    trees = LGBMClassifier(n_estimators=10, subsample=0.7, subsample_freq=1, **same)
""",
    "xgboost": """
    from xgboost import XGBClassifier
    trees = XGBClassifier(n_estimators=10, subsample=0.7, random_state=seed)
""",
}
IMPORTS = """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
"""
PLAIN = """
    from shapes import Line, line, strength
    return Line(line(numbers(x), y, seed) * strength())
"""
LINE = """

import os
import numpy as np
from pathlib import Path
from threadpoolctl import threadpool_info


class Line:
    def __init__(self, weights):
        self.weights, self.rows = weights, lambda x: numbers(x)

    def predict_proba(self, x):
        yes = 1 / (1 + np.exp(-self.rows(x) @ self.weights))
        return np.column_stack([1 - yes, yes])

    def predict(self, x):
        return self.predict_proba(x)[:, 1] > 0.5


def line(a, y, seed):
    pull = max(pool["num_threads"] for pool in threadpool_info())
    a = a.astype(float)
    weights = np.linalg.solve(a.T @ a + pull * np.eye(a.shape[1]), a.T @ (y - 0.5))
    return weights + np.random.default_rng(seed).normal(0, 0.01, len(weights))


def strength():
    return 1.0
"""
"""A fit without heavy libraries, so that a process that fits again starts quickly; its ridge is the thread count."""


def write_fit(folder: Path, body: str) -> None:
    text = (folder / "model.py").read_text()
    start, end = text.index("def fit("), text.index("model = Model(")
    (folder / "model.py").write_text(f"{text[:start]}def fit(x, y, seed):\n{body.strip(chr(10))}\n\n\n{text[end:]}")


def write_plain(folder: Path) -> None:
    write_fit(folder, PLAIN)
    shapes = folder / "shapes.py"
    shapes.write_text(shapes.read_text() + LINE)


def made(folder: Path) -> tuple[Project, Version]:
    project = load_project(folder)
    return project, train(project, by="ada", now=NOW).version


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def plain(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with the plain fit, trained once; tests work on copies."""
    folder = tmp_path_factory.mktemp("plain") / "orders"
    shutil.copytree(orders_template, folder)
    write_plain(folder)
    made(folder)
    return folder


@pytest.fixture
def project(plain: Path, tmp_path: Path) -> Project:
    shutil.copytree(plain, tmp_path / "orders")
    return load_project(tmp_path / "orders")


@pytest.fixture
def version(project: Project) -> Version:
    return find(project.workspace.ledger, ModelRef("late-orders"))


@pytest.fixture(scope="module")
def runs(plain: Path) -> Runs:
    """The fits of that version; the one from what was kept is done once for all tests."""
    workspace = load_project(plain).workspace
    kept = kept_inputs(workspace, find(workspace.ledger, ModelRef("late-orders")))
    return Runs(workspace, kept, Steps(), anew=False)


@pytest.mark.parametrize(
    "family", ["scikit-learn", *(pytest.param(name, marks=pytest.mark.slow) for name in ("lightgbm", "xgboost"))]
)
def test_a_version_made_again_is_equal_to_the_last_bit(
    orders: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = "    return make_pipeline(FunctionTransformer(numbers), trees).fit(x, y)\n"
    write_fit(orders, IMPORTS + FAMILIES[family].strip("\n") + "\n" + pipeline)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # what a shell says of processors is not what the contract says
    project, version = made(orders)
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT")
    found = reproducible_here(project.workspace, version)
    assert found.equal is True, found.sentence
    assert found.evidence["parts"] == {"model": True, "answers": True, "features": True}
    assert "equal, bit for bit" in found.sentence


Change = Callable[[Path], Instead]


def one_row(folder: Path) -> Instead:
    rows = pl.read_csv(folder / "data" / "orders.csv")
    heavy = pl.when(pl.col("order_id") == 40).then(pl.col("weight") + 5).otherwise(pl.col("weight"))
    rows.with_columns(heavy.alias("weight")).write_csv(folder / "data" / "orders.csv")
    return Instead(sources=True, environment="here")


def one_line(folder: Path) -> Instead:
    edit(folder / "shapes.py", "return 1.0", "return 1.5")
    return Instead(code="here", environment="here")


CAUSES: dict[str, tuple[Change, str, str]] = {
    "row": (one_row, "data", "because of the data: 'weight' moved in 1 row (40); answers differ on"),
    "line": (one_line, "code", "because of the code: shapes.py from line 38 on (2 lines removed or added); answers"),
    "seed": (lambda _: Instead(seed=6, environment="here"), "seed", "because of the seed: 6 instead of 0; answers"),
    "threads": (lambda _: Instead(threads=2, environment="here"), "threads", "because of the threads: 2 instead of 1"),
}


@pytest.mark.parametrize("change", CAUSES)
def test_the_one_thing_that_changed_is_named(project: Project, runs: Runs, change: str) -> None:
    make, cause, says = CAUSES[change]
    found = runs.judged(with_changes(project.workspace, runs.kept, make(project.folder)))
    assert (found.equal, found.cause) == (False, cause), found.sentence
    assert says in found.sentence


def test_a_folder_of_code_that_is_not_there_is_told(project: Project, runs: Runs) -> None:
    with pytest.raises(NotFound, match="There is no folder 'nowhere'"):
        with_changes(project.workspace, runs.kept, Instead(code="nowhere", environment="here"))


def test_of_several_changes_only_those_that_change_the_bits_are_named(project: Project, runs: Runs) -> None:
    edit(project.folder / "model.py", "import polars as pl", "import polars as pl  # frames")
    found = runs.judged(with_changes(project.workspace, runs.kept, Instead(code="here", seed=6, environment="here")))
    assert found.evidence["causes"] == ["seed"], found.sentence
    assert set(found.evidence["changed"]) == {"code", "seed"}


def test_a_fit_that_is_not_steady_is_named_as_such(orders: Path) -> None:
    write_plain(orders)
    edit(orders / "shapes.py", "return 1.0", "return 1 + os.urandom(1)[0] / 256 + os.urandom(1)[0] / 65536")
    project, version = made(orders)
    found = reproducible_here(project.workspace, version)
    assert (found.equal, found.cause) == (False, "fit")
    assert "two fits from the very same inputs give other answers" in found.sentence


def test_a_fit_that_reads_what_was_not_kept_says_so(orders: Path) -> None:
    (orders / "c.txt").write_text("0.5")
    write_plain(orders)
    edit(orders / "shapes.py", "return 1.0", f"return float(Path({str(orders / 'c.txt')!r}).read_text())")
    project, version = made(orders)
    found = reproducible_here(project.workspace, version)
    assert (found.equal, found.cause) == (None, None)
    assert "c.txt: a file of the project that is not kept with the version" in found.sentence


def test_what_no_input_explains_is_the_machine_or_unknown(orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plain(orders)
    edit(orders / "shapes.py", "return 1.0", "return float(os.environ.get('STRENGTH', 1))")
    monkeypatch.setenv("STRENGTH", "2")
    project, version = made(orders)
    kept = kept_inputs(project.workspace, version)
    runs = Runs(project.workspace, kept, Steps(), anew=False)
    here = with_changes(project.workspace, kept, Instead(environment="here"))
    assert runs.judged(here).cause == "unknown"
    monkeypatch.setattr(again, "processor", lambda: "another processor")
    found = runs.judged(here)
    assert (found.equal, found.cause) == (False, "hardware")
    assert "another processor instead of" in found.sentence


def test_another_version_put_in_names_what_they_differ_in(project: Project, runs: Runs) -> None:
    edit(project.folder / "shapes.py", "return 1.0", "return 1.5")
    other = made(project.folder)[1]
    found = runs.judged(with_changes(project.workspace, runs.kept, Instead(version=other, environment="here")))
    assert (found.cause, other.number) == ("code", 2), found.sentence


def test_an_erased_training_set_is_called_erased(project: Project, version: Version) -> None:
    tables = project.workspace.tables
    rows = tables.scan(version.lineage["snapshot"]).collect()
    tables.replace(version.lineage["snapshot"], rows.head(rows.height - 1))
    changed = reproducible_here(project.workspace, version)
    tables.delete(version.lineage["snapshot"])
    gone = reproducible_here(project.workspace, version)
    assert [(one.equal, one.cause) for one in (changed, gone)] == [(None, "erased")] * 2
    assert "rows of table" in changed.sentence
    assert "was erased: there is no table" in gone.sentence


def test_sources_that_still_give_the_set_are_equal(project: Project, version: Version) -> None:
    found = reproduce(project.workspace, version, Instead(sources=True, environment="here"))
    assert found.equal is True, found.sentence
    assert found.evidence["changed"] == {}
