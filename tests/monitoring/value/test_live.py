"""What a live model is worth, from a journal with known prices."""

from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import polars as pl
import pytest
from watched import DAY, HOUR, MODEL, START, made, predict, through_the_day

from outlast.errors import StorageError
from outlast.journal.journal import Journal, seal
from outlast.journal.reading import joined
from outlast.journal.records import ActionRecord
from outlast.monitoring.counting.refreshing import refresh
from outlast.monitoring.report import report
from outlast.monitoring.subject import open_subject
from outlast.monitoring.value.costs import running_cost
from outlast.monitoring.value.live import value
from outlast.project.workspace import Workspace
from outlast.types import micros

NOW = START + 30 * DAY


def counted(folder: Path, labels: str, days: int) -> tuple[Workspace, list[str]]:
    """A model that answered 60 questions a day, all of them labelled and counted."""
    place, origin = made(folder, {"value": {"currency": "EUR", "payoff": PAYOFF, "groups": ["origin"]}})
    ids = [
        id
        for day in range(days)
        for id in predict(place, origin, through_the_day(60, START + day * DAY), seed=2 + day, labels=labels)
    ]
    seal(place)
    subject = open_subject(place, MODEL, 1)
    refresh(place, MODEL, HOUR, now=NOW, subject=lambda _: subject, hold=lambda: None)
    return place, ids


PAYOFF = {"act": {"yes": 120, "no": -25}, "wait": {"yes": 0, "no": 0}}


@pytest.fixture(scope="module")
def fair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, list[str]]:
    return counted(tmp_path_factory.mktemp("fair"), "fair", 9)


def test_money_adds_up_to_what_each_decision_earned(fair) -> None:
    place, _ = fair
    found = value(place, MODEL, now=NOW).money
    rows = joined(place, MODEL).collect()
    acted = rows.filter(pl.col("decision") == "act")["value"].to_list()
    earned = sum(120 if one == "true" else -25 for one in acted)
    assert found.value.value == found.gain.value == pytest.approx(earned)  # the baseline never acts
    assert [day.priced for day in found.days] == [60] * 9
    assert found.days[-1].total_gain == pytest.approx(earned)
    assert found.days[-1].total_promised == pytest.approx(9 * 60 * 10.0)
    assert found.promise_per_decision.value == 10.0
    assert found.gain.low < found.gain.value < found.gain.high
    assert found.says == "more than was promised, beyond chance"  # 38 a decision, and 10 were promised


@pytest.mark.parametrize(
    ("labels", "days", "says"),
    [
        ("turned", 9, "less than was promised, beyond chance"),
        ("fair", 1, "no different from the promise than by chance"),
        ("none", 2, "not comparable with the promise: no decision has a price yet"),
    ],
)
def test_the_promise_is_held_against_what_is_known(tmp_path: Path, labels: str, days: int, says: str) -> None:
    place, _ = counted(tmp_path, labels, days)
    assert value(place, MODEL, now=NOW).money.says == says
    told = report(place, MODEL)
    assert told.promise == (None if labels == "none" else says)
    assert told.adoption is None


def test_a_period_is_counted_by_the_moment_decided_about(fair) -> None:
    place, _ = fair
    found = value(place, MODEL, now=NOW, period=(START + DAY, START + 3 * DAY))
    assert [day.day for day in found.money.days] == [START + DAY, START + 2 * DAY]
    assert found.adoption.answers == 120


def test_nothing_counted_is_said(tmp_path: Path) -> None:
    place, _ = made(tmp_path)
    found = value(place, MODEL, now=NOW)
    assert found.money.days == ()
    assert found.money.gain.reason == "no decision has a price yet"
    assert found.adoption.says == "nobody told what was done with an answer: `outlast act`, or POST /actions"
    assert found.cost.cpu_seconds is None
    assert "was never measured" in str(found.cost.missing)
    assert found.to_json()["money"]["says"].startswith("not comparable")


def test_adoption_is_told_by_who_acted_and_by_the_contract_s_groups(tmp_path: Path) -> None:
    place, ids = counted(tmp_path, "fair", 9)
    did = ["followed"] * 300 + ["overridden"] * 100 + ["ignored"] * 40
    with Journal(place) as journal:
        journal.actions(
            [
                ActionRecord(MODEL, id, None, action, None, "ana" if number % 2 else None, micros(NOW) + number, "http")
                for number, (id, action) in enumerate(zip(ids, did, strict=False))
            ]
        )
        # the newest word counts, and a comment is none
        journal.actions([ActionRecord(MODEL, ids[0], None, "ignored", None, None, micros(NOW) + 999, "http")])
        journal.actions([ActionRecord(MODEL, ids[1], None, "commented", "why?", None, micros(NOW) + 999, "http")])
    found = value(place, MODEL, now=NOW + DAY).adoption
    all_, *rest = found.groups
    assert (found.answers, found.told) == (540, 440)
    assert (all_.followed, all_.overridden, all_.ignored) == (299, 100, 41)
    assert all_.rate.value == pytest.approx(299 / 440)
    assert {(one.kind, one.name) for one in rest} == {
        ("by", "ana"), ("by", "nobody named"), *(("origin", name) for name in ("EWR", "JFK", "LGA")),
    }  # fmt: skip
    assert sum(one.followed for one in rest if one.kind == "origin") == 299
    rows = joined(place, MODEL).filter(pl.col("prediction_id").is_in(ids[300:400])).collect()
    worth = np.where(rows["value"] == "true", 120.0, -25.0)
    acts = (rows["decision"] == "act").to_numpy()
    assert all_.gain_overridden.value == pytest.approx(np.where(acts, worth, 0.0).mean())
    assert all_.instead.value == pytest.approx(np.where(acts, -worth, worth).mean())
    assert all_.difference.value == pytest.approx(all_.gain_followed.value - all_.gain_overridden.value)
    assert "68% followed of 440 answers" in found.says
    assert report(place, MODEL).adoption == found.says


def test_an_action_on_a_key_counts_for_its_answers(tmp_path: Path) -> None:
    place, ids = counted(tmp_path, "fair", 1)
    with Journal(place) as journal:
        journal.actions([ActionRecord(MODEL, None, "no such key", "followed", None, "ana", micros(NOW), "http")])
        journal.actions([ActionRecord(MODEL, ids[0], None, "followed", None, "ana", micros(NOW), "http")])
    assert value(place, MODEL, now=NOW + DAY).adoption.told == 1


@pytest.fixture
def metrics() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(
                b"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 18.0\n"
                b"# TYPE outlast_predictions_total counter\n"
                b'outlast_predictions_total{model="a"} 4000\noutlast_predictions_total{model="b"} 2000\n'
            )

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_thousand_answers_cost_what_the_server_took_at_the_workspace_s_price(tmp_path: Path, metrics: str) -> None:
    place, _ = made(tmp_path)
    found = running_cost(place, metrics, "EUR")
    assert (found.cpu_seconds, found.money) == (3.0, None)
    assert "names no price" in str(found.missing)
    (tmp_path / "workspace.toml").write_text('[costs]\ncpu_hour = 0.06\ncurrency = "CHF"\n')
    priced = running_cost(Workspace.find(tmp_path), metrics, "EUR")
    assert (priced.money, priced.currency) == (pytest.approx(3.0 / 3600 * 0.06), "CHF")
    with pytest.raises(StorageError, match="cannot be read"):
        running_cost(place, "http://127.0.0.1:1", "EUR")


def test_the_interval_of_days_covers_as_often_as_it_says() -> None:
    """Of means of days that share a shock, 95 % intervals cover the truth in 93 to 97 of 100 cases."""
    from outlast.monitoring.value.means import of_values

    rng, hits, cases = np.random.default_rng(1), 0, 600
    for _ in range(cases):
        days = np.repeat(np.arange(20), 30)
        values = 5 + np.repeat(rng.normal(0, 1, 20), 30) + rng.normal(0, 2, 600)
        found = of_values(values, days)
        hits += found.low <= 5 <= found.high
    assert 0.925 <= hits / cases <= 0.975
    assert timedelta(days=1) == DAY
