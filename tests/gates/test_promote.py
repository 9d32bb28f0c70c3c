"""Promotion of real versions: what stands in the way, the better one let through, fresh values before it is live."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from outlast.bundle.format import encode, pack
from outlast.bundle.predictor import open_bundle, open_predictor
from outlast.errors import Conflict, Refused, StorageError
from outlast.gates import promote as gate
from outlast.gates.case import Case
from outlast.gates.champion import no_worse
from outlast.gates.judge import judge
from outlast.gates.promote import promote
from outlast.gates.verdict import Verdict, last_verdict
from outlast.project.contract import read_contract
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry import contracts
from outlast.registry.rollout import current, transition, transitions
from outlast.registry.versions import Version, find, register
from outlast.training.run import train
from outlast.types import ModelRef

NOW = datetime(2024, 6, 1, tzinfo=UTC)
NAME = ModelRef("late-orders", "latest")
FIT = "return make_pipeline(FunctionTransformer(numbers), LogisticRegression(random_state=seed)).fit(x, y)"


def edit(folder: Path, old: str, new: str, file: str = "outlast.toml") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def run(folder: Path) -> Version:
    return train(load_project(folder), by="ada", now=NOW).version


def let_out(folder: Path, ref: ModelRef = NAME) -> Verdict:
    return promote(load_project(folder).workspace, ref, by="bob", reason="tested", now=NOW)[1]


@pytest.fixture(scope="module")
def trained_once(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "orders"
    shutil.copytree(orders_template, folder)
    run(folder)
    return folder


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """The small project with one version that deserves to go live."""
    shutil.copytree(trained_once, tmp_path / "orders")
    return tmp_path / "orders"


@pytest.fixture
def live(trained: Path) -> Path:
    """The same with that version live."""
    let_out(trained)
    return trained


def workspace(folder: Path) -> Workspace:
    return load_project(folder).workspace


def check(verdict: Verdict, name: str) -> tuple[bool | None, str]:
    return next((one.passed, one.says) for one in verdict.checks if one.name == name)


def judged(folder: Path) -> Verdict:
    place = workspace(folder)
    return judge(place, find(place.ledger, NAME), now=NOW)


def test_a_good_version_goes_live_with_its_fresh_values_and_a_kept_verdict(trained: Path) -> None:
    place = workspace(trained)
    rollout, verdict = promote(place, NAME, by="bob", reason="tested", now=NOW)
    assert (rollout.live, rollout.sequence) == (1, 1)
    version = find(place.ledger, NAME)
    assert last_verdict(place.ledger, version) == verdict
    (step,) = transitions(place.ledger, "late-orders")
    assert (step.verdict_digest, step.by, step.reason) == (verdict.digest, "bob", "tested")
    predictor = open_predictor(place, version.digest, 1)
    newest = {"shop": "east", "weight": 2, "coupon": "A", "ordered_at": "2024-03-31T12:00:00Z"}
    (answer,) = predictor.predict([newest], at=NOW)
    assert answer.rung == "full"
    assert None not in answer.features.values()


def test_fresh_values_are_filled_before_the_version_is_live(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies between the two leaves nothing live, and the next promotion is whole."""

    def dies(*_: object, **__: object) -> None:
        raise SystemExit

    place = workspace(trained)
    with monkeypatch.context() as patched:
        patched.setattr(gate, "transition", dies)
        with pytest.raises(SystemExit):
            let_out(trained)
    assert current(place.ledger, "late-orders").live is None
    digests = [kept["digest"] for kept in open_bundle(place, find(place.ledger, NAME).digest).manifest["lookups"]]
    filled = {digest: place.fresh.count(digest) for digest in digests}
    assert all(filled.values())
    let_out(trained)
    assert current(place.ledger, "late-orders").live == 1
    assert {digest: place.fresh.count(digest) for digest in digests} == filled


def test_nothing_goes_live_when_fresh_values_cannot_be_written(trained: Path) -> None:
    place = workspace(trained)
    place.fresh.close()
    for file in (trained / ".outlast").glob("fresh.db*"):
        file.unlink()
    (trained / ".outlast" / "fresh.db").write_bytes(b"no database at all, but long enough to look like a file" * 40)
    with pytest.raises(StorageError, match="fresh values"):
        let_out(trained)
    assert current(place.ledger, "late-orders").live is None


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ('problem = "Which orders will arrive late?"', "", "model.problem"),
        ('owner = "orders@example.com"', "", "model.owner"),
        ('delay = "2d"', "", "label.delay"),
        ('p99 = "1s"', "", "serving.p99"),
        ("rate = 10", "", "serving.rate"),
        ('ladder = ["full", "default", "refuse"]', "", "serving.ladder"),
        ('defaults = { decision = "wait" }', "", "serving.defaults.decision"),
        ('policy = "approval"', "", "retraining.policy"),
    ],
)
def test_an_incomplete_contract_is_refused_by_name(trained: Path, old: str, new: str, names: str) -> None:
    edit(trained, old, new)
    with_its_contract(trained)
    with pytest.raises(
        Refused, match=rf"1 of 10 checks stands in the way, verdict [0-9a-f]{{12}}:\n  contract: .*{names}"
    ) as caught:
        let_out(trained)
    assert caught.value.details["failed"] == ["contract"]
    assert current(workspace(trained).ledger, "late-orders").live is None


def with_its_contract(folder: Path) -> None:
    """Register version 1 again as it would be with the contract that is in the folder now."""
    place = workspace(folder)
    first = find(place.ledger, NAME)
    bundle = open_bundle(place, first.digest)
    files = {**bundle.files, "contract.json": encode(read_contract(folder).model_dump(mode="json"))}
    digest = place.artifacts.put(pack(bundle.manifest, files))
    register(place.ledger, first.model, digest=digest, code_digest=first.code_digest, task=first.task,
             summary=first.summary, lineage=first.lineage, by="ada", at=NOW)  # fmt: skip


def test_without_payoffs_neither_contract_nor_value_pass(orders: Path) -> None:
    edit(orders, "payoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }", "")
    run(orders)
    verdict = judged(orders)
    assert [one.name for one in verdict.failed] == ["contract", "value"]
    assert check(verdict, "value")[0] is None


def test_a_runbook_that_went_missing_is_refused_and_one_that_came_back_is_not(trained: Path) -> None:
    (trained / "RUNBOOK.md").rename(trained / "elsewhere.md")
    with pytest.raises(Refused, match=r"the runbook 'RUNBOOK.md' does not exist"):
        let_out(trained)
    (trained / "elsewhere.md").rename(trained / "RUNBOOK.md")
    assert let_out(trained).passed


def test_a_new_owner_needs_no_training(orders: Path) -> None:
    edit(orders, 'owner = "orders@example.com"', "")
    run(orders)
    edit(orders, "[model]", '[model]\nowner = "new@example.com"')
    place = workspace(orders)
    contracts.apply(place.ledger, "late-orders", read_contract(orders), by="ada", at=NOW)
    assert let_out(orders).passed


def test_data_that_broke_a_blocking_rule_is_refused(orders: Path) -> None:
    edit(orders, "[retraining]", "[data.orders]\nranges = { weight = [0, 1] }\n\n[retraining]")
    run(orders)
    with pytest.raises(Refused, match=r"\n  data: orders: .*weight"):
        let_out(orders)


def test_a_floor_that_is_put_in_force_after_training_holds(trained: Path) -> None:
    edit(trained, "[retraining]", "[gate]\nfloors = { roc_auc = 0.99 }\n\n[retraining]")
    place = workspace(trained)
    assert judged(trained).passed
    contracts.apply(place.ledger, "late-orders", read_contract(trained), by="ada", at=NOW)
    with pytest.raises(Refused, match=r"\n  floors: roc_auc .* at least 0.99"):
        let_out(trained)


def test_decisions_worth_less_than_the_baseline_are_refused(orders: Path) -> None:
    edit(orders, FIT, "return Wrong()", "model.py")
    edit(
        orders,
        "def fit(",
        "class Wrong:\n    def predict(self, x):\n        return [0.9] * len(x)\n\n\ndef fit(",
        "model.py",
    )
    edit(orders, "no = -4", "no = -40")
    run(orders)
    with pytest.raises(Refused, match=r"\n  value: -.* EUR a decision against 'nobody acts'"):
        let_out(orders)


def test_the_same_bytes_are_no_worse_and_are_live_already(orders: Path) -> None:
    run(orders)
    let_out(orders)
    assert run(orders).number == 1
    assert check(judged(orders), "champion") == (True, "it has the bytes of the live version 1")
    with pytest.raises(Conflict, match="is live already"):
        let_out(orders)


def test_a_worse_version_is_refused_and_the_good_one_stays(live: Path) -> None:
    edit(live, 'pl.col("weight"), pl.col("late_1d", "late_3d").fill_null(0.3)', 'pl.col("weight") * 0', "shapes.py")
    edit(live, 'pl.col("last_late").cast(pl.Int8).fill_null(0),', "", "shapes.py")
    edit(live, '(pl.col("shop") == "east").cast(pl.Int8),', "", "shapes.py")
    run(live)
    with pytest.raises(
        Refused, match=r"\n  champion: roc_auc worse than version 1, -0.*, on the same \d+ rows of 16 days"
    ):
        let_out(live)
    assert current(workspace(live).ledger, "late-orders").live == 1


def test_a_margin_put_in_force_now_lets_a_slightly_worse_version_through(live: Path) -> None:
    edit(live, '(pl.col("shop") == "east").cast(pl.Int8),', "", "shapes.py")
    run(live)
    edit(live, "[retraining]", "[gate]\nmargin = 0.0\n\n[retraining]")
    contracts.apply(workspace(live).ledger, "late-orders", read_contract(live), by="ada", at=NOW)
    before = check(judged(live), "champion")
    edit(live, "margin = 0.0", "margin = 0.9")
    contracts.apply(workspace(live).ledger, "late-orders", read_contract(live), by="ada", at=NOW)
    passed, says = check(judged(live), "champion")
    assert passed is True
    assert "margin 0.9" in says
    assert before[0] is False
    assert "roc_auc not shown to be no worse than version 1" in before[1]


def test_a_version_with_other_features_replaces_the_champion(orders: Path) -> None:
    """The champion's features are not in the candidate's snapshot: they are recomputed by its own code."""
    edit(orders, '(pl.col("shop") == "east").cast(pl.Int8),', "", "shapes.py")
    edit(orders, "[retraining]", "[gate]\nmargin = 0.05\n\n[retraining]")
    run(orders)
    let_out(orders)
    more = 'pl.col("hour"), (pl.col("shop") == "east").cast(pl.Int8), pl.col("late_2d").fill_null(0.3),'
    edit(orders, 'pl.col("hour"),', more, "shapes.py")
    edit(orders, 'over=["1d", "3d"]', 'over=["1d", "2d", "3d"]', "model.py")
    run(orders)
    place = workspace(orders)
    rollout, verdict = promote(place, NAME, by="bob", reason="better", now=NOW)
    passed, says = check(verdict, "champion")
    assert passed is True
    assert "roc_auc no worse than version 1, +0" in says
    assert (rollout.live, rollout.previous) == (2, 1)


def test_the_champion_is_asked_about_rows_after_its_own_period(orders: Path) -> None:
    edit(orders, 'until = "2024-03-25"', 'until = "2024-02-15"')
    run(orders)
    let_out(orders)
    edit(orders, 'until = "2024-02-15"', 'until = "2024-03-25"')
    edit(orders, "import polars as pl", "import polars as pl\n\nLATER = True", "shapes.py")
    version = run(orders)
    verdict = judged(orders)
    champion = next(one for one in verdict.checks if one.name == "champion")
    assert champion.evidence["rows"] == version.summary["rows"]["test"]


def test_a_champion_whose_columns_are_gone_could_not_be_compared(live: Path) -> None:
    edit(live, 'orders["shop", "weight", "coupon", "ordered_at"]', 'orders["shop", "weight", "ordered_at"]', "model.py")
    data = live / "data" / "orders.csv"
    pl.read_csv(data).drop("coupon").write_csv(data)
    run(live)
    passed, says = check(judged(live), "champion")
    assert passed is None
    assert "could not be compared with version 1" in says
    with pytest.raises(Refused):
        let_out(live)


def test_a_champion_that_raises_could_not_be_compared(live: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its code reads a file that is gone by now, as a real one may."""
    edit(live, "return x.select(", "open('/nowhere/at/all.csv') if x['weight'].max() < -1 else 0\n    return x.select(",
         "shapes.py")  # fmt: skip
    edit(live, "def numbers(x):", "def numbers(x):\n    import os; assert not os.environ.get('BREAK')", "shapes.py")
    run(live)
    let_out(live)
    edit(live, "assert not", "assert True or not", "shapes.py")
    run(live)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("BREAK", "1")
        passed, says = check(judged(live), "champion")
    assert passed is None
    assert "AssertionError" in says
    assert "the check 'champion' of the gate could not be made" in caplog.text


def test_another_question_could_not_be_compared(live: Path) -> None:
    data = live / "data" / "deliveries.csv"
    hours = (pl.col("order_id") % 7 + pl.col("late") * 9).cast(pl.Float64)
    pl.read_csv(data).with_columns(hours=hours).write_csv(data)
    edit(live, 'label=deliveries["late"] == True', 'label=deliveries["hours"]', "model.py")
    edit(live, "LogisticRegression(random_state=seed)", "Ridge()", "model.py")
    edit(live, "import LogisticRegression", "import Ridge", "model.py")
    edit(live, "payoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }", "per_unit_error = -2")
    edit(live, 'decision = "wait"', "score = 3")
    run(live)
    passed, says = check(judged(live), "champion")
    assert passed is None
    assert "retire version 1 first" in says


def test_only_a_passed_verdict_of_this_version_lets_it_go_live(trained: Path) -> None:
    place = workspace(trained)
    (trained / "RUNBOOK.md").unlink()
    failed = judged(trained)
    for verdict in (None, failed.digest):
        with pytest.raises(Refused):
            transition(
                place.ledger, "late-orders", action="promote", to=1, by="eve", reason=None, verdict=verdict, at=NOW
            )
    assert current(place.ledger, "late-orders").live is None


def test_a_champion_that_changed_while_the_version_was_judged_is_a_conflict(
    live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(live, "import polars as pl", "import polars as pl\n\nLATER = True", "shapes.py")
    run(live)

    def meanwhile(place: Workspace, *_: object, **__: object) -> dict[str, int]:
        transition(place.ledger, "late-orders", action="retire", to=None, by="eve", reason="x", verdict=None, at=NOW)
        return {}

    monkeypatch.setattr(gate, "fill_fresh", meanwhile)
    with pytest.raises(Conflict, match="has changed since you looked"):
        let_out(live)


def test_rows_the_champion_was_trained_on_do_not_judge_its_successor(orders: Path) -> None:
    text = (orders / "outlast.toml").read_text()
    (orders / "outlast.toml").write_text(text.replace("threads = 1", 'threads = 1\nsplit = "random"\nholdout = 0.3'))
    project = load_project(orders)
    first = train(project, by="ada", now=NOW, seed=1).version
    second = train(project, by="ada", now=NOW, seed=2).version
    tables = project.workspace.tables
    mine = tables.scan(second.summary["snapshot"]).filter(pl.col("__test")).collect()
    learned = tables.scan(first.summary["snapshot"]).filter(~pl.col("__test")).collect()
    fair = mine.join(learned, on="__key", how="anti").height
    assert 0 < fair < mine.height
    check = no_worse(Case(project.workspace, orders, project.contract, second, first))
    assert check.evidence["rows"] == fair
