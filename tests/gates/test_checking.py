"""What `outlast check` says of functions, by calling them on a few real rows before anything is trained."""

from pathlib import Path

import polars as pl
import pytest

from outlast.gates.checking import findings
from outlast.project.loader import load_project

GOOD = 'return rows.select(hour=pl.col("ordered_at").dt.hour())'


def says(folder: Path, body: str, *, more: str = "") -> list[tuple[str, str]]:
    file = folder / "model.py"
    text = file.read_text()
    assert GOOD in text
    file.write_text(text.replace(GOOD, body).replace("calendar],", f"calendar{more}],"))
    return [(f["column"], f["says"]) for f in findings(load_project(folder)) if f["blocks"]]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('return rows.select(hour=pl.col("ordred_at").dt.hour())', "Function 'calendar' fails on row 0 (shop='"),
        ("return [1 / (n - rows.height) for n in range(60)]", "Function 'calendar' fails on "),
        ('return rows["weight"].to_list()', "Function 'calendar' returned a list"),
        ("return rows.select(hour=pl.len())", "Function 'calendar' returned 1 rows for"),
        ('return rows.select(shop="weight")', "Function 'calendar' returns 'shop', which is there already"),
        ('return rows.select(hour=pl.col("weight").rank())', "Function 'calendar' gives 'hour' by more than its row"),
    ],
)
def test_a_broken_function_is_one_finding_with_its_name(orders: Path, body: str, sentence: str) -> None:
    ((column, told),) = says(orders, body)
    assert column == "calendar"
    assert told.startswith(sentence)


def test_a_misspelt_sensitive_column_is_told_and_stands_in_nobodys_way(orders: Path) -> None:
    file = orders / "outlast.toml"
    file.write_text(file.read_text() + '\n[journal]\nsensitive = ["shp", "shop", "hour"]\n')
    found = [one for one in findings(load_project(orders)) if one["column"].startswith("journal.sensitive")]
    assert [(one["column"], one["blocks"]) for one in found] == [
        ("journal.sensitive 'shp'", False),
        ("journal.sensitive 'hour'", False),
    ]
    assert "did you mean 'shop'" in found[0]["says"]


def test_every_broken_function_is_told(orders: Path) -> None:
    found = says(orders, "raise ValueError('one')", more=", lambda rows: rows[:1]")
    assert [column for column, _ in found] == ["calendar", "<lambda>"]


def test_two_functions_with_one_column_are_told(orders: Path) -> None:
    ((column, told),) = says(orders, GOOD, more=", lambda rows: rows.select(hour='weight')")
    assert column == "features"
    assert "Functions 'calendar' and '<lambda>' both return a column 'hour'" in told


def test_functions_are_tried_on_some_rows_with_a_label(orders: Path) -> None:
    """Only the east's orders have one here; a function that fails elsewhere is not called there."""
    place = orders / "data" / "deliveries.csv"
    pl.read_csv(place).filter(pl.col("shop") == "east").write_csv(place)
    guard = f"assert set(rows['shop']) == {{'east'}}\n    {GOOD}"
    assert says(orders, guard) == []
    (orders / "model.py").write_text((orders / "model.py").read_text().replace("'east'}", "'west'}"))
    ((column, told),) = [(f["column"], f["says"]) for f in findings(load_project(orders)) if f["blocks"]]
    assert column == "calendar"
    assert "fails on row 0 (shop='east'" in told


def test_an_age_asked_of_a_source_that_nothing_is_looked_up_in_is_told(orders: Path) -> None:
    contract = orders / "outlast.toml"
    contract.write_text(contract.read_text().replace("rate = 10", 'rate = 10\nstale = { delivries = "1d" }'))
    told = {f["column"]: f["says"] for f in findings(load_project(orders))}
    assert told["serving.stale.delivries"] == "nothing is looked up there: did you mean 'deliveries'?"


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        ('slices = ["shap"]', "'gate.slices' names the column 'shap', which is neither an ask nor a feature"),
        ("floors = { rmse = 3.0 }", "'gate.floors' asks for rmse, which a binary model does not have"),
    ],
)
def test_what_the_gate_cannot_judge_by_is_told_before_a_training(orders: Path, gate: str, sentence: str) -> None:
    contract = orders / "outlast.toml"
    assert "[gate]" not in contract.read_text()
    contract.write_text(f"{contract.read_text()}\n[gate]\n{gate}\n")
    told = [f["says"] for f in findings(load_project(orders)) if f["blocks"]]
    assert any(sentence in one for one in told), told


@pytest.mark.parametrize(
    ("said", "column", "sentence"),
    [
        ('[monitoring]\nslices = ["shap"]', "monitoring.slices", "neither an ask nor a feature: did you mean 'shop'?"),
        (
            '[monitoring]\nfresh = { deliverys = "2d" }',
            "monitoring.fresh.deliverys",
            "is no source of this model: did you mean 'deliveries'?",
        ),
        ('[monitoring]\nescalate = { after = "1h" }', "monitoring.escalate", "says after how long and not to whom"),
        ("[monitoring]\nroutes = []", "monitoring.routes", "is empty, so nobody is told of a page"),
    ],
)
def test_what_would_watch_nothing_or_tell_nobody_is_found(orders: Path, said: str, column: str, sentence: str) -> None:
    contract = orders / "outlast.toml"
    assert "[monitoring]" not in contract.read_text()
    contract.write_text(f"{contract.read_text()}\n{said}\n")
    (found,) = [one for one in findings(load_project(orders)) if one["column"].startswith("monitoring")]
    assert (found["column"], found["blocks"]) == (column, False)
    assert sentence in found["says"]


def test_slices_of_asks_lookups_and_functions_are_known(orders: Path) -> None:
    contract = orders / "outlast.toml"
    text = contract.read_text()
    contract.write_text(text + '\n[monitoring]\nslices = ["shop", "hour"]\nescalate = { to = ["log"] }\n')
    assert findings(load_project(orders)) == []


def test_a_successor_of_no_new_labels_is_told(orders: Path) -> None:
    contract = orders / "outlast.toml"
    contract.write_text(contract.read_text().replace("[retraining]", "[retraining]\nlabels = 0"))
    (found,) = findings(load_project(orders))
    assert (found["column"], found["blocks"]) == ("retraining.labels", False)
