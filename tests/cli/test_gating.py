"""`outlast gate` for people and for CI, and `outlast compare` on one screen."""

from pathlib import Path

import pytest

from outlast.cli.exits import CODES


def test_the_gate_says_every_check_and_what_comes_next(run, folder: Path) -> None:
    done = run("gate")
    assert done.code == 0
    assert "late-orders@1 may go live: 10 of 10 checks passed, verdict" in done.out
    assert "Next: outlast promote late-orders@1" in done.out
    assert [line.split()[0] for line in done.err.splitlines()][:3] == ["bundle", "contract", "data"]
    shown = run("show", "late-orders@1", "--json").json["verdict"]
    assert [check["name"] for check in shown["checks"]][-1] == "skew"


def test_a_gate_that_says_no_ends_as_ci_expects(run, folder: Path) -> None:
    (folder / "RUNBOOK.md").unlink()
    done = run("gate", "late-orders@1", "--json")
    assert (done.code, done.json["passed"]) == (3, False)
    assert CODES[3].startswith("a rule said no")
    assert [check["name"] for check in done.json["checks"] if check["passed"] is not True] == ["contract"]
    told = run("gate", "--quiet")
    assert told.code == 3
    assert "Next: see to contract, then outlast train or outlast apply" in told.out


def test_two_versions_are_compared_on_one_screen(run, folder: Path) -> None:
    model = folder / "model.py"
    model.write_text(model.read_text().replace("fit(x, y)", "fit(x, y)  # the same"))
    assert run("train", "--quiet", "--seed", "5").code == 0
    done = run("compare", "late-orders@1", "late-orders@2", "--quiet")
    assert done.code == 0
    assert done.out.startswith("late-orders@2 against late-orders@1, on the same ")
    for said in ("roc_auc", "EUR a decision", "no worse", "model.py changed: 1 line more, 1 less", "seed 1 → 5"):
        assert said in done.out, said
    assert len(done.out.splitlines()) <= 50
    assert run("compare", "late-orders@2", "--quiet").out == done.out  # against what is live
    assert run("compare", "--quiet").out == done.out  # the newest of this folder's model
    assert "@1 is what is live, so there is nothing" in run("compare", "late-orders@1", "--quiet").err


@pytest.mark.usefixtures("second")
def test_a_comparison_as_json_has_figures_slices_and_changes(run, folder: Path) -> None:
    found = run("compare", "late-orders@1", "late-orders@2", "--json").json
    assert {one["name"] for one in found["figures"]} >= {"roc_auc", "log_loss", "brier", "EUR a decision"}
    assert found["rows"]["unit"] == "day"
    assert found["changed"]["code"] == []
    assert {"name": "seed", "before": 1, "after": 2} in found["changed"]["parameters"]


def test_the_same_bytes_and_versions_that_are_not_there_are_told(run, folder: Path) -> None:
    same = run("compare", "late-orders@1", "late-orders@1", "--quiet")
    assert "no figures on the same rows, both have the same bytes" in same.out
    assert run("compare", "late-orders@1", "late-orders@9").code == 4
