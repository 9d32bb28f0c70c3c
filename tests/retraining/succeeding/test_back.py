"""A live version that harms is rolled back by a tick, which says why; one that is unlucky is not."""

import shutil
from datetime import datetime
from pathlib import Path

import pytest
from looped import DAY, LIVE, NAME, Traffic, copied

from outlast.gates.promote import promote
from outlast.monitoring.telling.alerts import alerts
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry.audit import entries
from outlast.registry.rollout import current, transitions
from outlast.retraining import loop
from outlast.retraining.deciding.records import decisions
from outlast.retraining.loop import retrain_due, roll_out
from outlast.retraining.succeeding import back
from outlast.training.run import train
from outlast.types import ModelRef

SECOND = LIVE + 5 * DAY
TURNED = "    import numpy as np\n\n    y = np.asarray(y)\n    y = np.where(np.arange(len(y)) >= 0, 1 - y, y)\n"


def hold() -> None:
    """Nothing is leased here."""


@pytest.fixture(scope="module")
def harmful_template(looped_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a second version live that has learned the contrary; its gate was told to mind little."""
    folder = shutil.copytree(looped_template, tmp_path_factory.mktemp("harmful") / "orders")
    model = folder / "model.py"
    begin = "    from sklearn.linear_model import LogisticRegression\n"
    model.write_text(model.read_text().replace(begin, TURNED + begin))
    contract = folder / "outlast.toml"
    blind = "margin = 1\nvalue_margin = 100\ncalibration = 1\nslice_margin = 1\n"
    contract.write_text(contract.read_text().replace("margin = 0.3\nvalue_margin = 3\n", blind))
    project = load_project(folder)
    train(project, by="ada", now=SECOND)
    promote(project.workspace, ModelRef(NAME, "latest"), by="ada", reason="in a hurry", now=SECOND)
    project.workspace.fresh.close()
    project.workspace.ledger.dispose()
    return folder


@pytest.fixture
def harmful(harmful_template: Path, tmp_path: Path) -> Workspace:
    return copied(harmful_template, tmp_path / "orders")


def through(place: Workspace, days: int, begin: datetime = SECOND) -> list[str]:
    """What the loop says each evening."""
    said, now, traffic = [], begin, Traffic(place)
    for _ in range(days):
        traffic.through(now, now + DAY)
        now += DAY
        said.append(roll_out(place, NAME, now=now, hold=hold)[1])
    return said


def test_a_live_version_that_harms_is_rolled_back_and_everybody_told(
    harmful: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = through(harmful, 9)
    assert said[0] == "no successor is on its way"
    state = current(harmful.ledger, NAME)
    assert (state.live, state.previous) == (1, None)
    step = transitions(harmful.ledger, NAME)[-1]
    assert (step.action, step.by) == ("rollback", "tick")
    last = decisions(harmful.ledger, NAME)[-1]
    assert (last.what, last.version) == ("rolled back", 2)
    assert last.sentence == f"late-orders@2 is rolled back to version 1: {step.reason}"
    assert "version 1 would have earned +" in last.sentence
    assert last.detail["back"]["better"]["low"] > 0
    assert [one.severity for one in alerts(harmful.ledger, NAME)] == ["page"]
    assert entries(harmful.ledger, object=NAME)[-1].actor == "tick"
    monkeypatch.setattr(loop, "start", lambda *_: True)
    did, says = retrain_due(harmful, NAME, now=last.at + DAY / 2, hold=hold)
    assert not did or "the last step was at" in says


def test_a_tick_killed_after_the_rollback_is_written_about_by_the_next(
    harmful: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(back, "note", dies)
        with pytest.raises(SystemExit):
            through(harmful, 9)
    assert current(harmful.ledger, NAME).live == 1
    assert decisions(harmful.ledger, NAME) == []
    did, says = roll_out(harmful, NAME, now=SECOND + 10 * DAY, hold=hold)
    assert did
    assert says.startswith("late-orders@2 is rolled back to version 1: version 1 would")
    assert [one.what for one in decisions(harmful.ledger, NAME)] == ["rolled back"]
    assert roll_out(harmful, NAME, now=SECOND + 11 * DAY, hold=hold)[0] is False


def test_a_version_whose_model_fails_is_rolled_back_before_any_label(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = load_project(place.root)
    through(place, 7, LIVE)
    train(project, by="ada", now=SECOND + 2 * DAY, seed=5)
    promote(place, ModelRef(NAME, "latest"), by="ada", reason="newer", now=SECOND + 2 * DAY)
    traffic = Traffic(place, rung="default")
    for part in range(4):
        begin = SECOND + (2 + part) * DAY
        traffic.through(begin, begin + DAY)
        did, says = roll_out(place, NAME, now=begin + DAY, hold=hold)
        if did:
            break
    assert "answers are not its model's; before it nearly all were" in says
    assert current(place.ledger, NAME).live == 1
