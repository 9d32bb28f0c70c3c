"""Served features are computed again later: right ones pass, a late feed and other code are told apart."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from answered import ASKED, NOW, ROW, ask, push
from msgspec.structs import replace

from outlast.bundle.predictor import TOO_EARLY, Predictor, open_predictor
from outlast.errors import Conflict
from outlast.gates.promote import fill_fresh
from outlast.journal.ingest import Ingest
from outlast.journal.journal import Journal
from outlast.monitoring import skew
from outlast.monitoring.skew import Column, audit
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version
from outlast.training.run import train


def columns(place: Workspace) -> dict[str, Column]:
    return {one.column: one for one in audit(place, "late-orders").columns if one.differ}


def test_what_was_served_right_stays_right_when_more_is_known(served: tuple[Workspace, Version]) -> None:
    place, version = served
    push(place, 90_001, ASKED - timedelta(hours=1), at=ASKED - timedelta(minutes=30))
    ask(place, version, 4)
    push(place, 90_002, ASKED + timedelta(hours=9), at=ASKED + timedelta(hours=9))
    found = audit(place, "late-orders")
    assert (found.served, found.looked_at, found.differ) == (4, 4, 0)
    assert {one.column for one in found.columns} == {"late_1d", "late_3d", "last_late", "dear", "hour"}
    assert audit(place, "late-orders", since=ASKED + timedelta(hours=2), sample=1).looked_at == 1


def test_a_late_feed_is_told_from_other_code(
    served: tuple[Workspace, Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, version = served
    push(place, 90_001, ASKED - timedelta(hours=2), at=ASKED - timedelta(hours=1))
    monkeypatch.setenv("RATE", "3")
    ask(place, version, 4)
    monkeypatch.delenv("RATE")
    push(place, 90_003, ASKED - timedelta(hours=1), at=ASKED + timedelta(hours=6))  # arrives six hours late
    correction = pl.DataFrame({"order_id": [90_001], "shop": ["west"], "late": [True]}).with_columns(
        delivered_at=pl.lit((ASKED - timedelta(minutes=50)).replace(tzinfo=None))
    )
    with Journal(place) as journal:
        Ingest(place, journal).take("deliveries", correction, at=ASKED + timedelta(hours=7))
    found = columns(place)
    assert (found["dear"].differ, found["dear"].late, found["dear"].other_code) == (4, 0, 4)
    example = found["dear"].examples["other code"]
    assert (example["served"], example["computed"]) == (6.0, 2.0)
    late = {name: (one.differ, one.late, one.other_code) for name, one in found.items() if name != "dear"}
    assert all(differ == late == 4 and other == 0 for differ, late, other in late.values()), late


def test_nothing_served_is_nothing_found(served: tuple[Workspace, Version]) -> None:
    found = audit(served[0], "late-orders")
    assert (found.served, found.looked_at, found.columns) == (0, 0, ())


def test_a_fact_withdrawn_too_late_was_a_late_feed(served: tuple[Workspace, Version]) -> None:
    place, version = served
    push(place, 90_001, ASKED - timedelta(hours=2), at=ASKED - timedelta(hours=1))
    ask(place, version, 2)
    gone = pl.DataFrame({"order_id": [90_001], "delivered_at": [(ASKED - timedelta(minutes=30)).replace(tzinfo=None)]})
    with Journal(place) as journal:
        Ingest(place, journal).take("deliveries", gone, at=ASKED + timedelta(hours=5), retract=True)
    found = columns(place)
    assert {name: (one.differ, one.late, one.other_code) for name, one in found.items()} == dict.fromkeys(
        ("late_1d", "late_3d", "last_late"), (2, 2, 0)
    )
    assert (found["late_1d"].source, found["late_1d"].version, found["late_1d"].unexplained) == ("deliveries", 1, 0)
    assert found["last_late"].examples["late"]["served"] is True


def test_a_fact_that_came_with_the_question_is_no_other_code(served: tuple[Workspace, Version]) -> None:
    """Its clock says it was there when the answer was given; the answer had been computed a moment before."""
    place, version = served
    ask(place, version, 1)
    push(place, 90_001, ASKED - timedelta(hours=2), at=ASKED - timedelta(milliseconds=3))
    assert {(one.late, one.other_code) for one in columns(place).values()} == {(1, 0)}


def test_rows_that_grew_at_a_location_are_a_late_feed(served: tuple[Workspace, Version], orders: Path) -> None:
    """Fresh values were filled from it once, and nothing says when."""
    place, version = served
    ask(place, version, 2)
    with (orders / "data" / "deliveries.csv").open("a") as file:
        file.write(f"70001,east,{ASKED - timedelta(hours=3):%Y-%m-%dT%H:%M:%S.000000%z},true\n")
    found = columns(place)
    assert set(found) == {"late_1d", "late_3d", "last_late"}
    assert {(one.differ, one.late, one.other_code) for one in found.values()} == {(2, 2, 0)}


def test_answers_of_lower_rungs_and_without_features_are_not_looked_at(served: tuple[Workspace, Version]) -> None:
    place, version = served
    predictor = open_predictor(place, version.digest, version.number)
    row = {**ROW, "ordered_at": ASKED.isoformat()}
    (right,) = predictor.predict([row], at=ASKED)
    default = replace(right, prediction_id="b", rung="default", features={})
    early = replace(right, prediction_id="c", features={}, warnings=[f"{TOO_EARLY} 2024-06-01T00:00Z, which"])
    thin = replace(right, prediction_id="d")
    with Journal(place) as journal:
        journal.predictions([right, default, early], predictor, request_id="r", server="s")
        journal.predictions([thin], Thin(predictor), request_id="r", server="s")  # type: ignore[arg-type]
    found = audit(place, "late-orders")
    assert (found.answers, found.served, found.looked_at, found.differ) == (4, 1, 1, 0)


class Thin:
    """A version whose contract keeps no features."""

    def __init__(self, predictor: Predictor) -> None:
        self.model, self.version, self.digest = predictor.model, predictor.version, predictor.digest
        journal = predictor.contract.journal.model_copy(update={"sample": 0.0})
        self.contract = predictor.contract.model_copy(update={"journal": journal})


def test_a_version_that_is_gone_or_damaged_is_said_and_the_others_go_on(
    served: tuple[Workspace, Version], orders: Path
) -> None:
    place, first = served
    ask(place, first, 2)
    (orders / "model.py").write_text((orders / "model.py").read_text() + "\n# another\n")
    second = train(load_project(orders), by="ada", now=NOW).version
    fill_fresh(place, second, now=NOW)
    ask(place, second, 3)
    file = place.artifacts.path(second.digest)
    kept = file.read_bytes()
    for content in (kept[:100], None):
        file.unlink()
        if content:
            file.write_bytes(content)
        found = audit(place, "late-orders")
        assert (found.served, found.looked_at, found.differ) == (5, 2, 0)
        assert [(one.version, one.answers) for one in found.unread] == [(2, 3)]
        assert second.digest[:12] in found.unread[0].sentence
    file.write_bytes(kept)
    assert audit(place, "late-orders").looked_at == 5


def test_a_source_that_is_gone_is_said_and_not_taken_for_equal(served: tuple[Workspace, Version], orders: Path) -> None:
    place, version = served
    ask(place, version, 2)
    (orders / "data" / "deliveries.csv").unlink()
    (found,) = audit(place, "late-orders").unread
    assert "Source 'deliveries' is missing" in found.sentence


def test_code_that_raises_is_said(served: tuple[Workspace, Version], monkeypatch: pytest.MonkeyPatch) -> None:
    place, version = served
    ask(place, version, 2)
    monkeypatch.setenv("RATE", "much")
    (found,) = audit(place, "late-orders").unread
    assert "could not convert string to float: 'much'" in found.sentence


def test_an_audit_that_lost_its_lease_stops(served: tuple[Workspace, Version]) -> None:
    place, version = served
    ask(place, version, 2)
    steps = iter(range(100))

    def hold() -> None:
        if next(steps) == 2:
            raise Conflict("The lease is another worker's now")

    with pytest.raises(Conflict, match="another worker's"):
        audit(place, "late-orders", hold=hold)
    assert next(steps) == 3


def test_reasons_are_looked_for_in_so_many_facts_and_said_to_be_missing_for_the_others(
    served: tuple[Workspace, Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, version = served
    push(place, 90_001, ASKED - timedelta(hours=2), at=ASKED - timedelta(hours=1))
    monkeypatch.setenv("RATE", "3")
    ask(place, version, 4)
    monkeypatch.delenv("RATE")
    monkeypatch.setattr(skew, "READ", 1)
    dear = columns(place)["dear"]
    assert (dear.differ, dear.other_code, dear.unexplained) == (4, 1, 3)
    assert set(dear.examples) == {"other code", "unexplained"}


def test_a_model_that_looks_nothing_up_and_has_no_time_is_computed_again(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    (folder / "data").mkdir(parents=True)
    rows = [f"{i},{i % 7},{str(i % 7 > 3).lower()}" for i in range(200)]
    (folder / "data" / "things.csv").write_text("id,size,big\n" + "\n".join(rows) + "\n")
    (folder / "model.py").write_text(PLAIN)
    (folder / "outlast.toml").write_text('[model]\nproblem = "big?"\nowner = "o@example.com"\n')
    project = load_project(folder)
    version = train(project, by="ada", now=NOW).version
    predictor = open_predictor(project.workspace, version.digest, 1)
    with Journal(project.workspace) as journal:
        for hour in range(3):
            at = ASKED + timedelta(hours=hour)
            journal.predictions(predictor.predict([{"size": hour}], at=at), predictor, request_id="r", server="s")
    found = audit(project.workspace, "things")
    assert (found.looked_at, found.differ, [one.column for one in found.columns]) == (3, 0, ["double"])


PLAIN = """
import polars as pl
from outlast import Model, Source

things = Source("things", "data/things.csv", key="id")


def double(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(double=pl.col("size") * 2)


class Rule:
    def predict(self, x):
        return [0.9 if size > 6 else 0.1 for (size,) in x.select("double").rows()]


def fit(x, y, seed):
    return Rule()


model = Model("things", asks=things["size",], features=[double], label=things["big"] == True, fit=fit)
"""
