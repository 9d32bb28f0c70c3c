"""Everything written to the journal comes back once, sealed or not, whoever died meanwhile."""

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from kept import NOON, Version, answer
from msgspec.structs import replace

from outlast.bundle.answers import Answer
from outlast.errors import OutlastError, StorageError
from outlast.journal import reading
from outlast.journal.columns import PREDICTIONS
from outlast.journal.journal import Journal, seal
from outlast.journal.records import Prediction, decoder, label, predicted
from outlast.journal.spelling import from_text, value_of
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.storage import appendlog
from outlast.types import micros


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def write(journal: Journal, answers: list[Answer]) -> None:
    journal.predictions(answers, Version(), request_id="r1", server="s1")


def test_a_prediction_comes_back_in_full(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        write(journal, [answer(5, key="UA1")])
        before = reading.predictions(workspace, "late").collect()
        assert journal.seal() == {"predictions/late": 1}
        after = reading.predictions(workspace, "late").collect()
    assert before.equals(after)
    row = after.row(0, named=True)
    assert from_text(row["asks"]) == {"origin": "JFK", "at": NOON, "n": 5}
    wind = from_text(row["features"])["wind"]
    assert wind != wind
    assert row["score"] == 5 / 7
    assert (row["model"], row["version"], row["digest"]) == ("late", 3, "d" * 64)
    assert (row["request_id"], row["server"], row["key"], row["rung"]) == ("r1", "s1", "UA1", "full")
    assert (row["at"], row["decide_at"]) == (NOON, NOON + timedelta(microseconds=5))
    assert (row["cells"], row["warnings"], row["reasons"]) == (bytes([1, 2, 255]), ["'origin' is odd"], [])


def test_how_long_a_request_took_is_kept_where_it_is_known(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        journal.together(
            [([answer(1)], "r1"), ([answer(2), answer(3)], "r2")], Version(), server="s1", took=[900, 1200]
        )
        write(journal, [answer(4)])
    assert reading.predictions(workspace, "late").collect()["took"].to_list() == [900, 1200, 1200, None]


@pytest.mark.parametrize("waits", [True, False])
def test_a_table_of_an_earlier_release_has_every_column(workspace: Workspace, waits: bool) -> None:
    with Journal(workspace) as journal:
        write(journal, [answer(1)])
        old = reading.predictions(workspace, "late").collect().drop("took", "place").with_columns(segment=pl.lit("old"))
        workspace.tables.append("predictions/earlier", old)
    if waits:
        with Journal(workspace) as journal:
            journal.predictions([answer(2)], Version(model="earlier"), request_id="r2", server="s1")
    found = reading.predictions(workspace, "earlier").collect()
    assert found.height == 1 + waits
    assert found["took"].dtype == found["place"].dtype == pl.Int64
    assert found["took"].null_count() == found.height


def test_classes_and_values_are_kept_too(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        write(journal, [answer(1, score=None, scores={"a": 0.25, "b": 0.75}, decision="b"), answer(2, decision=12.5)])
    rows = reading.predictions(workspace, "late").collect().to_dicts()
    assert from_text(rows[0]["scores"]) == {"a": 0.25, "b": 0.75}
    assert (rows[0]["score"], rows[0]["decision"]) == (None, "b")
    assert rows[1]["decision"] == "12.5"


def test_a_sample_keeps_every_prediction_but_not_every_row_of_features(workspace: Workspace) -> None:
    contract = Contract.model_validate({"journal": {"sample": 0.25}})
    with Journal(workspace) as journal:
        many = [answer(n) for n in range(400)]
        journal.predictions(many, Version(contract=contract), request_id="r", server="s")
    rows = reading.predictions(workspace, "late").collect()
    assert rows.height == 400
    assert rows["cells"].null_count() == 0
    kept = rows["features"].drop_nulls().len()
    assert kept == rows["asks"].drop_nulls().len()
    assert 60 <= kept <= 140  # 100 expected; six standard deviations of 6.9 would be 41


def test_what_people_may_be_asked_about_is_no_matter_of_sampling(workspace: Workspace) -> None:
    contract = Contract.model_validate({"journal": {"sample": 1e-9}})
    many = [replace(answer(n), unsure=n % 2 == 0) for n in range(20)]
    with Journal(workspace) as journal:
        journal.predictions(many, Version(contract=contract), request_id="r", server="s")
    rows = reading.predictions(workspace, "late").collect()
    assert set(rows.filter(pl.col("asks").is_not_null())["prediction_id"]) == {one.prediction_id for one in many[::2]}


def test_sealed_and_waiting_records_are_read_together_each_once(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        write(journal, [answer(n) for n in range(10)])
        journal.seal()
        write(journal, [answer(n) for n in range(10, 15)])
        assert sorted(reading.predictions(workspace, "late").collect()["prediction_id"]) == sorted(
            f"p{n}" for n in range(15)
        )


def test_a_window_of_time(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        write(journal, [answer(n, at=NOON + timedelta(hours=n)) for n in range(5)])
        journal.seal()
        write(journal, [answer(n, at=NOON + timedelta(hours=n)) for n in range(5, 8)])
    since, until = NOON + timedelta(hours=3), NOON + timedelta(hours=6)
    for clock in ("at", "decide_at"):
        found = reading.predictions(workspace, "late", since, until, clock=clock).collect()  # type: ignore[arg-type]
        assert sorted(found["prediction_id"]) == ["p3", "p4", "p5"]


def test_nothing_was_ever_answered(workspace: Workspace) -> None:
    assert reading.predictions(workspace, "late").collect().is_empty()
    assert reading.joined(workspace, "late").collect().is_empty()
    assert seal(workspace) == {}


def test_a_sealer_that_dies_before_it_removes_the_segment_seals_it_once(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        write(journal, [answer(n) for n in range(3)])
    (segment,) = appendlog.segments(workspace.log_root, "predictions/late")
    payloads = list(appendlog.read(segment))
    workspace.tables.append("predictions/late", PREDICTIONS.frame(segment.id, payloads), once=segment.id)
    assert reading.predictions(workspace, "late").collect().height == 3
    assert seal(workspace) == {"predictions/late": 3}
    assert reading.predictions(workspace, "late").collect().height == 3
    assert appendlog.segments(workspace.log_root, "predictions/late") == []


def test_readers_see_every_record_once_while_a_sealer_works(workspace: Workspace) -> None:
    total, done = 120, threading.Event()
    seen: list[int] = []
    with Journal(workspace) as journal:

        def read() -> None:
            while not done.is_set():
                ids = reading.predictions(workspace, "late").collect()["prediction_id"].to_list()
                assert len(ids) == len(set(ids))
                seen.append(len(ids))

        reader = threading.Thread(target=read)
        reader.start()
        for n in range(total):
            write(journal, [answer(n)])
            if n % 10 == 9:
                journal.seal()
        done.set()
        reader.join()
    assert seen == sorted(seen)
    assert reading.predictions(workspace, "late").collect().height == total


def test_a_damaged_stream_does_not_hold_up_the_others(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        write(journal, [answer(1), answer(2)])
        journal.facts("weather", [{"a": 1}], at=NOON)
    (segment,) = appendlog.segments(workspace.log_root, "facts/weather")
    segment.path.write_bytes(b"not a log at all, but long enough to be one")
    with pytest.raises(OutlastError, match="weather"):
        seal(workspace)
    assert workspace.tables.scan("predictions/late").collect().height == 2


def test_a_record_of_a_later_format_is_refused_with_a_sentence() -> None:
    (payload,) = predicted([answer(1)], Version(), request_id="r", server="s")
    assert decoder(Prediction)(payload).prediction_id == "p1"
    with pytest.raises(StorageError, match="has format 2, this Outlast reads 1"):
        decoder(Prediction)(b"\x02" + payload[1:])


def test_a_closed_journal_takes_nothing(workspace: Workspace) -> None:
    journal = Journal(workspace)
    journal.close()
    journal.close()
    with pytest.raises(StorageError, match="closed"):
        write(journal, [answer(1)])


def test_facts_come_back_as_they_came(workspace: Workspace) -> None:
    row = {"airport": "JFK", "wind": None, "deep": {"a": [1, 2]}, "large": 10**30}
    with Journal(workspace) as journal:
        journal.facts("weather", [row], at=NOON)
        journal.seal()
    found = reading.facts(workspace, "weather").collect().row(0, named=True)
    assert (found["source"], found["at"], from_text(found["row"])) == ("weather", NOON, row)


def told(n: int, value: object, *, by: str = "id", known: int = 0, came: int = 0) -> object:
    which = {"prediction_id": f"p{n}"} if by == "id" else {"key": f"k{n}"}
    known_at, at = (micros(NOON + timedelta(minutes=minutes)) for minutes in (known, came))
    return label("late", value, **which, known_at=known_at, at=at, origin="test")  # type: ignore[arg-type]


def test_labels_join_by_prediction_and_by_key(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        write(journal, [answer(n, key=f"k{n}") for n in range(4)])
        journal.labels([told(0, True), told(1, False, by="key"), told(9, True)])  # type: ignore[list-item]
        journal.seal()
    rows = {r["prediction_id"]: r for r in reading.joined(workspace, "late").collect().to_dicts()}
    assert set(rows) == {"p0", "p1", "p2", "p3"}
    assert (value_of(rows["p0"]["value"]), rows["p0"]["number"], rows["p0"]["known_at"]) == (True, 1.0, NOON)
    assert (value_of(rows["p1"]["value"]), rows["p1"]["number"]) == (False, 0.0)
    assert rows["p2"]["value"] is rows["p2"]["number"] is rows["p2"]["known_at"] is None


def test_a_correction_replaces_and_history_is_kept(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        write(journal, [answer(n, key=f"k{n}") for n in range(3)])
        journal.labels([told(0, "b", known=10, came=1), told(0, "a", known=5, came=2)])  # type: ignore[list-item]
        journal.seal()
        journal.labels([told(1, 1.5, known=5, came=1), told(1, 2.5, known=5, came=2)])  # type: ignore[list-item]
        journal.labels([told(2, True, known=5), told(2, False, by="key", known=6)])  # type: ignore[list-item]
    found = reading.joined(workspace, "late").collect()
    rows = {r["prediction_id"]: value_of(r["value"]) for r in found.to_dicts()}
    assert rows == {"p0": "b", "p1": 2.5, "p2": False}
    assert reading.label_history(workspace, "late").collect().height == 6
    early = reading.joined(workspace, "late", as_of=NOON + timedelta(minutes=6)).collect()
    assert {r["prediction_id"]: value_of(r["value"]) for r in early.to_dicts()} == {"p0": "a", "p1": 2.5, "p2": True}


def test_predictions_stay_in_their_order_beside_their_labels(workspace: Workspace) -> None:
    """Rows of one request that have no key are told apart by their order only."""
    with Journal(workspace) as journal:
        write(journal, [answer(n) for n in range(500)])
        journal.labels([told(n, n % 2 == 0, known=10) for n in range(499, 0, -3)])  # type: ignore[list-item]
    found = reading.joined(workspace, "late").collect()
    assert found["prediction_id"].to_list() == [f"p{n}" for n in range(500)]
    assert found["value"].is_not_null().sum() == len(range(499, 0, -3))


def test_a_label_belongs_to_a_prediction_or_a_key() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        label("late", True, known_at=0, at=0, origin="test")


WRITER = """
import sys
from pathlib import Path
from test_journal import NOON, answer, write
from outlast.journal.journal import Journal
from outlast.project.workspace import Workspace

journal, start = Journal(Workspace(Path(sys.argv[1]))), int(sys.argv[2])
for n in range(start, start + 1_000_000, 3):
    write(journal, [answer(n), answer(n + 1), answer(n + 2)])
    print(n, flush=True)
"""


def test_a_killed_writer_loses_nothing_it_reported(workspace: Workspace, tmp_path: Path) -> None:
    reported = 0
    for turn in range(3):
        start = turn * 1_000_000
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(start)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(50 + turn)]
            process.kill()
            lines += process.stdout.readlines()
        whole = [int(line) for line in lines if line.endswith("\n")]
        assert len(whole) >= 50
        reported += 3 * len(whole)
        seal(workspace)
        ids = reading.predictions(workspace, "late").collect()["prediction_id"]
        assert ids.n_unique() == ids.len() >= reported
        assert {f"p{n + k}" for n in whole for k in range(3)} <= set(ids)
        reported = ids.len()


def test_the_frame_has_the_types_of_the_table(workspace: Workspace) -> None:
    with Journal(workspace) as journal:
        write(journal, [answer(1)])
        journal.seal()
    assert dict(workspace.tables.scan("predictions/late").collect_schema()) == PREDICTIONS.schema
    assert isinstance(PREDICTIONS.schema["at"], pl.Datetime)
