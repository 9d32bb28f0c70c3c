"""outlast features … and outlast dataset, as people and programs see them."""

from pathlib import Path

import polars as pl

from outlast.bundle.predictor import open_predictor
from outlast.journal.journal import Journal
from outlast.project.workspace import Workspace
from outlast.registry.versions import find
from outlast.types import ModelRef, now


def test_explain_shows_a_question_and_the_facts_behind_it(run, folder: Path) -> None:
    told = run("features", "explain", "--key", "O-1900", "--json").json
    assert told["model"] == "late-orders"
    assert [one["source"] for one in told["lookups"]] == ["backlog", "deliveries"]
    counting = [fact for fact in told["lookups"][0]["facts"] if fact["state"] == "counts"]
    assert [fact["values"] for fact in counting] == [told["lookups"][0]["features"]]
    shown = run("features", "explain", "late-orders", "--key", "O-1900").out
    assert "late-orders: key O-1900, asked " in shown
    assert "too late" in shown
    assert "functions  weekday=" in shown


def test_explain_of_an_unknown_key_is_a_sentence(run, folder: Path) -> None:
    done = run("features", "explain", "--key", "O-19O0")
    assert done.code != 0
    assert "has the key O-19O0 (order_id): did you mean 'O-" in done.err


def test_dataset_writes_what_a_training_learns_from(run, bare: Path) -> None:
    done = run("dataset", "--out", "set.parquet")
    assert done.code == 0, done.err
    rows = pl.read_parquet("set.parquet")
    assert f"{rows.height:,} rows with a label" in done.out
    assert {"key", "asked_at", "open_orders", "weekday", "label", "label_known_at"} <= set(rows.columns)
    then = rows["asked_at"][500]
    told = run("dataset", "--as-of", then.isoformat(), "--json").json
    assert told["rows"] < rows.height
    assert told["out"] is None
    assert run("dataset", "--as-of", "yesterday").code != 0


def test_an_empty_catalog_says_so_and_a_misspelt_set_is_a_sentence(run, bare: Path) -> None:
    assert "No set of features is used in" in run("features", "list").out
    assert run("features", "list", "--json").json == []
    done = run("features", "show", "carrier-lateness")
    assert done.code == 4
    assert "No set of features is named 'carrier-lateness' in this workspace: there are none yet" in done.err


def test_a_set_is_listed_and_shown(run, folder: Path) -> None:
    told = run("features", "list").out
    assert "carrier-lateness@1" in told
    assert "late-orders@1 (live)" in told
    shown = run("features", "show", "carrier-lateness").out
    assert shown.startswith("carrier-lateness@1: By how many days this carrier has been late, on average")
    assert "carrier_days_late_4d  Float64  number" in shown
    entry = run("features", "show", "carrier-lateness@1", "--json").json
    assert entry["set"]["functions"] == []
    assert entry["set"]["newest_fact"].startswith("2025-")
    assert [v["number"] for v in entry["versions"]] == [1]
    assert [(f["source"], f["lag"]) for f in entry["set"]["freshness"]] == [("deliveries", "1h")]
    assert entry["set"]["freshness"][0]["age"].startswith("P")
    assert "Nothing was served of it in the last 7 days" in shown
    done = run("features", "show", "carrier-latenes")
    assert (done.code, "did you mean 'carrier-lateness'" in done.err) == (4, True)


ORDER = {
    "placed_at": "2025-06-01T10:00:00Z", "warehouse": "south", "weight_kg": 7.5, "distance_km": 340, "promised_days": 2,
}  # fmt: skip


def test_the_catalog_says_what_answers_lacked_lately(run, folder: Path) -> None:
    place = Workspace.find(folder)
    version = find(place.ledger, ModelRef("late-orders", 1))
    predictor = open_predictor(place, version.digest, version.number)
    carriers = ("Parcelo", "Parcelo", "Parcelo", "Nobody")
    answers = predictor.predict([{**ORDER, "carrier": carrier} for carrier in carriers], at=now())
    with Journal(place) as journal:
        journal.predictions(answers, predictor, request_id="r", server="s")
    entry = run("features", "show", "carrier-lateness", "--json").json["set"]
    assert entry["served_rows"] == 4
    assert [(c["name"], c["type"], c["served_missing"]) for c in entry["columns"]] == [
        ("carrier_days_late_1d", "Float64", 0.25),
        ("carrier_days_late_4d", "Float64", 0.25),
    ]
    shown = run("features", "show", "carrier-lateness").out
    assert "Served in the last 7 days: 4 answers" in shown
    (_, line, *_) = run("features", "list").out.splitlines()
    assert " 25.0%  late-orders@1 (live)  " in line


EXAMPLE = """
lately = window(deliveries, by="carrier", over="1d", days=pl.col("days_late").mean())
SHARED = Features("carriers", [lately], examples=[dict(
    facts={"deliveries": [
        {"order_id": "O-1", "delivered_at": "2025-03-01T10:00:00Z", "carrier": "Parcelo", "days_late": 2},
    ]},
    asks={"carrier": "Parcelo"}, at="2025-03-01T12:00:00Z", gives={"days_1d": DAYS})])
EMPTY = Features("empty", [calendar])
"""


def test_examples_of_a_set_are_run_by_a_command(run, bare: Path) -> None:
    model = bare / "model.py"
    before = model.read_text()
    model.write_text(before + EXAMPLE.replace("DAYS", "2"))
    done = run("features", "test")
    assert (done.code, done.err) == (0, "")
    assert "carriers (model.py): passed\n  example 1  as expected; history and fresh values agree at " in done.out
    assert "empty (model.py): not tested\n  functions  calendar: no rows to try them on\n" in done.out
    assert "  examples   none; write one: examples=[dict(facts={}, asks={}, at=" in done.out
    assert not (bare / ".outlast").exists()
    model.write_text(before + EXAMPLE.replace("DAYS", "3"))
    done = run("features", "test", "carriers")
    assert done.code == 1
    assert "days_1d is 2.0, and 3 was expected, at 2025-03-01 12:00:00 UTC" in done.out
    assert "O-1  days_late=2  counts" in done.out
    told = run("features", "test", "carriers", "--json")
    assert told.code == 1
    ((difference,),) = [one["differences"] for one in told.json["sets"][0]["examples"]]
    assert (difference["expected"], difference["offline"], difference["online"]) == (3, 2.0, 2.0)
    done = run("features", "test", "carrier")
    assert (done.code, "did you mean 'carriers'" in done.err) == (4, True)
    assert run("features", "test", "carrier-lateness").code == 0
    model.write_text(before.partition("lateness = ")[0])
    assert run("features", "test").code == 1  # no model


def test_sets_that_could_not_be_read_fail_a_run_of_all(run, bare: Path) -> None:
    (bare.parent / "workspace.toml").write_text("")
    broken = bare.parent / "broken"
    broken.mkdir()
    (broken / "model.py").write_text("import nothing_like_it\n")
    (broken / "outlast.toml").write_text("")
    done = run("features", "test")
    assert done.code == 1
    assert "carrier-lateness (late-orders/model.py): passed" in done.out
    assert "The project in broken cannot be loaded: " in done.out
    assert run("features", "test", "carrier-lateness").code == 0
