"""Golden rows carry what is needed to ask them again, and whoever answers otherwise is told so."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outlast.bundle.format import encode, pack
from outlast.bundle.predictor import Predictor, open_bundle, open_predictor
from outlast.bundle.replay import open_proven, replay
from outlast.errors import NotFound, Refused, TrainingError
from outlast.journal.ingest import Ingest
from outlast.journal.journal import Journal
from outlast.project.loader import load_project
from outlast.registry import verdicts
from outlast.registry.rollout import transition
from outlast.registry.versions import Version, find
from outlast.serving.house import House
from outlast.training import golden
from outlast.training.run import train
from outlast.types import ModelRef, micros, now

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def edit(folder: Path, old: str, new: str, file: str = "model.py") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def run(folder: Path) -> Version:
    return train(load_project(folder), by="ada", now=NOW).version


def opened(folder: Path, version: Version) -> Predictor:
    return open_predictor(load_project(folder).workspace, version.digest, version.number)


def with_golden(folder: Path, version: Version, change: Any) -> Predictor:
    """The version with other golden rows."""
    bundle = open_bundle(load_project(folder).workspace, version.digest)
    rows = bundle.json("golden.json")
    change(rows)
    manifest = {name: value for name, value in bundle.manifest.items() if name not in ("format", "files")}
    place = load_project(folder).workspace
    return open_predictor(place, place.artifacts.put(pack(manifest, {**bundle.files, "golden.json": encode(rows)})), 1)


@pytest.fixture(scope="module")
def once(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Version]:
    folder = tmp_path_factory.mktemp("once") / "orders"
    shutil.copytree(orders_template, folder)
    return folder, run(folder)


@pytest.fixture
def trained(once: tuple[Path, Version], tmp_path: Path) -> tuple[Path, Version]:
    shutil.copytree(once[0], tmp_path / "orders")
    return tmp_path / "orders", once[1]


def test_every_golden_row_is_asked_from_its_own_facts(trained: tuple[Path, Version]) -> None:
    folder, version = trained
    predictor = opened(folder, version)
    done = replay(predictor)
    assert done.passed is True
    assert (done.rows, done.whole, done.exact) == (len(predictor.golden), len(predictor.golden), True)
    assert version.summary["golden"]["facts"] == done.facts > 100
    assert (
        f"{done.rows} golden rows, asked from {done.facts} facts, got the answers of training to the" in done.sentence
    )


def test_facts_that_must_not_be_read_come_along(trained: tuple[Path, Version]) -> None:
    lag = timedelta(minutes=5)
    for row in opened(*trained).golden[:8]:
        known = [datetime.fromisoformat(one["delivered_at"]) + lag for one in row["facts"]["deliveries"]]
        moments = [(one if one.tzinfo else one.replace(tzinfo=UTC)) for one in known]
        at = datetime.fromisoformat(row["request"]["ordered_at"])
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        assert sum(micros(moment) >= micros(at) for moment in moments) >= 1
        assert sum(micros(moment) < micros(at) for moment in moments) >= 1


def test_corrections_withdrawals_and_numbers_without_a_word_in_json_are_replayed(orders: Path) -> None:
    edit(orders, 'late=pl.col("late").mean()', 'late=pl.col("days").fill_nan(5.0).clip(0, 9).mean()')
    deliveries = pl.read_csv(orders / "data" / "deliveries.csv", try_parse_dates=True)
    odd = pl.int_range(pl.len())
    days = pl.when(odd % 97 == 0).then(float("nan")).when(odd % 89 == 0).then(1e300).otherwise(odd / 7)
    deliveries = deliveries.with_columns(days=days)
    moved = deliveries.gather_every(5).with_columns(
        pl.col("delivered_at") + pl.duration(hours=3), shop=pl.lit("east"), days=pl.col("days") + 1
    )
    pl.concat([deliveries, moved]).sort("delivered_at").write_parquet(orders / "data" / "deliveries.parquet")
    edit(orders, "deliveries.csv", "deliveries.parquet")
    run(orders)
    place = load_project(orders).workspace
    with Journal(place) as journal:
        gone = deliveries.gather_every(7).select("order_id", pl.col("delivered_at") + pl.duration(hours=1))
        Ingest(place, journal).take("deliveries", gone, at=NOW, retract=True)
    version = run(orders)
    done = replay(opened(orders, version))
    assert (done.passed, done.whole) == (True, done.rows)
    facts = [one for row in opened(orders, version).golden for one in row["facts"]["deliveries"]]
    assert any(one.get("__retracted") for one in facts)
    assert {"nan", "1e+300"} <= {one["days"]["$float"] for one in facts if isinstance(one.get("days"), dict)}


def test_of_so_many_facts_those_come_along_that_count(orders: Path) -> None:
    edit(orders, 'over=["1d", "3d"], late', "last=[2, 5], late")
    edit(
        orders,
        'latest(deliveries, last_late="late", by="shop", max_age="2d")',
        "window(deliveries, by='shop', last=1, late=pl.col('late').max())",
    )
    for old, new in (("late_1d", "late_last2"), ("late_3d", "late_last5"), ("last_late", "late_last1")):
        edit(orders, old, new, "shapes.py")
    deliveries = pl.read_csv(orders / "data" / "deliveries.csv", try_parse_dates=True)
    later = deliveries.gather_every(3).with_columns(pl.col("delivered_at") + pl.duration(hours=2), shop=pl.lit("east"))
    twice = pl.concat([deliveries, deliveries.gather_every(2), later]).sort("delivered_at", maintain_order=True)
    twice.write_csv(orders / "data" / "deliveries.csv")
    predictor = opened(orders, run(orders))
    done = replay(predictor)
    assert (done.passed, done.whole) == (True, done.rows)
    assert set(predictor.golden[0]["features"]) >= {"late_last2", "late_last5"}
    for row in predictor.golden:
        assert 5 < len({one["order_id"] for one in row["facts"]["deliveries"]}) < 40


def test_facts_with_event_time_are_replayed_in_the_order_in_which_they_happened(orders: Path) -> None:
    edit(orders, 'lag="5m")', 'lag="5m", event="happened_at")')
    edit(orders, 'over=["1d", "3d"], late', 'over=["1d", "3d"], last=4, max_age="2d", late')
    deliveries = pl.read_csv(orders / "data" / "deliveries.csv", try_parse_dates=True)
    late = pl.duration(minutes=pl.int_range(pl.len()) * 977 % 3000 - 300)
    dated = deliveries.with_columns(happened_at=pl.when(pl.int_range(pl.len()) % 11 > 0).then("delivered_at") - late)
    again = dated.gather_every(6).with_columns(pl.col("delivered_at") + pl.duration(hours=5), late=~pl.col("late"))
    pl.concat([dated, again]).write_csv(orders / "data" / "deliveries.csv")
    predictor = opened(orders, run(orders))
    assert predictor.lookups[0].lookup.source.event == "happened_at"
    done = replay(predictor)
    assert (done.passed, done.whole, done.exact) == (True, done.rows, True)
    assert len({row["features"]["late_last4"] for row in predictor.golden}) > 2


def test_rows_with_too_many_facts_are_left_out_and_one_always_stays(
    orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "MOST", 1)
    version = run(orders)
    assert version.summary["golden"]["whole"] == 1
    assert "rows with too many facts were left out" in version.summary["golden"]["says"]
    assert replay(opened(orders, version)).passed is True


def test_a_model_whose_answer_hangs_on_the_other_rows_is_not_registered(orders: Path) -> None:
    text = (orders / "model.py").read_text()
    start, end = text.index("def fit("), text.index("model = Model(")
    (orders / "crowd.py").write_text(
        "class Crowd:\n    def predict(self, x):\n        return self.predict_proba(x)\n\n"
        "    def predict_proba(self, x):\n        yes = min(0.9, 0.2 + len(x) / 1000)\n"
        "        return [[1 - yes, yes]] * len(x)\n"
    )
    fit = "from crowd import Crowd\n\n\ndef fit(x, y, seed):\n    return Crowd()\n\n\n"
    (orders / "model.py").write_text(text[:start] + fit + text[end:])
    with pytest.raises(TrainingError, match=r"so no version was made: golden row 0 has the scores .* in training"):
        run(orders)
    with pytest.raises(NotFound):
        find(load_project(orders).workspace.ledger, ModelRef("late-orders", 1))


def test_code_that_computes_otherwise_on_the_server_is_refused_and_the_old_version_stays(
    orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A helper that reads a setting: the one of training is not the one of the server."""
    first = run(orders)
    (orders / "rates.py").write_text("import os\n\n\ndef rate():\n    return float(os.environ.get('RATE', '1'))\n")
    edit(orders, "hour=pl.col", "dear=pl.col('weight') * rate() > 3, hour=pl.col")
    edit(orders, "from shapes import numbers", "from rates import rate\nfrom shapes import numbers")
    second = run(orders)
    place = load_project(orders).workspace
    house = House(place, open_proven, server="s1")
    for number in (first.number, second.number):
        with place.ledger.write() as connection:
            verdict = verdicts.write(connection, "late-orders", number, NOW, [])
        monkeypatch.setenv("RATE", str(number))
        transition(place.ledger, "late-orders", action="promote", to=number, by="ada", at=now(), verdict=verdict)
        house.look()
    with house.take("late-orders") as predictor:
        assert predictor.version == 1
    assert (
        "late-orders@2 could not be loaded, version 1 stays: it does not give the answers of its training here"
        in (house.refused["late-orders"])
    )
    assert "has 'dear' True and had False in training" in house.refused["late-orders"]
    house.close()


def test_a_changed_answer_or_feature_is_found_to_the_last_bit(trained: tuple[Path, Version]) -> None:
    def scores(rows: list[Any]) -> None:
        rows[3]["answer"]["scores"][0] *= 1 + 2e-16

    def feature(rows: list[Any]) -> None:
        rows[5]["features"]["late_3d"] += 1e-16

    assert "golden row 3 has the scores" in replay(with_golden(*trained, scores)).sentence
    assert "golden row 5 has 'late_3d'" in replay(with_golden(*trained, feature)).sentence
    assert replay(with_golden(*trained, scores), exact=False).passed is True, "elsewhere, the tolerance holds"


def test_a_decision_is_never_within_the_tolerance(trained: tuple[Path, Version]) -> None:
    def decision(rows: list[Any]) -> None:
        rows[0]["answer"]["decision"] = "neither"

    assert "and was 'neither' in training" in replay(with_golden(*trained, decision), exact=False).sentence


def test_a_version_of_an_earlier_release_is_asked_what_it_can_be(trained: tuple[Path, Version]) -> None:
    def earlier(rows: list[Any]) -> None:
        for row in rows:
            del row["facts"], row["answer"]

    def wrong(rows: list[Any]) -> None:
        earlier(rows)
        rows[2]["scores"] = [0.5, 0.5]

    done = replay(with_golden(*trained, earlier))
    assert (done.passed, done.whole) == (None, 0)
    assert "carry no facts to look them up from, as those of earlier releases: train it again" in done.sentence
    assert "golden row 2 has the scores" in replay(with_golden(*trained, wrong)).sentence


def test_what_does_not_answer_as_in_training_is_not_opened(trained: tuple[Path, Version]) -> None:
    folder, version = trained

    def scores(rows: list[Any]) -> None:
        rows[0]["answer"]["scores"] = [0.123]

    changed = with_golden(folder, version, scores).digest
    place = load_project(folder).workspace
    with pytest.raises(Refused, match=r"it does not give the answers of its training here: golden row 0"):
        open_proven(place, changed, 1)
    assert open_proven(place, version.digest, 1).version == 1


def test_rows_that_the_contract_sends_down_the_ladder_are_no_golden_rows(
    orders_template: Path, tmp_path: Path, once: tuple[Path, Version]
) -> None:
    folder = tmp_path / "orders"
    shutil.copytree(orders_template, folder)
    edit(folder, "[retraining]", '[serving.fields]\ncoupon = { missing = "default" }\n\n[retraining]', "outlast.toml")
    found = opened(folder, run(folder))
    assert len(found.golden) > 10
    assert all(golden["request"]["coupon"] is not None for golden in found.golden)
    assert any(golden["request"]["coupon"] is None for golden in opened(*once).golden)
    assert replay(found, exact=True).passed
