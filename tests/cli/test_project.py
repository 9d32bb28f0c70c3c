"""check, apply and train: what they say, and with which exit code."""

import shutil
from pathlib import Path

import pytest


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_a_new_project_has_nothing_wrong_with_it(run, bare: Path) -> None:
    done = run("check")
    assert (done.code, done.out) == (0, "late-orders: nothing is wrong\n")
    assert run("check", "--json").json == {"model": "late-orders", "findings": []}


@pytest.mark.parametrize(
    ("file", "before", "after", "what", "said"),
    [
        ("outlast.toml", 'owner = "shipping', '# owner = "shipping', "model.owner", "is not said"),
        ("outlast.toml", "express = { yes = 8, no", "express = { late = 8, no", "value.payoff", "expected no, yes"),
        ("outlast.toml", "[data.deliveries]", "[data.delivery]", "data.delivery", "did you mean 'deliveries'?"),
        ("outlast.toml", "weight_kg = [0, 50]", "weight_kg = [0, 5]", "weight_kg", "all must lie from 0 to 5"),
        ("outlast.toml", "RUNBOOK.md", "BOOK.md", "model.runbook", "does not exist"),
        ("model.py", '"open_orders"', '"open_order"', "open_order", "did you mean 'open_orders'?"),
        ("model.py", "data/backlog.csv", "data/backlogs.csv", "backlog", "backlogs.csv"),
        ("model.py", ".dt.weekday()", ".dt.weekday().unique()", "calendar", "exactly one row for each row"),
        ("model.py", 'deliveries["days_late"]', 'deliveries["late"]', "late", "late"),
        ("data/orders.csv", "O-1001,", "O-1000,", "order_id", "comes more than once"),
    ],
)
def test_check_finds_what_is_wrong(run, bare: Path, file: str, before: str, after: str, what: str, said: str) -> None:
    change(bare / file, before, after)
    done = run("check", "--json")
    assert done.code == 1
    (finding,) = [one for one in done.json["findings"] if one["column"] == what]
    assert said in finding["says"]
    assert finding["blocks"]
    assert what in run("check").out


@pytest.mark.parametrize("said", ['cadence = "0s"', 'quiet = ["night"]'])
def test_what_no_tick_could_use_is_refused_where_it_is_said(run, folder: Path, said: str) -> None:
    key = said.split()[0]
    lines = (folder / "outlast.toml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(key)]
    kept.insert(kept.index("[monitoring]") + 1, said)
    (folder / "outlast.toml").write_text("\n".join(kept))
    for command in ("check", "apply"):
        done = run(command)
        assert done.code == 2
        assert f"'monitoring.{key}' is " in " ".join(done.err.split())


@pytest.mark.parametrize("command", ["check", "train"])
@pytest.mark.parametrize(
    ("label", "payoff", "said"),
    [
        (
            'deliveries["days_late"] > -99',
            None,
            "hold one class only, 'yes' (1,979 rows), so nothing can be told apart",
        ),
        ('deliveries["days_late"] > 999', None, "hold one class only, 'no' (1,979 rows), so nothing"),
        (
            'deliveries["carrier"]',
            "{ a = { Nordpost = 1, Parcelo = 1, Swift = 1, Zeppelin = 1 } }",
            "and no row of 'Zeppelin', which value.payoff names",
        ),
    ],
)
def test_labels_without_a_class_are_a_fault_of_the_data(
    run, bare: Path, command: str, label: str, payoff: str | None, said: str
) -> None:
    change(bare / "model.py", 'deliveries["days_late"] > 0', label)
    if payoff is not None:
        change(bare / "outlast.toml", "{ express = { yes = 8, no = -4 }, standard = { yes = 0, no = 0 } }", payoff)
        change(bare / "outlast.toml", 'task = "binary"', 'task = "multiclass"')
    done = run(command)
    assert done.code == 1
    printed = " ".join((done.out + done.err).split())
    told = [one["says"] for one in run("check", "--json").json["findings"] if one["where"] == "deliveries"]
    assert said in told[0]
    assert command == "check" or said in printed


def test_check_says_that_a_name_is_taken_elsewhere_in_the_workspace(run, folder: Path, tmp_path: Path, monkeypatch):
    root = tmp_path / "shop"
    root.mkdir()
    (root / "workspace.toml").write_text("")
    folder.rename(root / "late-orders")
    (root / "late-orders" / ".outlast").rename(root / ".outlast")
    shutil.copytree(root / "late-orders", root / "copied")
    monkeypatch.chdir(root / "late-orders")
    assert run("check").code == 0
    monkeypatch.chdir(root / "copied")
    done = run("check", "--json")
    assert done.code == 1
    (finding,) = done.json["findings"]
    assert "is declared in two folders of this workspace, 'late-orders' and 'copied'" in finding["says"]
    assert run("train").err.strip().endswith(finding["says"])
    change(root / "copied" / "model.py", '"late-orders"', '"copied"')
    change(root / "copied" / "model.py", 'lag="10m"', 'lag="20m"')
    (finding,) = run("check", "--json").json["findings"]
    assert "Source 'backlog' of model 'copied' differs from the one of model 'late-orders'" in finding["says"]


def test_a_shared_package_that_is_not_named_in_workspace_toml_is_pointed_at(run, bare: Path) -> None:
    (bare.parent / "shared").mkdir()
    change(bare / "model.py", "import polars as pl", "import polars as pl\nimport shared.features")
    done = run("check")
    assert done.code == 1
    assert f'{bare.parent / "workspace.toml"}: packages = ["shared"]' in done.err


def test_check_compares_the_data_with_those_of_the_version_before(run, folder: Path) -> None:
    change(folder / "data" / "backlog.csv", "open_orders", "waiting")
    change(folder / "model.py", '"open_orders"', 'open_orders="waiting"')
    done = run("check", "--json")
    found = {one["column"]: one for one in done.json["findings"]}
    assert (done.code, found["open_orders"]["where"], found["open_orders"]["blocks"]) == (1, "backlog", True)
    assert not found["waiting"]["blocks"]


def test_check_counts_rows_from_the_future_and_lets_them_pass(run, bare: Path) -> None:
    file = bare / "data" / "backlog.csv"
    text = file.read_text().rstrip("\n")
    file.write_text(f"{text}\nnorth,2099-01-01T00:00:00,7\nsouth,2098-01-01T00:00:00,7\n")
    done = run("check", "--json")
    (finding,) = done.json["findings"]
    assert (done.code, finding["where"], finding["column"], finding["blocks"]) == (0, "backlog", "counted_at", False)
    rows = text.count("\n") + 2
    assert finding["says"].startswith(f"2 of {rows:,} rows are in the future, up to 2099-01-01 00:10")


UNREADABLE = [
    ("outlast.toml", "owner =", "ownr =", 2, "did you mean 'owner'?"),
    ("outlast.toml", "[gate]", "[gate", 2, "not valid TOML"),
    ("model.py", "import polars as pl", "import polar as pl", 1, "No module named 'polar'"),
    ("model.py", "def fit(", "def fit", 1, "model.py"),
]


@pytest.mark.parametrize("case", UNREADABLE, ids=lambda case: case[2])
@pytest.mark.parametrize("command", ["check", "train", "apply"])
def test_what_cannot_be_read_is_a_sentence(run, bare: Path, case: tuple[str, str, str, int, str], command: str) -> None:
    file, before, after, code, said = case
    change(bare / file, before, after)
    done = run(command)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_apply_changes_what_is_in_force_and_says_what_waits(run, folder: Path) -> None:
    assert "says the same already" in run("apply").out
    change(folder / "outlast.toml", "shipping@example.com", "parcels@example.com")
    change(folder / "outlast.toml", "yes = 8", "yes = 9")
    done = run("apply", "--json")
    assert done.code == 0
    (changed,) = done.json["changes"]
    assert (changed["key"], changed["after"]) == ("model.owner", "parcels@example.com")
    assert [one["key"] for one in done.json["waiting"]] == ["value.payoff.express.yes"]
    assert "the next `outlast train`" in run("apply").out


def test_apply_says_a_word_about_what_it_brings_into_force_and_cannot_be_meant(run, folder: Path) -> None:
    change(folder / "outlast.toml", 'slices = ["carrier"]', 'slices = ["carier"]\nfresh = { deliverys = "2d" }')
    change(folder / "outlast.toml", 'routes = ["log"]', 'routes = ["https:///x"]\nescalate = { after = "2h" }')
    done = run("apply", "--json")
    assert done.code == 0
    said = [
        "monitoring.escalate says",
        "monitoring.fresh.deliverys is no",
        "monitoring.slices names 'carier'",
        "The route",
    ]
    assert [any(one.startswith(start) for one in done.json["doubts"]) for start in said] == [True] * 4
    assert len(done.json["doubts"]) == 4
    assert run("apply").out.count("In force, and yet: ") == 4


def test_apply_before_any_training_says_so(run, bare: Path) -> None:
    done = run("apply")
    assert (done.code, "was never trained" in done.err) == (4, True)


def test_training_again_gives_the_same_version(run, folder: Path) -> None:
    first, again = run("train", "--json"), run("train", "--json")
    assert (first.code, again.code) == (0, 0)
    assert again.json["version"]["digest"] == first.json["version"]["digest"]
    assert again.json["version"]["number"] == first.json["version"]["number"]
    assert set(again.json["seconds"]) >= {"read sources", "fit", "evaluate", "bundle"}


def test_training_reports_figures_and_what_comes_next(run, folder: Path) -> None:
    done = run("train", "--seed", "2")
    assert done.code == 0
    assert done.out.startswith("late-orders@2 trained on 1,447 rows, tested on 496 from 2025-05-10 on\n")
    assert "EUR a decision against 'nobody acts'" in " ".join(done.out.split())
    assert done.out.endswith("Next: outlast promote late-orders@2\n")
    assert max(map(len, done.out.splitlines())) <= 100
    assert "fit" in done.err


def test_training_on_rows_that_block_says_what_to_mend_before_a_promotion(run, bare: Path) -> None:
    change(bare / "outlast.toml", "weight_kg = [0, 50]", "weight_kg = [0, 5]")
    done = run("train", "--quiet")
    assert done.code == 0
    said = " ".join(done.out.split())
    assert "blocks orders: Column 'weight_kg' is out of range" in said
    assert "Next: mend orders (what blocks it, or the rule in outlast.toml), then outlast train" in said
    assert "outlast promote" not in said


@pytest.mark.parametrize("words", [["check"], ["train"], ["versions"], ["tick"], ["predict", "--row", "{}"]])
def test_outside_of_a_project_nothing_is_made(run, tmp_path: Path, monkeypatch, words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert done.code == 4
    assert "There is no outlast.toml" in done.err
    assert list(tmp_path.iterdir()) == []
