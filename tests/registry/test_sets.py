"""Versions of shared sets: numbered as they are declared, kept by whom they were trained into."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outlast.errors import Conflict, NotFound, RequestError
from outlast.gates.checking import findings
from outlast.project.loader import Project, load_project
from outlast.project.workspace import Workspace
from outlast.registry.sets import catalog, find_set, versions_of
from outlast.storage.fresh import Fact
from outlast.training.run import train
from outlast.types import micros

NOW = datetime(2024, 6, 1, tzinfo=UTC)
SET = (
    'history = Features("shop-history", [window(deliveries, by="shop", over=["1d", "3d"], late=pl.col("late").mean())])'
)
SHARED = f"""
import polars as pl
from outlast import Features, Source, window

deliveries = Source("deliveries", "data/deliveries.csv", key="order_id", time="delivered_at", lag="5m")
{SET[:-1]}, owner="shops@example.com", meaning="M")
"""


@pytest.fixture
def team(orders: Path) -> tuple[Path, Path]:
    """Two models of one workspace that share a set."""
    root = orders.parent
    (root / "workspace.toml").write_text('packages = ["common"]\n')
    (root / "common").mkdir()
    (root / "common" / "shops.py").write_text(SHARED)
    model = orders / "model.py"
    text = model.read_text()
    assert SET in text
    model.write_text(text.replace(SET, "from common.shops import history"))
    other = root / "second"
    shutil.copytree(orders, other)
    (other / "model.py").write_text(model.read_text().replace('"late-orders"', '"second"'))
    return orders, other


def trained(folder: Path) -> Project:
    project = load_project(folder)
    train(project, by="ada", now=NOW)
    return project


def both(team: tuple[Path, Path]) -> Workspace:
    """Each model trained once, in their workspace."""
    trained(team[0])
    return trained(team[1]).workspace


def widen(folder: Path) -> None:
    file = folder.parent / "common" / "shops.py"
    file.write_text(file.read_text().replace('over=["1d", "3d"]', 'over=["1d", "3d", "7d"]'))


def test_a_set_is_in_the_catalog_with_its_users(team: tuple[Path, Path]) -> None:
    place = both(team)
    (entry,) = catalog(place, now=NOW)
    assert (str(entry.version), entry.owner, entry.meaning) == ("shop-history@1", "shops@example.com", "M")
    assert [str(user) for user in entry.users] == ["late-orders@1", "second@1"]
    assert [(c.name, c.kind) for c in entry.columns] == [("late_1d", "number"), ("late_3d", "number")]
    assert all(c.missing is not None and 0 <= c.missing < 0.2 for c in entry.columns)
    assert [c.type for c in entry.columns] == ["Float64", "Float64"]
    assert (entry.sources, entry.newest_fact) == (["deliveries"], None)
    assert [(f.source, f.lag, f.newest, f.age) for f in entry.freshness] == [("deliveries", "5m", None, None)]
    assert (entry.served_rows, {c.served_missing for c in entry.columns}) == (0, {None})


def test_the_newest_fact_that_is_known_by_now_says_how_fresh_a_set_is(team: tuple[Path, Path]) -> None:
    place = both(team)
    known = NOW - timedelta(hours=3)
    digest = load_project(team[0]).model.lookups[0].digest
    place.fresh.ingest(digest, [Fact(entity="east", key=str(n), known=micros(known) - n, values=b"") for n in range(3)])
    place.fresh.ingest(digest, [Fact(entity="east", key="ahead", known=micros(NOW) + 5, values=b"")])
    (entry,) = catalog(place, now=NOW)
    assert entry.newest_fact == known
    assert [(f.newest, f.age) for f in entry.freshness] == [(known, timedelta(hours=3))]


def test_what_answers_lacked_is_summed_over_the_versions_that_use_a_set(team: tuple[Path, Path]) -> None:
    place = both(team)
    answered = {"late-orders": (30, {"late_1d": 15, "late_3d": 0}), "second": (10, {"late_1d": 5, "late_3d": 1})}
    (entry,) = catalog(place, now=NOW, lately=lambda model, version, columns: answered[model])
    assert entry.served_rows == 40
    assert [c.served_missing for c in entry.columns] == [0.5, 0.025]
    (entry,) = catalog(place, now=NOW, lately=lambda model, version, columns: (0, dict.fromkeys(columns, 0)))
    assert {c.served_missing for c in entry.columns} == {None}


def test_whoever_retrains_first_brings_the_next_version_and_the_other_keeps_its_own(team: tuple[Path, Path]) -> None:
    first, second = team
    place = both(team)
    widen(first)
    trained(second)  # which is not the model that claimed the name
    assert [str(v) for v in versions_of(place.ledger, "shop-history")] == ["shop-history@1", "shop-history@2"]
    old, new = catalog(place, now=NOW)
    assert [str(user) for user in old.users] == ["late-orders@1"]
    assert [str(user) for user in new.users] == ["second@2"]
    assert [len(old.columns), len(new.columns)] == [2, 3]
    assert find_set(place, "shop-history", now=NOW)[0] == new
    assert find_set(place, "shop-history@1", now=NOW)[0] == old
    trained(first)
    entry, versions = find_set(place, "shop-history@1", now=NOW)
    assert (entry, len(versions)) == (None, 2)


def test_a_set_of_ones_own_folder_is_not_anothers_to_change(team: tuple[Path, Path]) -> None:
    for folder in team:
        file = folder / "model.py"
        file.write_text(file.read_text().replace("from common.shops import history", SET))
    for folder in team:
        trained(folder)
    file = team[1] / "model.py"
    file.write_text(file.read_text().replace('over=["1d", "3d"]', 'over=["1d", "3d", "7d"]'))
    with pytest.raises(Conflict, match="Set 'shop-history' of model 'second' differs"):
        trained(team[1])


def test_a_set_inside_a_set_is_a_set_of_its_own(team: tuple[Path, Path]) -> None:
    file = team[0].parent / "common" / "shops.py"
    inside = 'window(deliveries, by="shop", over=["1d", "3d"], late=pl.col("late").mean())'
    nested = f'Features("shop-lateness", [{inside}], owner="lates@example.com")'
    assert inside in file.read_text()
    file.write_text(file.read_text().replace(inside, nested))
    place = both(team)
    inner, outer = sorted(catalog(place, now=NOW), key=lambda one: one.owner or "")
    assert [str(one.version) for one in (inner, outer)] == ["shop-lateness@1", "shop-history@1"]
    assert [c.name for c in inner.columns] == [c.name for c in outer.columns] == ["late_1d", "late_3d"]
    assert [str(user) for user in inner.users] == ["late-orders@1", "second@1"]
    widen(team[0])
    trained(team[1])  # another user of the package may bring the inner set's next version too
    assert [str(v) for v in versions_of(place.ledger, "shop-lateness")] == ["shop-lateness@1", "shop-lateness@2"]


def test_two_sets_of_one_name_in_a_model_are_refused(team: tuple[Path, Path]) -> None:
    file = team[0] / "model.py"
    one = 'Features("shop-history", [latest(deliveries, seen="late", by="shop")])'
    file.write_text(file.read_text().replace("features=[history,", f"features=[history, {one},"))
    text = file.read_text().replace("import Model,", "import Features, Model,")
    file.write_text(text)
    with pytest.raises(Conflict, match="two sets named 'shop-history'"):
        trained(team[0])
    said = [one["says"] for one in findings(load_project(team[0]))]
    assert any("two sets named 'shop-history'" in says for says in said)


def test_names_and_numbers_that_are_none_are_sentences(team: tuple[Path, Path]) -> None:
    place = trained(team[0]).workspace
    with pytest.raises(NotFound, match="did you mean 'shop-history'"):
        find_set(place, "shop-hitsory", now=NOW)
    with pytest.raises(NotFound, match="it has 1 to 1"):
        find_set(place, "shop-history@3", now=NOW)
    with pytest.raises(RequestError, match="shop-history@1"):
        find_set(place, "shop-history@live", now=NOW)
    assert catalog(load_project(team[0]).workspace, now=NOW) != []
