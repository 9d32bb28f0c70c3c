"""The Predictor on a real version: the run's scores again, and a rung of the ladder for every real fault."""

import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outlast.bundle.format import unpack
from outlast.bundle.lookups import read_back, written
from outlast.bundle.predictor import Predictor, open_bundle, open_predictor
from outlast.data.schema import from_json
from outlast.errors import RequestError, StorageError, Unavailable
from outlast.features.online import to_store
from outlast.journal.sources import Sources
from outlast.project.loader import load_project
from outlast.registry.versions import find
from outlast.storage.fresh import FreshValues
from outlast.training.run import train
from outlast.types import ModelRef

NOW = datetime(2024, 6, 1, tzinfo=UTC)
AT = datetime(2024, 3, 31, 12, tzinfo=UTC)
LAST_BITS = 1e-12
"""How far a linear model's scores may lie apart between one row and many: BLAS adds them up in another order."""
SPARE = "def fit(x, y, seed):\n    return Plain(float(y.mean()))\n"
PLAIN = """
class Plain:
    def __init__(self, base):
        self.base = base

    def predict(self, x):
        {body}
        return [self.base] * len(x)
"""


def edit(folder: Path, old: str, new: str, file: str = "model.py") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def plain(folder: Path, body: str) -> None:
    """The project with an estimator of its own, in a module of its own, that does this for each frame."""
    (folder / "plain.py").write_text(PLAIN.format(body=body))
    text = (folder / "model.py").read_text()
    start, end = text.index("def fit("), text.index("model = Model(")
    (folder / "model.py").write_text("from plain import Plain\n" + text[:start] + SPARE + "\n\n" + text[end:])


def whole_history(folder: Path, digest: str) -> None:
    """Write every fact that a version's lookups read into the store of fresh values."""
    project = load_project(folder)
    sources = Sources(project)
    manifest = open_bundle(project.workspace, digest).manifest
    known = {name: from_json(kept["schema"]) for name, kept in manifest["sources"].items()}
    by_name = {source.name: source for source in project.model.sources}
    for kept in manifest["lookups"]:
        lookup = read_back(kept, known)
        frame = sources.frame(by_name[lookup.lookup.source.name])
        project.workspace.fresh.ingest(lookup.digest, to_store(lookup, frame))


def trained(folder: Path) -> Predictor:
    project = load_project(folder)
    version = train(project, by="ada", now=NOW).version
    whole_history(folder, version.digest)
    return open_predictor(project.workspace, version.digest, version.number)


@pytest.fixture(scope="module")
def kept(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "orders"
    shutil.copytree(orders_template, folder)
    trained(folder)
    return folder


@pytest.fixture
def served(kept: Path, tmp_path: Path) -> Path:
    """A project with a trained version and its fresh values, of which a test may break what it likes."""
    shutil.copytree(kept, tmp_path / "orders")
    return tmp_path / "orders"


def opened(folder: Path) -> Predictor:
    workspace = load_project(folder).workspace
    digest = find(workspace.ledger, ModelRef("late-orders", 1)).digest
    return open_predictor(workspace, digest, 1)


def test_golden_requests_answered_from_fresh_values_give_the_scores_and_features_of_the_run(served: Path) -> None:
    predictor = opened(served)
    assert len(predictor.golden) >= 16
    for golden in predictor.golden:
        (answer,) = predictor.predict([golden["request"]], at=NOW)
        assert answer.rung == "full"
        assert answer.score == pytest.approx(golden["scores"][1], rel=LAST_BITS)
        for name, value in golden["features"].items():
            found = {**answer.asks, **answer.features}[name]
            assert found == value or found.isoformat().replace("+00:00", "Z") == value, name


def test_a_batch_and_threads_give_each_row_what_it_gets_alone(served: Path) -> None:
    predictor = opened(served)
    rows = [golden["request"] for golden in predictor.golden]
    together = predictor.predict(rows, at=NOW)
    with ThreadPoolExecutor(8) as pool:
        alone = [one for (one,) in pool.map(lambda row: predictor.predict([row], at=NOW), rows * 5)]
    for index, one in enumerate(alone):
        other = together[index % len(rows)]
        assert one.score == pytest.approx(other.score, rel=LAST_BITS)
        assert (one.features, one.cells, one.decision) == (other.features, other.cells, other.decision)
    assert len({one.prediction_id for one in alone}) == len(alone)


def test_the_answer_says_what_was_asked_and_decided(served: Path) -> None:
    predictor = opened(served)
    row = {"order_id": 7, "shop": "east", "weight": 3, "coupon": None, "ordered_at": "2024-03-31T14:00:00+02:00"}
    (answer,) = predictor.predict([row], at=NOW)
    assert answer.key == "7"
    assert answer.decide_at == int(AT.timestamp() * 1e6)
    assert answer.asks == {"shop": "east", "weight": 3.0, "coupon": None, "ordered_at": AT}
    assert answer.features["hour"] == 12
    assert answer.features["late_1d"] is not None
    assert answer.decision == ("call" if answer.score > 4 / 14 else "wait")
    assert len(answer.cells) == len(predictor.profile.features)
    assert answer.warnings == answer.reasons == []


def test_a_question_older_than_what_fresh_values_keep_is_answered_with_a_warning(served: Path) -> None:
    predictor = opened(served)
    row = predictor.example() | {"ordered_at": "2024-02-01T00:00:00Z"}
    (answer,) = predictor.predict([row], at=NOW)
    assert "fresh values no longer hold in full" in answer.warnings[0]


def test_a_fact_dated_years_ahead_does_not_make_every_question_old(served: Path) -> None:
    predictor = opened(served)
    store = load_project(served).workspace.fresh
    lookup = predictor.lookups[0]
    far = pl.DataFrame({"order_id": [10**6], "shop": ["west"], "delivered_at": [datetime(2099, 1, 1)], "late": [True]})
    store.ingest(lookup.digest, to_store(lookup, far.with_columns(pl.col("delivered_at").dt.replace_time_zone("UTC"))))
    (answer,) = predictor.predict([predictor.golden[-1]["request"]], at=datetime(2024, 3, 26, tzinfo=UTC))
    assert answer.warnings == []


def truncated(store: Path) -> None:
    with store.open("r+b") as file:
        file.truncate(store.stat().st_size // 2 + 17)


def scribbled(store: Path) -> None:
    size = store.stat().st_size
    with store.open("r+b") as file:
        file.write(os.urandom(size))


def emptied(store: Path) -> None:
    store.write_bytes(b"")


def garbled(store: Path) -> None:
    """A store that is whole as a database, and whose values are not what was written."""
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE facts SET payload = x'c1'")
    connection.close()


@pytest.mark.parametrize("break_it", [truncated, scribbled, emptied, garbled], ids=lambda f: f.__name__)
def test_when_fresh_values_cannot_be_read_the_declared_default_is_the_answer(
    served: Path, break_it: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outlast.storage.fresh.sqlite._BUSY_SECONDS", 0.2)  # an empty file is locked by who has it open
    predictor = opened(served)
    row = predictor.golden[-1]["request"]
    store = served / ".outlast" / "fresh.db"
    with closing(sqlite3.connect(store)) as alone:
        alone.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    store.with_name("fresh.db-wal").unlink(missing_ok=True)
    store.with_name("fresh.db-shm").unlink(missing_ok=True)
    with closing(sqlite3.connect(store)) as another:  # a server beside this one
        another.execute("SELECT count(*) FROM lookups").fetchone()
        break_it(store)
        (answer,) = predictor.predict([row], at=NOW)
    assert (answer.rung, answer.decision, answer.features, answer.cells) == ("default", "wait", {}, b"")
    assert answer.reasons[0].startswith("fresh values cannot be read: ")
    assert answer.asks["shop"] == row["shop"]


def test_a_request_that_is_wrong_is_refused_whatever_the_store_says(served: Path) -> None:
    predictor = opened(served)
    emptied(served / ".outlast" / "fresh.db")
    with pytest.raises(RequestError, match="Row 1, field 'weight' is the text 'heavy'"):
        predictor.predict([predictor.example(), predictor.example() | {"weight": "heavy"}], at=NOW)
    with pytest.raises(RequestError, match="no rows"):
        predictor.predict([], at=NOW)


def test_a_damaged_bundle_is_not_opened(served: Path) -> None:
    workspace = load_project(served).workspace
    digest = find(workspace.ledger, ModelRef("late-orders", 1)).digest
    path = workspace.artifacts.path(digest)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(damaged)
    with pytest.raises(StorageError):
        open_predictor(workspace, digest, 1)


RAISES = "if (x['weight'] > 1000).any(): raise OSError(f'{x[0]}')"


def test_a_model_that_raises_steps_down_and_keeps_the_request_out_of_the_log(
    orders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain(orders, RAISES)
    predictor = trained(orders)
    good = predictor.golden[-1]["request"]
    assert predictor.predict([good], at=NOW)[0].rung == "full"
    (answer,) = predictor.predict([good | {"weight": 1234.5}], at=NOW)
    assert (answer.rung, answer.decision, answer.reasons) == ("default", "wait", ["the model raised OSError"])
    assert "plain.py" in caplog.text
    assert "1234" not in caplog.text


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("if (x['weight'] > 1000).any(): return [float('nan')] * len(x)", "neither probabilities nor class numbers"),
        ("if (x['weight'] > 1000).any(): return [0.5]*9", "gave 9 answers for 2 rows"),
        (
            "if (x['weight'] > 1000).any(): from outlast.errors import StorageError; raise StorageError('my disk')",
            "my disk",
        ),
    ],
)
def test_what_is_not_the_store_is_not_called_the_store(orders: Path, body: str, says: str) -> None:
    plain(orders, body)
    predictor = trained(orders)
    (answer,) = predictor.predict([predictor.golden[-1]["request"] | {"weight": 1001}], at=NOW)
    assert answer.rung == "default"
    assert says in answer.reasons[0]
    assert "fresh values" not in answer.reasons[0]


@pytest.mark.parametrize("old", ['ladder = ["full", "default", "refuse"]', 'defaults = { decision = "wait" }'])
def test_without_a_default_a_model_that_raises_is_unavailable(orders: Path, old: str) -> None:
    edit(orders, old, 'ladder = ["full", "refuse"]' if old.startswith("ladder") else "", "outlast.toml")
    plain(orders, RAISES)
    predictor = trained(orders)
    with pytest.raises(Unavailable, match=r"late-orders@1 cannot answer \(the model raised OSError\)"):
        predictor.predict([predictor.golden[-1]["request"] | {"weight": 1001}], at=NOW)


def test_a_range_of_the_contract_holds_for_requests_too(orders: Path) -> None:
    (orders / "outlast.toml").write_text(
        (orders / "outlast.toml").read_text() + "[data.orders.ranges]\nweight = [0, 900]\n"
    )
    predictor = trained(orders)
    (answer,) = predictor.predict([predictor.golden[-1]["request"] | {"weight": 1001}], at=NOW)
    assert answer.rung == "full"
    assert "'weight' is 1001, outside the contract's range 0 to 900" in answer.warnings


def test_a_function_that_raises_steps_down_too(orders: Path) -> None:
    edit(orders, "    return rows.select(hour", "    assert rows['weight'].max() < 1000\n    return rows.select(hour")
    predictor = trained(orders)
    (answer,) = predictor.predict([predictor.golden[-1]["request"] | {"weight": 1001}], at=NOW)
    assert answer.reasons == ["the model raised AssertionError"]


def test_a_panic_inside_polars_steps_down_and_does_not_end_the_server(orders: Path) -> None:
    huge = "pl.Series([2**63 - 1]).cast(pl.Datetime('us')).cast(pl.String)"
    edit(
        orders, "    return rows.select(hour", f"    rows['weight'].max() < 1000 or {huge}\n    return rows.select(hour"
    )
    predictor = trained(orders)
    (answer,) = predictor.predict([predictor.golden[-1]["request"] | {"weight": 1001}], at=NOW)
    assert answer.reasons == ["the model raised PanicException"]


def test_two_versions_of_one_project_answer_side_by_side(orders: Path) -> None:
    (orders / "plain.py").write_text("SHARE = 0.25\n")
    fit = "def fit(x, y, seed):\n    return Plain()\n\n\nclass Plain:\n    def predict(self, x):\n"
    fit += "        from plain import SHARE\n\n        return [SHARE] * len(x)\n\n\n"
    text = (orders / "model.py").read_text()
    text = text[: text.index("def fit(")] + fit + text[text.index("model = Model(") :]
    (orders / "model.py").write_text(text)
    first = trained(orders)
    (orders / "plain.py").write_text("SHARE = 0.75\n")
    second = trained(orders)
    row = first.golden[-1]["request"]
    for _ in range(3):
        assert [p.predict([row], at=NOW)[0].score for p in (first, second)] == [0.25, 0.75]
    assert first.digest != second.digest


PANDAS = """
def calendar(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"hour": rows["ordered_at"].dt.hour})


def some(x):
    assert isinstance(x, pd.DataFrame)
    return x[["weight", "hour"]]


def fit(x: pd.DataFrame, y, seed):
    import lightgbm
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1)
    return make_pipeline(FunctionTransformer(some), model).fit(x, y)


"""


def test_pandas_is_given_where_it_is_written(orders: Path) -> None:
    text = (orders / "model.py").read_text()
    text = text[: text.index("def calendar(")] + PANDAS + text[text.index("model = Model(") :]
    (orders / "model.py").write_text("import pandas as pd\n" + text)
    predictor = trained(orders)
    for golden in predictor.golden[-4:]:
        (answer,) = predictor.predict([golden["request"]], at=NOW)
        assert (answer.rung, answer.score) == ("full", golden["scores"][1])


def test_several_classes_end_to_end(orders: Path) -> None:
    landed = pl.read_csv(orders / "data" / "deliveries.csv")
    kinds = pl.when(pl.col("late")).then(pl.lit("late")).when(pl.col("order_id") % 2 == 0).then(pl.lit("early"))
    landed.with_columns(kind=kinds.otherwise(pl.lit("on time"))).write_csv(orders / "data" / "deliveries.csv")
    edit(orders, 'label=deliveries["late"] == True', 'label=deliveries["kind"]')
    edit(orders, "LogisticRegression(random_state=seed)", "LogisticRegression(max_iter=2000)")
    payoff = "{ call = { late = 9, early = -4, 'on time' = -1 }, wait = { late = 0, early = 0, 'on time' = 0 } }"
    edit(orders, "{ call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }", payoff, "outlast.toml")
    predictor = trained(orders)
    golden = predictor.golden[-1]
    (answer,) = predictor.predict([golden["request"]], at=NOW)
    assert (predictor.task, answer.score) == ("multiclass", None)
    assert list(answer.scores) == ["early", "late", "on time"]
    assert list(answer.scores.values()) == pytest.approx(golden["scores"], rel=LAST_BITS)
    worth = 9 * answer.scores["late"] - 4 * answer.scores["early"] - answer.scores["on time"]
    assert answer.decision == ("call" if worth > 0 else "wait")
    frame = predictor.predict_frame(pl.DataFrame([golden["request"]]), at=NOW)
    assert frame.columns == [
        "prediction_id",
        "decision",
        "rung",
        "warnings",
        "score_early",
        "score_late",
        "score_on time",
    ]


def regression(folder: Path) -> None:
    landed = pl.read_csv(folder / "data" / "deliveries.csv")
    hours = (pl.col("order_id") % 17 + pl.col("late") * 9).cast(pl.Float64)
    landed.with_columns(hours=hours).write_csv(folder / "data" / "deliveries.csv")
    edit(folder, 'label=deliveries["late"] == True', 'label=deliveries["hours"]')
    edit(folder, "LogisticRegression(random_state=seed)", "Ridge()")
    edit(folder, "import LogisticRegression", "import Ridge")
    edit(
        folder,
        "payoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }",
        "per_unit_error = -2",
        "outlast.toml",
    )


@pytest.mark.parametrize("default", ["decision = 12.5", "score = 12.5"])
def test_amounts_end_to_end(orders: Path, default: str) -> None:
    regression(orders)
    edit(orders, 'decision = "wait"', default, "outlast.toml")
    predictor = trained(orders)
    golden = predictor.golden[-1]
    (answer,) = predictor.predict([golden["request"]], at=NOW)
    assert predictor.task == "regression"
    assert answer.score == answer.decision == pytest.approx(golden["scores"][0], rel=LAST_BITS)
    garbled(orders / ".outlast" / "fresh.db")
    (answer,) = predictor.predict([golden["request"]], at=NOW)
    assert (answer.rung, answer.score, answer.decision) == ("default", 12.5, 12.5)


def test_nan_in_a_frame_is_a_missing_value(served: Path) -> None:
    predictor = opened(served)
    frame = pl.DataFrame([predictor.example() | {"weight": float("nan")}])
    with pytest.raises(RequestError, match="field 'weight' is null, which training never saw"):
        predictor.predict_frame(frame, at=NOW)


def test_lookups_written_and_read_back_are_the_same(served: Path) -> None:
    project = load_project(served)
    sources = Sources(project)
    bundle = unpack(project.workspace.artifacts.get(find(project.workspace.ledger, ModelRef("late-orders", 1)).digest))
    known = {name: from_json(one["schema"]) for name, one in bundle.manifest["sources"].items()}
    store = FreshValues(served / "other.db")
    from outlast.features.compiled import compile_lookup
    from outlast.features.online import reader

    at = int((AT + timedelta(hours=3)).timestamp() * 1e6)
    for lookup in project.model.lookups:
        here = compile_lookup(lookup, sources.types(lookup.source))
        there = read_back(written(lookup), known)
        assert (there.digest, there.schema) == (lookup.digest, here.schema)
        store.ingest(lookup.digest, to_store(here, sources.frame(lookup.source)))
        values = [reader(one, store)("east", at) for one in (here, there)]
        assert values[0] == values[1]
        assert None not in values[0]
    store.close()


@pytest.mark.parametrize(
    "column",
    [
        pl.col("weight").cast(pl.Decimal(10, 2)),
        pl.col("coupon").cast(pl.Categorical),
        pl.when(pl.col("weight") < 3).then(float("nan")).otherwise(pl.col("weight")).alias("weight"),
    ],
    ids=["decimals", "categories", "NaN"],
)
def test_training_sees_an_ask_as_a_request_gives_it(orders: Path, column: pl.Expr) -> None:
    data = orders / "data"
    asked = pl.read_csv(data / "orders.csv", try_parse_dates=True).with_columns(column)
    asked.write_parquet(data / "orders.parquet")
    edit(orders, "data/orders.csv", "data/orders.parquet")
    plain(orders, "self.seen = x.select('weight', 'coupon').to_dicts()")
    predictor = trained(orders)
    snapshot = load_project(orders).workspace.tables
    (name,) = [name for name in snapshot.names() if name.startswith("snapshots/")]
    rows = snapshot.scan(name).collect()
    assert (rows["weight"].dtype, rows["coupon"].dtype) == (pl.Float64, pl.String)
    assert not rows["weight"].is_nan().any()
    for golden in predictor.golden:
        (answer,) = predictor.predict([golden["request"]], at=NOW)
        assert answer.rung == "full"
        assert {name: golden["features"][name] for name in ("weight", "coupon")} == {
            name: answer.asks[name] for name in ("weight", "coupon")
        }
