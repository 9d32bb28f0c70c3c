"""predict, score, label, push, tick and monitor on the new project."""

import io
import json
from pathlib import Path

import polars as pl
import pytest

from outlast.evidence import why
from outlast.journal.journal import Journal
from outlast.journal.reading import facts, joined, label_history
from outlast.project.workspace import Workspace
from outlast.serving.handle import open_model

ROW = {
    "order_id": "O-9000",
    "placed_at": "2025-06-02T15:00:00Z",
    "warehouse": "south",
    "carrier": "Parcelo",
    "weight_kg": 7.5,
    "distance_km": 340,
    "promised_days": 2,
}


def test_predict_answers_a_row(run, folder: Path) -> None:
    (answer,) = run("predict", "--row", json.dumps(ROW), "--json").json
    assert (answer["model"], answer["version"], answer["rung"], answer["warnings"]) == ("late-orders", 1, "full", [])
    assert answer["features"]["open_orders"] is not None
    assert answer["features"]["weekday"] == 1
    assert answer["decision"] == ("express" if answer["score"] > 1 / 3 else "standard")


def test_predict_says_what_each_feature_added(run, folder: Path) -> None:
    (answer,) = run("predict", "--row", json.dumps(ROW), "--explain", "--json").json
    told = answer["explanation"]
    added = sum(one["by"] for one in told["contributions"])
    assert told["base"] + added == pytest.approx(told["margin"])
    assert (told["score"], told["of"], told["reference_rows"]) == (answer["score"], "yes", 100)
    shown = run("predict", "--row", json.dumps(ROW), "--explain").out
    assert "log-odds of yes" in shown
    assert f"{told['margin']:+.4f}  score {answer['score']:.4f}" in shown
    first = told["contributions"][0]
    assert f"{first['by']:+.4f}" in next(line for line in shown.splitlines() if first["field"] in line)


def test_predict_reads_rows_from_standard_input(run, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps([ROW, {**ROW, "carrier": "Zeppelin"}])))
    done = run("predict", "late-orders@1")
    assert done.code == 0
    assert done.out.count("late-orders@1") == 2
    assert "warning: 'carrier' is 'Zeppelin'" in done.out


def test_predict_has_an_example(run, folder: Path) -> None:
    done = run("predict", "--example")
    assert done.code == 0
    assert '"promised_days"' in done.out


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "The row is not JSON"),
        ("{}", "field 'placed_at' is missing"),
        ("[]", "has no rows"),
        ("7", "expected an object of fields"),
        (json.dumps({**ROW, "weight_kg": "heavy"}), "expected a number"),
    ],
)
def test_a_row_that_cannot_be_answered_is_a_sentence(run, folder: Path, row: str, said: str) -> None:
    done = run("predict", "--row", row)
    assert (done.code, done.out) == (1, "")
    assert said in done.err


def test_scoring_a_file_keeps_its_rows_and_order(run, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "answers.parquet"
    done = run("score", "late-orders", "data/orders.csv", str(target), "--json")
    assert done.json["rows"] == 2002
    answers = pl.read_parquet(target)
    assert answers["order_id"].to_list() == pl.read_csv("data/orders.csv")["order_id"].to_list()
    assert answers["score"].is_between(0, 1).all()
    assert not list(tmp_path.glob(".*part"))


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("data/nothing.csv", "a.csv", "nothing.csv"),
        ("data/orders.csv", "a.xlsx", "expected a name ending in .parquet, .csv, .ndjson or .delta"),
        ("data/backlog.csv", "a.csv", "'placed_at' is missing"),
        ("data/orders.csv", "no/such/folder/a.csv", "a.csv"),
    ],
)
def test_a_file_that_cannot_be_scored_is_a_sentence(run, folder: Path, source: str, target: str, said: str) -> None:
    done = run("score", "late-orders", source, target)
    assert done.code != 0
    assert said in done.err
    assert not Path(target).exists()


def test_an_interrupted_scoring_says_how_to_go_on(run, folder: Path, tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    target = tmp_path / "answers.parquet"
    monkeypatch.setattr("outlast.serving.scoring.batch.publish", interrupted)
    done = run("score", "late-orders", "data/orders.csv", str(target))
    assert (done.code, target.exists()) == (130, False)
    assert done.err == f"outlast: Interrupted: {target} is as it was, and the same command goes on\n"
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    said = run("score", "late-orders", "data/orders.csv", str(target)).out
    assert "2,002 of them before it was broken off" in said


def test_a_label_finds_its_prediction_by_id_and_by_key(run, folder: Path, tmp_path: Path) -> None:
    pl.DataFrame([ROW, {**ROW, "order_id": "O-9001"}]).write_csv(tmp_path / "asked.csv")
    assert run("score", "late-orders", str(tmp_path / "asked.csv"), str(tmp_path / "a.csv"), "--record").code == 0
    first = pl.read_csv(tmp_path / "a.csv")["prediction_id"][0]
    assert run("label", "late-orders", "--prediction", first, "--value", "true").out == "1 label kept for late-orders\n"
    assert run("label", "late-orders", "--prediction", first[:26], "--value", "true", "--json").json["matched"] == 1
    assert run("label", "late-orders", "--key", "O-9001", "--value", "false", "--json").json["labels"] == 1
    found = joined(Workspace.find(folder), "late-orders").sort("key").collect()
    assert dict(zip(found["key"], found["value"], strict=True)) == {"O-9000": "true", "O-9001": "false"}


def test_a_prediction_that_is_not_there_or_not_the_only_one_is_not_labelled(run, folder: Path, tmp_path: Path) -> None:
    pl.DataFrame([ROW, {**ROW, "order_id": "O-9001"}]).write_csv(tmp_path / "asked.csv")
    run("score", "late-orders", str(tmp_path / "asked.csv"), str(tmp_path / "a.csv"), "--record")
    first = pl.read_csv(tmp_path / "a.csv")["prediction_id"][0]
    several = run("label", "late-orders", "--prediction", first[:8], "--value", "true")
    assert (several.code, f"Several predictions begin with '{first[:8]}'" in several.err) == (1, True)
    other = first[:14] + "f" * (len(first) - 14)
    unknown = run("label", "late-orders", "--prediction", other, "--value", "true")
    assert (unknown.code, f"There is no prediction '{other}'" in unknown.err) == (4, True)
    assert label_history(Workspace.find(folder), "late-orders").collect().is_empty()


def test_labels_that_meet_nothing_and_those_that_change_are_told(run, folder: Path, tmp_path: Path) -> None:
    pl.DataFrame([ROW, {**ROW, "order_id": "O-9001"}]).write_csv(tmp_path / "asked.csv")
    run("score", "late-orders", str(tmp_path / "asked.csv"), str(tmp_path / "a.csv"), "--record")
    file = tmp_path / "labels.csv"
    file.write_text("order_id,label\nO-9000,True\nO-9001,False\n9001,False\n")
    assert run("label", "late-orders", str(file), "--json").json == {
        "model": "late-orders",
        "labels": 3,
        "matched": 2,
        "unknown": 1,
        "changed": 0,
        "examples": ["9001"],
    }
    said = "1 label kept for late-orders; 1 changes an earlier label\n"
    assert run("label", "late-orders", "--key", "O-9000", "--value", "false").out == said
    watch = next(one for one in run("tick", "--json").json if one["job"] == "watch")
    told = "1 names no known prediction or key, such as 9001; 1 changes an earlier label"
    assert watch["sentence"].endswith(f"; of 4 labels {told}")
    strays = run("monitor", "--json").json["strays"]
    assert strays == {"labels": 4, "matched": 3, "unknown": 1, "changed": 1, "examples": ["9001"]}
    assert f"strays of 4 labels, {told}" in " ".join(run("monitor").out.split())


def test_a_file_of_labels_is_kept_whole(run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("order_id,label,known_at\nO-1000,True,2025-03-06T10:00:00Z\nO-1001,False,2025-03-06T10:00:00Z\n")
    assert run("label", "late-orders", str(file)).out == (
        "2 labels kept for late-orders; 2 name no known prediction or key, such as O-1000, O-1001\n"
    )
    kept = label_history(Workspace.find(folder), "late-orders").sort("key").collect()
    assert kept.select("key", "value", "origin").rows() == [
        ("O-1000", "true", "file labels.csv"),
        ("O-1001", "false", "file labels.csv"),
    ]
    assert str(kept["known_at"][0]).startswith("2025-03-06 10:00")


def test_a_wrong_label_names_its_file_its_place_and_its_column(run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.parquet"
    for columns, said in (
        ({"order_id": ["O-1", "O-2"], "value": [True, None]}, "row 2: column 'value' is missing: expected what turned"),
        ({"order_id": ["O-1", None], "label": [True, True]}, "row 2: the key has 'None' as 'order_id': expected"),
        ({"prediction_id": ["p1", ""], "label": [True, True]}, "row 2: column 'prediction_id' is not the text"),
        ({"order_id": ["O-1"], "label": [True], "known_at": ["noon"]}, "row 1: column 'known_at' is 'noon': expected"),
    ):
        pl.DataFrame(columns).write_parquet(file)
        assert f"labels.parquet, {said}" in run("label", "late-orders", str(file)).err
    assert label_history(Workspace.find(folder), "late-orders").collect().is_empty()


def test_a_file_with_one_wrong_label_keeps_none(run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("order_id,label\nO-1000,1\nO-1001,2\n")
    done = run("label", "late-orders", str(file))
    assert (done.code, "labels.csv, line 3: column 'label' is '2': expected true or false" in done.err) == (1, True)
    assert label_history(Workspace.find(folder), "late-orders").collect().is_empty()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Nothing to label"),
        (["--value", "true"], "Nothing to label"),
        (["--key", "O-1000", "--value", "maybe"], "--value is 'maybe': expected true or false"),
        (["--prediction", "p1", "--value", "true"], "'p1' is no prediction's id: give 8 of its digits or more"),
        (["--prediction", "0660d9da", "--value", "true"], "There is no prediction '0660d9da' in the journal"),
        (["--key", "O-1", "--prediction", "x", "--value", "true"], "exactly one of the two"),
        (["data/orders.csv"], "expected label, and prediction_id or the key (order_id)"),
        (["data/none.csv"], "none.csv"),
    ],
)
def test_what_is_no_label_is_a_sentence(run, folder: Path, words: list[str], said: str) -> None:
    done = run("label", "late-orders", *words)
    assert done.code in (1, 4)
    assert said in done.err


def test_a_pushed_fact_is_seen_by_the_next_answer(run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "counted.jsonl"
    file.write_text('{"warehouse": "south", "counted_at": "2025-06-02T14:00:00Z", "open_orders": 77}\n')
    done = run("push", "backlog", str(file), "--json")
    assert (done.json["rows"], done.json["lookups"]) == (1, 1)
    (answer,) = run("predict", "--row", json.dumps(ROW), "--json").json
    assert answer["features"]["open_orders"] == 77


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_pushed_fact_is_withdrawn_by_its_key(run, folder: Path, tmp_path: Path, kind: str) -> None:
    file, gone = tmp_path / "counted.jsonl", tmp_path / f"gone.{kind}"
    file.write_text('{"warehouse": "south", "counted_at": "2025-06-02T14:00:00Z", "open_orders": 77}\n')
    gone.write_text(
        "warehouse,counted_at\nsouth,2025-06-02T14:00:00\n"
        if kind == "csv"
        else '{"warehouse": "south", "counted_at": "2025-06-02T14:00:00Z"}\n'
    )
    (before,) = run("predict", "--row", json.dumps(ROW), "--json").json
    run("push", "backlog", str(file))
    (meanwhile,) = run("predict", "--row", json.dumps(ROW), "--json").json
    assert run("push", "backlog", str(gone), "--retract").out == (
        "1 fact of backlog taken, 1 withdrawal among them; 1 lookup reads them\n"
    )
    (after,) = run("predict", "--row", json.dumps(ROW), "--json").json
    assert meanwhile["features"]["open_orders"] == 77
    assert after["features"] == before["features"]
    assert run("check", "--json").json["findings"] == []


def test_a_withdrawn_delivery_is_no_label_any_more(run, folder: Path, tmp_path: Path) -> None:
    labelled = run("train", "--json").json["version"]["summary"]["rows"]["labelled"]
    with (folder / "data" / "deliveries.csv").open() as deliveries:
        names, first = (deliveries.readline().strip().split(",") for _ in range(2))
    told = dict(zip(names, first, strict=True))
    gone = tmp_path / "gone.jsonl"
    moment = f"{told['delivered_at'][:10]}T23:59:59Z"
    gone.write_text(json.dumps({"order_id": told["order_id"], "delivered_at": moment, "retracted": True}))
    assert run("push", "deliveries", str(gone), "--json").json["retracted"] == 1
    assert run("train", "--json").json["version"]["summary"]["rows"]["labelled"] == labelled - 1


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_file_with_a_fact_from_the_future_is_not_taken(run, folder: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"counted.{kind}"
    file.write_text(
        "warehouse,counted_at,open_orders\nsouth,2025-06-02T14:00:00,77\nsouth,2099-06-02T14:00:00,78\n"
        if kind == "csv"
        else '{"warehouse": "south", "counted_at": "2099-06-02T14:00:00Z", "open_orders": 77}\n'
    )
    done = run("push", "backlog", str(file))
    assert (done.code, "'counted_at' is 2099-06-02 14:00:00" in done.err) == (1, True), done.err
    assert "still to come" in done.err
    assert facts(Workspace.find(folder), "backlog").collect().is_empty()


@pytest.mark.parametrize(
    ("source", "file", "code", "said"),
    [
        ("backlogs", "data/backlog.csv", 4, "did you mean 'backlog'?"),
        ("backlog", "data/orders.csv", 1, "have no column 'counted_at'"),
        ("backlog", "data/none.csv", 4, "none.csv"),
    ],
)
def test_facts_that_fit_no_source_are_refused(run, folder: Path, source, file, code, said) -> None:
    done = run("push", source, file)
    assert (done.code, said in done.err) == (code, True), done.err


def test_tick_does_what_is_due_and_monitor_shows_it(run, folder: Path, tmp_path: Path) -> None:
    assert run("monitor").out.endswith("`outlast tick` counts what was served\n")
    rows = [{**ROW, "order_id": f"O-{n}", "weight_kg": n / 10} for n in range(150)]
    pl.DataFrame(rows).write_csv(tmp_path / "asked.csv")
    run("score", "late-orders", str(tmp_path / "asked.csv"), str(tmp_path / "a.csv"), "--record")
    pl.DataFrame({"order_id": [r["order_id"] for r in rows], "label": [n % 3 == 0 for n in range(150)]}).write_csv(
        tmp_path / "labels.csv"
    )
    run("label", "late-orders", str(tmp_path / "labels.csv"))
    done = run("tick", "--json")
    assert done.code == 0
    assert {one["job"]: one["did"] for one in done.json}["watch"]
    assert not any(one["failed"] for one in done.json)
    assert "nothing to seal" in run("tick").out
    found = run("monitor", "--json").json
    assert sum(line["rows"] for line in found["lines"]) == 150
    assert found["total"]["metrics"]["roc_auc"]["value"] is not None
    shown = run("monitor", "--last", "1").out
    assert "2025-06-02 00:00" in shown
    assert "150" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_a_notebook_opens_the_same_version(run, folder: Path) -> None:
    import outlast

    (answer,) = run("predict", "--row", json.dumps(ROW), "--json").json
    found = outlast.open("late-orders@live").predict(pl.DataFrame([ROW]))
    assert found["score"].to_list() == [answer["score"]]


@pytest.mark.parametrize("words", [("push", "backlog"), ("score", "late-orders"), ("label", "late-orders")])
@pytest.mark.parametrize(
    ("name", "text", "code", "said"),
    [
        ("fact.csv", None, 4, "There is no file fact.csv: did you mean 'facts.csv'?"),
        ("gone/new.csv", None, 4, "There is no file gone/new.csv: check its path and name"),
        ("facts.csv", "", 1, "facts.csv is an empty file"),
        ("facts.csv", "a,b\n", 1, "facts.csv has no rows"),
        ("facts.jsonl", "{", 1, "facts.jsonl cannot be read"),
        ("facts.txt", "a", 1, "facts.txt is a file with .txt, which is not known"),
    ],
)
def test_a_file_with_nothing_to_read_is_named(
    run, folder: Path, words: tuple[str, ...], name: str, text: str | None, code: int, said: str
) -> None:
    (folder / "facts.csv").write_text("x")
    if text is not None:
        (folder / name).write_text(text)
    done = run(*words, name, *(["answers.csv"] if words[0] == "score" else []))
    assert (done.code, said in done.err) == (code, True), done.err
    assert "'rows'" not in done.err


def test_backfill_says_what_history_holds(run, folder: Path) -> None:
    done = run("backfill", "late-orders")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Fresh values of late-orders hold what history says: ")
    assert "facts of backlog" in done.out
    found = run("backfill", "late-orders", "--json").json
    assert found["model"] == "late-orders"
    assert found["facts"]["backlog"] > 0


def test_backfill_of_a_model_that_is_not_there_names_the_nearest(run, folder: Path) -> None:
    done = run("backfill", "late-order")
    assert (done.code, done.out) == (4, "")
    assert "There is no model 'late-order' in the ledger: did you mean 'late-orders'?" in done.err


def test_backfill_of_what_only_was_trained_says_that_there_is_nothing_to_fill(run, folder: Path) -> None:
    with Workspace.find(folder).ledger.write() as connection:
        connection.exec_driver_sql("UPDATE rollouts SET live = NULL, previous = NULL")
    done = run("backfill", "late-orders")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("No version of late-orders that is live, or was before, looks anything up")
    assert run("backfill", "late-orders", "--json").json == {"model": "late-orders", "facts": {}}


def test_why_explains_an_answer_of_the_journal_without_what_is_sensitive(run, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(why, "sensitive", lambda *_: {"distance_km"})
    place = Workspace.find(folder)
    handle = open_model("late-orders@1", place)
    (answer,) = handle.answers([ROW])
    with Journal(place) as journal:
        journal.predictions([answer], handle._predictor, request_id="r", server="here")
    told = run("why", answer.prediction_id, "--explain", "--json").json["prediction"]["explanation"]
    expected = handle.explained(answer)
    assert [(one["field"], one["by"]) for one in told["contributions"]] == [
        (one.field, one.by) for one in expected.contributions
    ]
    values = {one["field"]: one["value"] for one in told["contributions"]}
    assert (values["distance_km"], values["weight_kg"]) == ("sensitive", 7.5)
    shown = run("why", answer.prediction_id, "--explain").out
    assert f"what added what  {expected.unit} of yes" in shown
    assert "what added what" not in run("why", answer.prediction_id).out
    assert "is a version" in run("why", "late-orders@1", "--explain").err
