"""Examples of shared sets: both ways to their values, what is said where they differ, and what is refused in them."""

import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outlast.errors import NotFound
from outlast.project.declare import Features, Source, latest, window
from outlast.project.workspace import Workspace
from outlast.training.sets import trial
from outlast.training.sets.example import how_to, read_example
from outlast.training.sets.trial import Outcome, try_sets
from outlast.training.sets.ways import Ways

SET = """
import polars as pl
from outlast import Features, Source, latest, window

deliveries = Source("deliveries", "data/deliveries.csv", key="order_id", time="delivered_at", lag="5m")


def worse(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(worse=WORSE)


history = Features(
    "shop-history",
    [
        window(deliveries, by="shop", over=["1d", "3d"], late=pl.col("late").mean(), n=pl.len()),
        Features("newest", [latest(deliveries, "late", newest="delivered_at", by="shop", max_age="2d")]),
        worse,
    ],
    examples=[EXAMPLES],
)
"""
WORSE = 'pl.col("late_1d") > pl.col("late_3d")'
ROWS = [
    {"order_id": 1, "delivered_at": "2024-02-01T10:00:00Z", "shop": "north", "late": True},
    {"order_id": 2, "delivered_at": "2024-02-02T11:00:00Z", "shop": "north", "late": False},
    {"order_id": 3, "delivered_at": "2024-02-02T11:56:00Z", "shop": "north", "late": True},
    {"order_id": 4, "delivered_at": "2024-02-02T11:30:00Z", "shop": "south", "late": True},
]
NOON = "2024-02-02T12:00:00Z"
GIVES = {
    "late_1d": 0.0, "late_3d": 0.5, "n_1d": 1, "n_3d": 2, "late": False, "newest": "2024-02-02T11:00:00Z",
    "worse": False,
}  # fmt: skip


def example(**parts: Any) -> dict[str, Any]:
    return {"facts": {"deliveries": ROWS}, "asks": {"shop": "north"}, "at": NOON, "gives": GIVES, **parts}


def written(folder: Path, *examples: Any, worse: str = WORSE, source: str = '"data/deliveries.csv"') -> Path:
    """A workspace with a shared package whose set has these examples, and no model yet."""
    (folder / "workspace.toml").write_text('packages = ["common"]\n')
    (folder / "common").mkdir(exist_ok=True)
    text = SET.replace("EXAMPLES", ", ".join(map(repr, examples))).replace("WORSE", worse)
    (folder / "common" / "shops.py").write_text(text.replace('"data/deliveries.csv"', source))
    return folder


def result_of(folder: Path, name: str | None = "shop-history") -> Outcome:
    found, unread = try_sets(Workspace.find(folder), folder, name)
    assert unread == []
    return found[0]


def test_an_example_holds_both_ways_before_any_model_is_there(tmp_path: Path) -> None:
    one = result_of(written(tmp_path, example()))
    assert one.passed
    assert one.place == "common/shops.py"
    assert one.examples[0].moments > 10
    assert one.examples[0].differences == []
    assert [proof.count > 10 for proof in one.proofs] == [True]
    assert one.notes == ["Source 'deliveries' cannot be read here: its types are those that the examples show"]
    assert not (tmp_path / ".outlast").exists()


def test_sets_inside_a_set_are_tested_too_and_a_set_without_examples_says_how_to_write_one(tmp_path: Path) -> None:
    found, _ = try_sets(Workspace.find(written(tmp_path, example())), tmp_path)
    assert [one.name for one in found] == ["shop-history", "newest"]
    assert found[1].passed
    assert found[1].examples == []
    assert "facts={'deliveries': [{'order_id': …, 'delivered_at': …, 'shop': …, 'late': …}]}" in str(found[1].how_to)


def test_what_differs_is_told_with_the_facts_that_counted(tmp_path: Path) -> None:
    wrong = example(gives={**GIVES, "late_3d": 2 / 3, "worse": True})
    one = result_of(written(tmp_path, wrong, example()))
    assert not one.passed
    assert [tried.passed for tried in one.examples] == [False, True]
    late, worse = one.examples[0].differences
    assert (late.column, late.expected, late.offline, late.online) == ("late_3d", 2 / 3, 0.5, 0.5)
    assert [(fact.key, fact.state) for fact in late.facts] == [
        ("3", "too late"),
        ("2", "counts"),
        ("1", "counts in 3d"),
    ]
    assert (worse.column, worse.expected, worse.offline, worse.facts) == ("worse", True, False, [])


@pytest.mark.parametrize(("expected", "passed"), [(0.5 + 1e-12, True), (0.5 + 1e-8, False), (None, False)])
def test_floats_are_compared_to_nine_digits(tmp_path: Path, expected: float | None, passed: bool) -> None:
    assert result_of(written(tmp_path, example(gives={"late_3d": expected}))).passed is passed


def test_corrections_withdrawals_and_nobody_are_as_they_are_for_pushed_facts(tmp_path: Path) -> None:
    withdrawn = [*ROWS, {"order_id": 2, "delivered_at": "2024-02-02T11:30:00Z", "retracted": True}]
    corrected = [*ROWS, {**ROWS[1], "delivered_at": "2024-02-02T11:30:00Z", "late": True}]
    gone = example(facts={"deliveries": withdrawn}, gives={"n_1d": 0, "n_3d": 1, "late_1d": None, "late": True})
    mended = example(facts={"deliveries": corrected}, gives={"n_1d": 1, "late_1d": 1.0, "worse": False})
    nobody = example(asks={"shop": None}, gives={"n_1d": None, "late": None, "worse": None})
    unheard = example(facts={}, gives={"n_1d": 0, "late": None})
    one = result_of(written(tmp_path, gone, mended, nobody, unheard))
    assert [tried.differences for tried in one.examples] == [[], [], [], []]
    assert one.passed


def test_event_time_and_windows_of_so_many_facts(tmp_path: Path) -> None:
    """What happened last counts, though another fact was told later; the last two are asked for."""
    source = '"data/deliveries.csv", event="left_at"'
    left = ("2024-02-01T09:00", "2024-02-02T10:30", "2024-02-02T10:00", "2024-02-02T11:00")
    rows = [{**row, "left_at": at} for row, at in zip(ROWS, left, strict=True)]
    given = {"facts": {"deliveries": rows}, "at": "2024-02-02T13:00:00Z"}
    folder = written(tmp_path, example(**given, gives={"late_1d": 0.5, "late": False, "n_last2": 2}), source=source)
    file = folder / "common" / "shops.py"
    file.write_text(file.read_text().replace('over=["1d", "3d"]', 'over=["1d", "3d"], last=2, max_age="3d"'))
    one = result_of(folder)
    assert (one.examples[0].fault, one.examples[0].differences) == (None, [])
    assert one.passed


def test_ways_that_part_fail_though_the_example_names_other_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fresh values that lack a fact: what a broken store or another arithmetic would look like."""
    whole = Ways.online

    def lacking(ways: Ways, store: Any, asked: Any, facts: dict[str, pl.DataFrame], moments: Any) -> pl.DataFrame:
        return whole(ways, store, asked, {name: frame[1:] for name, frame in facts.items()}, moments)

    monkeypatch.setattr(trial.Ways, "online", lacking)
    one = result_of(written(tmp_path, example(gives={"n_1d": 1})))
    parted = {found.column: (found.wanted, found.offline, found.online) for found in one.examples[0].differences}
    assert parted["n_3d"] == (False, 2, 1)
    assert "n_1d" in parted  # at another moment, when the first fact was younger than a day


FAULTS: list[tuple[Any, str]] = [
    (3, "Example 1 of set 'shop-history' is a int: expected dict(facts="),
    (example(asked={}), "has a part 'asked': did you mean 'asks'?"),
    (example(at=None), "does not say at which moment it is asked: write at="),
    (example(at="noon"), "is asked at 'noon', which is no moment"),
    (example(gives={}), "gives nothing, so it shows nothing: name a column and its value, such as gives={'late_1d'"),
    (example(gives={"late_2d": 1}), "gives 'late_2d', which the set does not compute: did you mean 'late_"),
    (example(asks={"shopp": "north"}), "asks no 'shop', which names the entity of window(deliveries): did you mean"),
    (example(asks={"shop": {"a"}}), "asks 'shop' as an array: expected text"),
    (example(facts={"delivery": ROWS}), "has facts of 'delivery', which the set does not read: did you mean"),
    (example(facts=ROWS), "has a list as its facts: expected rows by source"),
    (example(facts={"deliveries": ROWS[0]}), "has a dict as the facts of 'deliveries': expected a list of rows"),
    (example(facts={"deliveries": [3]}), "fact 0 of 'deliveries' is a int, expected a row"),
    (example(facts={"deliveries": [{**ROWS[0], "latte": 1}]}), "has a column 'latte', which the source has not: did"),
    (example(facts={"deliveries": [{"shop": "a"}]}), "Fact 0 of 'deliveries', field 'order_id' is missing"),
    (example(facts={"deliveries": [{**ROWS[0], "late": "so"}]}), "field 'late' is the text 'so': expected true or"),
]


@pytest.mark.parametrize(("broken", "says"), FAULTS, ids=[says[-40:] for _, says in FAULTS])
def test_a_faulty_example_is_a_sentence_and_the_others_still_run(orders: Path, broken: Any, says: str) -> None:
    one = result_of(written(orders, broken, example()))
    first, second = one.examples
    assert not one.passed
    assert says in str(first.fault)
    assert "\n" not in str(first.fault)
    assert (second.passed, second.fault) == (True, None)
    assert one.notes == []  # its types are those of the project's data


def test_rows_that_show_no_column_that_is_read_are_a_sentence(tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "late"} for row in ROWS]
    one = result_of(written(tmp_path, example(facts={"deliveries": rows})))
    assert "No fact of 'deliveries' in the examples has 'late', which the set reads" in str(one.examples[0].fault)


def test_a_function_that_hangs_on_other_rows_fails_its_proof(tmp_path: Path) -> None:
    one = result_of(written(tmp_path, example(), worse='pl.col("n_3d") > pl.col("n_3d").mean()'))
    assert not one.passed
    assert all(tried.passed for tried in one.examples)
    assert "Function 'worse' gives 'worse' by more than its row" in str(one.proofs[0].fault)


def test_a_function_that_fails_is_a_sentence(tmp_path: Path) -> None:
    one = result_of(written(tmp_path, example(), worse='pl.col("lateness")'))
    assert "Function 'worse' fails on row 0 (shop='north', " in str(one.examples[0].fault)
    assert "lateness" in str(one.proofs[0].fault)


@pytest.fixture
def team(orders: Path) -> Path:
    """A workspace of one model that reads the shared set, and its root."""
    root = written(orders.parent, example())
    model = orders / "model.py"
    text = re.sub(r"^history = .*$", "from common.shops import history", model.read_text(), flags=re.MULTILINE)
    model.write_text(text)
    return root


def test_functions_are_tried_on_real_questions_of_the_models_that_read_the_set(team: Path) -> None:
    one = result_of(team)
    assert one.passed
    assert [proof.rows for proof in one.proofs][1:] == ["questions of late-orders"]
    assert one.proofs[1].count == 256
    assert one.notes == []
    assert not (team / ".outlast" / "fresh.db").exists()


def test_examples_that_one_of_two_copies_has_are_run_and_both_models_are_asked(team: Path) -> None:
    """The same set in two folders of a workspace, once with an example."""
    (team / "workspace.toml").write_text("")
    shutil.copytree(team / "orders", team / "second")
    for name, examples in (("orders", ""), ("second", repr(example()))):
        model = (team / name / "model.py").read_text().replace("from common.shops", "from shops")
        (team / name / "model.py").write_text(model.replace('"late-orders"', f'"{name}"'))
        text = SET.replace("EXAMPLES", examples).replace("WORSE", WORSE)
        (team / name / "shops.py").write_text(text)
    one = result_of(team)
    assert (one.place, len(one.examples), one.passed) == ("second/shops.py", 1, True)
    assert [proof.rows for proof in one.proofs][1:] == ["questions of orders", "questions of second"]


def test_a_project_that_cannot_be_loaded_is_named_and_the_others_are_tested(team: Path) -> None:
    shutil.copytree(team / "orders", team / "broken")
    (team / "broken" / "model.py").write_text("import nothing_like_it\n")
    found, unread = try_sets(Workspace.find(team), team)
    assert [one.name for one in found] == ["shop-history", "newest"]
    assert len(unread) == 1
    assert unread[0].startswith("The project in broken cannot be loaded: ")
    assert "nothing_like_it" in unread[0]


def test_a_set_of_a_projects_own_folder_is_found(orders: Path) -> None:
    one = result_of(orders)
    assert (one.name, one.place, one.passed, one.functions) == ("shop-history", "model.py", True, [])
    assert one.how_to is not None


def test_a_misspelt_name_is_a_sentence(team: Path) -> None:
    with pytest.raises(NotFound, match="declares a set named 'shop-hitsory': did you mean 'shop-history'"):
        try_sets(Workspace.find(team), team, "shop-hitsory")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    found = result_of(written(tmp_path, example(asks={"shop": "north", "late_1d": 3.0})))
    assert "Set 'shop-history' has two columns named 'late_1d'" in str(found.examples[0].fault)


def test_an_example_to_fill_in_names_what_the_set_reads() -> None:
    facts = Source("facts", "f.csv", key=["a", "b"], time="at")
    shared = Features(
        "s", [window(facts, by={"who": "name"}, over="1d", n=pl.col("x").sum()), latest(facts, "y", by="c")]
    )
    assert how_to(shared) == (
        "examples=[dict(facts={'facts': [{'a': …, 'b': …, 'at': …, 'name': …, 'x': …, 'c': …, 'y': …}]}, "
        "asks={'who': …, 'c': …}, at=\"2013-07-01T12:00:00Z\", gives={'n_1d': …, 'y': …})]"
    )


def test_values_that_are_no_plain_data_are_refused() -> None:
    facts = Source("facts", "f.csv", key="a", time="at")
    shared = Features("s", [latest(facts, "y", by="c")], examples=[example(facts={}, asks={"c": object()})])
    with pytest.raises(Exception, match="has a value that is no plain data"):
        read_example(shared, 1)
