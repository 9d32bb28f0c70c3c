"""The rung below the full model: the store gone, empty or stale, a model that raises; each row by its own rung."""

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from outlast.bundle.format import Bundle
from outlast.bundle.freshness import Gone
from outlast.bundle.ingest import update
from outlast.bundle.predictor import Predictor, open_bundle
from outlast.bundle.replay import replay
from outlast.errors import RequestError, Unavailable
from outlast.journal.sources import Sources
from outlast.project.loader import Project, load_project
from outlast.registry.versions import find
from outlast.storage.fresh import FreshValues
from outlast.training.run import train
from outlast.types import ModelRef

NOW = datetime(2024, 6, 1, tzinfo=UTC)
LAST = datetime(2024, 3, 30, tzinfo=UTC)
OWN = """
class Share:
    def __init__(self, y):
        self.share = float(y.mean())

    def predict(self, x):
        if (x["weight"] > 1000).any():
            raise OSError
        return [self.share] * len(x)


def fit(x, y, seed):
    return Share(y)


"""


@pytest.fixture(scope="module")
def project(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A version with a simpler model: the full one raises on heavy orders, a function of both on heavier ones."""
    folder = tmp_path_factory.mktemp("ladder") / "orders"
    shutil.copytree(orders_template, folder)
    text = (folder / "model.py").read_text()
    heavy = "    assert rows['weight'].max() < 5000\n    return rows.select(hour"
    text = text.replace("    return rows.select(hour", heavy)
    (folder / "model.py").write_text(text[: text.index("def fit(")] + OWN + text[text.index("model = Model(") :])
    contract = (folder / "outlast.toml").read_text()
    contract = contract.replace('["full", "default"', '["full", "simpler", "default"')
    (folder / "outlast.toml").write_text(contract.replace("rate = 10", 'rate = 10\nstale = { deliveries = "36h" }'))
    found = load_project(folder)
    train(found, by="ada", now=NOW)
    return found


@pytest.fixture
def bundle(project: Project) -> Bundle:
    return open_bundle(project.workspace, find(project.workspace.ledger, ModelRef("late-orders", 1)).digest)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FreshValues]:
    found = FreshValues(tmp_path / "fresh.db")
    yield found
    found.close()


@pytest.fixture
def predictor(project: Project, bundle: Bundle, store: FreshValues) -> Predictor:
    """The version over fresh values that hold every delivery until LAST."""
    found = Predictor(bundle, 1, store)
    sources = Sources(project)
    deliveries = sources.frame(sources.named("deliveries")).filter(pl.col("delivered_at") <= LAST).collect()
    update(store, found.lookups, deliveries)
    return found


def row(**more: Any) -> dict[str, Any]:
    asked = {"order_id": 7, "shop": "east", "weight": 3.0, "coupon": None, "ordered_at": LAST + timedelta(hours=1)}
    return asked | more


def rungs(predictor: Predictor, *rows: dict[str, Any], at: datetime = NOW) -> list[str]:
    return [answer.rung for answer in predictor.predict(rows, at=at)]


def test_where_all_is_well_the_full_model_answers(predictor: Predictor) -> None:
    (answer,) = predictor.predict([row()], at=NOW)
    assert (answer.rung, answer.reasons) == ("full", [])


def test_with_the_store_gone_the_simpler_model_answers_with_its_own_features(
    predictor: Predictor, store: FreshValues, tmp_path: Path
) -> None:
    full = predictor.predict([row()], at=NOW)[0]
    with sqlite3.connect(tmp_path / "fresh.db") as connection:
        connection.execute("DROP TABLE facts")
    connection.close()
    (answer,) = predictor.predict([row()], at=NOW + timedelta(minutes=5))
    assert answer.rung == "simpler"
    assert answer.reasons[0].startswith("fresh values cannot be read: ")
    assert (answer.asks, answer.features) == (full.asks, {"hour": 1})
    assert answer.score is not None
    assert answer.score != full.score
    assert answer.decision in ("call", "wait")
    assert answer.cells == b""  # the monitor counts the full model's features only


def test_a_store_that_lost_everything_is_not_taken_for_a_world_without_facts(
    bundle: Bundle, store: FreshValues
) -> None:
    (answer,) = Predictor(bundle, 1, store).predict([row()], at=NOW)
    assert (answer.rung, answer.reasons) == ("simpler", ["fresh values hold no fact of 'deliveries'"])


def test_it_comes_back_within_a_second_of_the_facts(project: Project, bundle: Bundle, store: FreshValues) -> None:
    found = Predictor(bundle, 1, store)
    assert rungs(found, row()) == ["simpler"]
    update(store, found.lookups, Sources(project).frame(Sources(project).named("deliveries")).collect())
    assert rungs(found, row(), at=NOW + timedelta(seconds=1.1)) == ["full"]


def test_rows_that_need_fresher_facts_than_there_are_get_the_simpler_answer_and_others_do_not(
    predictor: Predictor,
) -> None:
    late = row(ordered_at=LAST + timedelta(days=3))
    assert rungs(predictor, row(), late, row()) == ["full", "simpler", "full"]
    (answer,) = predictor.predict([late], at=NOW)
    assert answer.reasons == [
        "the newest fact of 'deliveries' in fresh values is of 2024-03-29T23:39Z, older than [serving] stale allows"
    ]


def test_a_row_that_a_model_fails_on_costs_no_other_its_answer(predictor: Predictor) -> None:
    rows = [row(), row(weight=2000.0), row(), row(weight=9000.0), row()]
    assert rungs(predictor, *rows) == ["full", "simpler", "full", "default", "full"]
    answers = predictor.predict(rows, at=NOW)
    assert answers[1].reasons == ["the model raised OSError"]
    assert answers[3].reasons == ["the model raised AssertionError", "the simpler model raised AssertionError"]
    assert answers[3].decision == "wait"


def test_a_long_batch_on_which_a_model_always_fails_ends_soon(predictor: Predictor) -> None:
    asked = 0
    model = predictor._full.model
    table = model.table

    def counted(frame: pl.DataFrame) -> Any:
        nonlocal asked
        asked += 1
        return table(frame)

    model.table = counted  # type: ignore[method-assign]
    assert set(rungs(predictor, *[row(weight=2000.0)] * 1000)) == {"simpler"}
    assert asked < 600


def test_without_a_default_below_it_a_row_that_both_fail_on_is_unavailable(bundle: Bundle, store: FreshValues) -> None:
    contract = bundle.files["contract.json"].replace(b'"default",', b"")
    found = Predictor(Bundle(bundle.digest, bundle.manifest, {**bundle.files, "contract.json": contract}), 1, store)
    assert rungs(found, row()) == ["simpler"]
    with pytest.raises(Unavailable, match="hold no fact of 'deliveries'; the simpler model raised AssertionError"):
        found.predict([row(weight=9000.0)], at=NOW)


def test_golden_rows_carry_the_simpler_answers_and_another_answer_is_found(bundle: Bundle, store: FreshValues) -> None:
    found = Predictor(bundle, 1, store)
    assert replay(found, exact=True).passed
    assert all(len(golden["simpler"]["answer"]["scores"]) == 1 for golden in found.golden)
    found.golden[3]["simpler"]["answer"]["scores"] = [0.75]
    done = replay(found, exact=True)
    assert done.passed is False
    assert done.differences[0].startswith("golden row 3, by the simpler model, has the scores ")


def test_a_store_that_cannot_be_read_is_what_the_proof_uses(predictor: Predictor) -> None:
    (answer,) = predictor.over(Gone()).predict([row()], at=NOW)
    assert (answer.rung, answer.reasons) == ("simpler", ["fresh values cannot be read: there are none"])


def saying(bundle: Bundle, store: FreshValues, **serving: Any) -> Predictor:
    """The version as if its contract said more."""
    contract = msgspec.json.decode(bundle.files["contract.json"])
    contract["serving"] |= serving
    files = {**bundle.files, "contract.json": msgspec.json.encode(contract)}
    return Predictor(Bundle(bundle.digest, bundle.manifest, files), 1, store)


def test_a_fault_of_a_field_leads_down_the_ladder_and_costs_no_other_row_its_rung(
    predictor: Predictor, bundle: Bundle, store: FreshValues
) -> None:
    fields = {"weight": {"missing": "default"}, "coupon": {"malformed": "simpler"}}
    found = saying(bundle, store, fields=fields)
    rows = [row(), row(weight=None), row(coupon=5), row(), row(shop=7)]
    with pytest.raises(RequestError, match="Row 4, field 'shop' is the number 7"):
        found.predict(rows, at=NOW)
    answers = found.predict(rows[:4], at=NOW)
    assert [answer.rung for answer in answers] == ["full", "default", "simpler", "full"]
    assert [answer.causes for answer in answers] == [(), ("missing:weight",), ("malformed:coupon",), ()]
    assert answers[1].reasons == ["'weight' is null"]
    assert answers[2].asks["coupon"] is None
    assert answers[2].reasons == ["'coupon' is the number 5: expected text"]


def test_what_facts_too_old_lead_to_is_the_contracts_to_say(
    predictor: Predictor, bundle: Bundle, store: FreshValues
) -> None:
    late = row(ordered_at=LAST + timedelta(days=3))

    def then(word: str) -> Predictor:
        return saying(bundle, store, stale={"deliveries": {"age": "36h", "then": word}})

    (warned,) = then("warn").predict([late], at=NOW)
    assert (warned.rung, warned.reasons) == ("full", [])
    assert "older than [serving] stale allows" in warned.warnings[-1]
    (default,) = then("default").predict([late], at=NOW)
    assert (default.rung, default.causes) == ("default", ("stale:deliveries",))
    with pytest.raises(Unavailable, match=r"older than .* allows.*, and its contract has that refused"):
        then("refuse").predict([late], at=NOW)
    assert rungs(then("refuse"), row()) == ["full"]


def test_a_fault_and_old_facts_together_lead_to_the_lower_rung_of_the_two(
    predictor: Predictor, bundle: Bundle, store: FreshValues
) -> None:
    late = row(ordered_at=LAST + timedelta(days=3), weight=None)
    (answer,) = saying(bundle, store, fields={"weight": {"missing": "default"}}).predict([late], at=NOW)
    assert (answer.rung, answer.causes) == ("default", ("missing:weight", "stale:deliveries"))


def test_where_no_rung_is_left_the_row_is_refused_by_its_field(bundle: Bundle, store: FreshValues) -> None:
    found = saying(bundle, store, fields={"coupon": {"malformed": "simpler"}}, ladder=["full", "simpler"])
    assert rungs(found, row(coupon=5)) == ["simpler"]
    found._simpler = None
    with pytest.raises(RequestError, match=r"'coupon' is the number 5.*no lower rung does: correct the row") as caught:
        found.predict([row(coupon=5)], at=NOW)
    assert caught.value.details["field"] == "coupon"
