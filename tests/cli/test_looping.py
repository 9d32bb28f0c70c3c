"""The loop's commands: what they say before anything happened, and what was decided and read out after that."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outlast.cli import main
from outlast.project.workspace import Workspace
from outlast.registry import verdicts
from outlast.registry.rollout import transition
from outlast.retraining.deciding.records import Step, note
from outlast.retraining.succeeding.state import Candidate, Standing, stand

sys.path.insert(0, str(Path(__file__).parent.parent / "monitoring"))
NOW = datetime(2013, 7, 3, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with a version that nobody let out."""
    from watched import made

    (tmp_path / "workspace.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    return made(tmp_path)[0]


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == code
    told = capsys.readouterr()
    return told.out + told.err


def test_before_anything_happened_they_say_what_to_do(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "decisions", "late")
    assert "late: policy none; nothing asks" in told
    assert "Nothing was decided about late yet: `outlast tick` decides" in told
    assert json.loads(said(capsys, "decisions", "late", "--json")) == []
    assert "Nothing stands beside what is live of late" in said(capsys, "ab", "late", code=4)
    assert "Nothing of model 'late' is live" in said(capsys, "retrain", "late", code=3)


def test_decisions_are_listed_the_newest_last(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with place.ledger.write() as connection:
        for number in range(3):
            note(connection, "late", Step("not", f"reason {number}", "schedule", reason=f"{number}"), NOW)
        note(connection, "late", Step("live", "late@2 is live", "harm", 2), NOW)
    told = said(capsys, "decisions", "late", "--last", "2")
    assert "reason 2" in told
    assert "reason 1" not in told
    assert "and 2 before these: --last 4" in told
    found = json.loads(said(capsys, "decisions", "late", "--json"))
    assert [one["what"] for one in found] == ["not", "not", "not", "live"]
    assert found[-1]["version"] == 2


def test_a_model_that_cannot_be_trained_here_says_why(place: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with place.ledger.write() as connection:
        checks = [{"name": "bundle", "passed": True, "says": "it is whole", "evidence": {}}]
        verdict = verdicts.write(connection, "late", 1, NOW, checks)
    transition(place.ledger, "late", action="promote", to=1, by="ada", at=NOW, verdict=verdict)
    told = said(capsys, "retrain", "late", "--reason", "why not", code=1)
    assert "The project of model 'late' does not lie in" in told
    told = said(capsys, "decisions", "late")
    assert "asked for it: why not" in " ".join(told.split())
    trail = said(capsys, "audit", "log", "--object", "late")
    assert "retrain" in trail
    assert "asked for it: why not" in " ".join(trail.split())


@pytest.mark.parametrize("words", [("incidents",), ("weekly",), ("retrain", "--reason", "x"), ("decisions",)])
def test_what_is_about_a_model_takes_no_version(
    place: Workspace, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    told = said(capsys, words[0], "late@1", *words[1:], code=1)
    assert "This is about all of 'late' and no version alone: leave out @1" in " ".join(told.split())


def test_an_approved_candidate_of_the_loop_is_left_to_the_loop(
    place: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    def judged(minute: int) -> str:
        with place.ledger.write() as connection:
            checks = [{"name": "bundle", "passed": True, "says": "it is whole", "evidence": {}}]
            return verdicts.write(connection, "late", 1, NOW + timedelta(minutes=minute), checks)

    judged(1)
    assert "Next: outlast promote late@1" in said(capsys, "approve", "late@1", "--reason", "seen")
    candidate = Candidate(1, judged(2), "g" * 64, "schedule", NOW)
    with place.ledger.write() as connection:
        stand(connection, "late", Standing(candidate=candidate), NOW)
    told = said(capsys, "approve", "late@1", "--reason", "seen")
    assert "The loop brings it on by itself, with the next tick. Next: outlast tick" in told
    assert "Next: outlast promote" not in told
    judged(3)
    assert json.loads(said(capsys, "approve", "late@1", "--reason", "seen", "--json"))["looped"] is True
