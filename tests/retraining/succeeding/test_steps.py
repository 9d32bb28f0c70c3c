"""A successor's whole way, from what asks for it to live or given up; the gate and the run are in this process."""

from datetime import datetime, timedelta

import pytest
from looped import DAY, LIVE, NAME, Traffic

from outlast.gates.approving import decide
from outlast.monitoring.counting.marks import read_mark
from outlast.monitoring.incidents.acting import resolve
from outlast.monitoring.incidents.grouping import Scope
from outlast.monitoring.incidents.raising import raise_findings
from outlast.monitoring.incidents.reading import incidents
from outlast.monitoring.judge import Finding
from outlast.monitoring.telling.alerts import alerts
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry import contracts
from outlast.registry.audit import entries
from outlast.registry.contracts import contract_of
from outlast.registry.rollout import current, transition, transitions
from outlast.registry.versions import find
from outlast.retraining import loop
from outlast.retraining.deciding.records import decisions
from outlast.retraining.judging.readout import read_out
from outlast.retraining.loop import retrain_due, roll_out
from outlast.retraining.succeeding.state import Standing, standing
from outlast.retraining.succeeding.training import succeed
from outlast.retraining.tick import tick
from outlast.types import ModelRef, moment

DUE = LIVE + 7 * DAY


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are done by the test itself; what is about their processes is in test_runs."""
    monkeypatch.setattr(loop, "start", lambda *_: True)


def hold() -> None:
    """Nothing is leased here."""


def candidate(place: Workspace, now: datetime = DUE) -> None:
    """A successor is asked for by the schedule, and passes the gate."""
    did, says = retrain_due(place, NAME, now=now, hold=hold)
    assert did, says
    run = standing(place.ledger, NAME).run
    assert run is not None
    assert succeed(place, NAME, run).what == "passed"


def planned(place: Workspace, **said: object) -> None:
    """Another plan is in force from now on."""
    now = contract_of(place, find(place.ledger, ModelRef(NAME)))
    plain = now.model_dump(mode="json")
    plain["retraining"] |= said
    contracts.apply(place.ledger, NAME, Contract.model_validate(plain), by="ana", at=DUE)


def days(place: Workspace, traffic: Traffic, now: datetime, count: int) -> datetime:
    """So many days pass: orders come, and each evening the loop takes a look."""
    for _ in range(count):
        traffic.through(now, now + DAY)
        now += DAY
        roll_out(place, NAME, now=now, hold=hold)
    return now


def whats(place: Workspace) -> list[str]:
    return list(dict.fromkeys(one.what for one in decisions(place.ledger, NAME)))


def test_a_good_successor_goes_all_the_way_by_itself(place: Workspace) -> None:
    candidate(place)
    traffic = Traffic(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    assert current(place.ledger, NAME).of(2) == "shadow"
    now = days(place, traffic, DUE, 1)
    assert current(place.ledger, NAME).of(2) == "canary 10%"
    now = days(place, traffic, now, 5)
    assert current(place.ledger, NAME).live == 2
    assert whats(place) == ["started", "passed", "shadow", "canary", "waits", "live"]
    assert standing(place.ledger, NAME) == Standing()
    steps = transitions(place.ledger, NAME)
    assert [(step.action, step.by) for step in steps[1:]] == [(a, "tick") for a in ("shadow", "canary", "promote")]
    assert "its decisions are worth" in (steps[-1].reason or "")
    assert entries(place.ledger, object=NAME)[-1].actor == "tick"
    assert {one.kind for one in alerts(place.ledger, NAME)} == {"successor live"}
    last = decisions(place.ledger, NAME)[-1].detail["readout"]
    assert last["gain"]["low"] >= -3
    assert last["pairs"] > 100
    assert last["agreement"] > 0.8
    assert abs(last["estimated"]) < 1


def test_one_that_loses_money_is_given_up_and_what_is_live_stays(place: Workspace) -> None:
    candidate(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    now = days(place, Traffic(place, worse=0.8), DUE, 6)
    state = current(place.ledger, NAME)
    assert (state.live, state.challenger) == (1, None)
    last = decisions(place.ledger, NAME)[-1]
    assert last.what == "given up"
    assert "its decisions are worth less" in last.sentence
    assert standing(place.ledger, NAME) == Standing()
    assert {one.kind for one in alerts(place.ledger, NAME)} == {"successor given up"}
    assert roll_out(place, NAME, now=now, hold=hold) == (False, "no successor is on its way")


def test_by_approval_it_waits_as_shadow_and_says_for_what(place: Workspace) -> None:
    planned(place, policy="approval")
    candidate(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    now = days(place, Traffic(place), DUE, 2)
    assert current(place.ledger, NAME).of(2) == "shadow"
    waits = decisions(place.ledger, NAME)[-1]
    assert waits.what == "waits"
    assert "waits for 1 approval before it is canary: outlast approve late-orders@2" in waits.sentence
    assert roll_out(place, NAME, now=now, hold=hold)[0] is False  # said once a day
    decide(place, ModelRef(NAME, 2), "approve", by="ana", reason="it is better", now=now)
    assert roll_out(place, NAME, now=now, hold=hold)[0]
    assert current(place.ledger, NAME).of(2) == "canary 10%"
    days(place, Traffic(place), now, 5)
    assert current(place.ledger, NAME).live == 2


def test_a_rejected_one_is_given_up(place: Workspace) -> None:
    candidate(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    decide(place, ModelRef(NAME, 2), "reject", by="ben", reason="not in the high season", now=DUE)
    _, says = roll_out(place, NAME, now=DUE + DAY, hold=hold)
    assert "given up" in says
    assert "not in the high season" in says
    assert current(place.ledger, NAME).challenger is None


def test_a_successor_is_trained_from_a_folder_that_was_renamed_and_from_no_other_model(place: Workspace) -> None:
    moved = place.root.rename(place.root.with_name("elsewhere"))
    candidate(Workspace.find(moved))
    assert find(Workspace.find(moved).ledger, ModelRef(NAME, 2)).number == 2


def test_a_folder_that_declares_another_model_now_trains_no_successor(place: Workspace) -> None:
    file = place.root / "model.py"
    file.write_text(file.read_text().replace(f'"{NAME}"', '"something-else"'))
    retrain_due(place, NAME, now=DUE, hold=hold)
    run = standing(place.ledger, NAME).run
    assert run is not None
    step = succeed(place, NAME, run)
    assert step.what == "failed"
    assert f"declares model 'something-else' now, and not '{NAME}'" in step.sentence


def test_where_outcomes_show_too_little_patience_decides_by_the_held_out_rows(place: Workspace) -> None:
    planned(place, patience="3d", margin=0.0001)
    candidate(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    now = days(place, Traffic(place), DUE, 2)
    assert current(place.ledger, NAME).of(2) == "canary 10%"
    days(place, Traffic(place), now, 1)
    assert current(place.ledger, NAME).live == 2
    says = decisions(place.ledger, NAME)[-1].sentence
    assert "patience is over: by the held-out rows of its verdict (" in says
    assert "questions answered by both), since" in says


def test_patience_lets_nothing_in_that_stood_beside_nothing(place: Workspace) -> None:
    planned(place, patience="3d")
    candidate(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    Traffic(place).through(DUE, DUE + DAY / 24)
    for day in (1, 2, 3, 4, 5):
        roll_out(place, NAME, now=DUE + day * DAY, hold=hold)
        assert current(place.ledger, NAME).of(2) in ("shadow", "canary 10%")
    assert "patience is over, but it answered " in decisions(place.ledger, NAME)[-1].sentence
    roll_out(place, NAME, now=DUE + 6 * DAY, hold=hold)
    assert current(place.ledger, NAME).live == 1
    assert whats(place)[-1] == "given up"
    assert "of the 100 questions beside what is live that it takes" in decisions(place.ledger, NAME)[-1].sentence


def test_beside_rows_of_tables_nothing_is_asked_and_patience_decides(place: Workspace) -> None:
    planned(place, patience="3d")
    candidate(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    now = days(place, Traffic(place, tables=True), DUE, 3)
    assert current(place.ledger, NAME).of(2) == "canary 10%"
    days(place, Traffic(place, tables=True), now, 1)
    assert current(place.ledger, NAME).live == 2
    assert "(rows of tables are asked beside nothing)" in decisions(place.ledger, NAME)[-1].sentence


def test_patience_lets_nothing_in_while_its_data_are_broken(place: Workspace) -> None:
    planned(place, patience="3d", margin=0.0001)
    candidate(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    now = days(place, Traffic(place), DUE, 2)
    found(place, Finding("empty-column", "weight", "page", "weight is missing in all rows", None))
    now = days(place, Traffic(place), now, 1)
    assert current(place.ledger, NAME).of(2) == "canary 10%"
    assert "patience is over, but the model's data are broken: incident" in decisions(place.ledger, NAME)[-1].sentence
    (open_,) = incidents(place.ledger, NAME, live=True)
    resolve(place.ledger, open_, by="ana", at=now, reason="the scale is plugged in")
    days(place, Traffic(place), now, 1)
    assert current(place.ledger, NAME).live == 2


def test_whoever_acts_by_hand_goes_before_the_loop(place: Workspace) -> None:
    candidate(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    transition(place.ledger, NAME, action="withdraw", by="ana", at=DUE, reason="the fair is on")
    assert roll_out(place, NAME, now=DUE + DAY, hold=hold) == (
        True,
        "late-orders@2 is given up: ana did it, the fair is on",
    )
    assert whats(place)[-1] == "given up"


def test_another_gate_makes_a_verdict_worthless(place: Workspace) -> None:
    candidate(place)
    plain = contract_of(place, find(place.ledger, ModelRef(NAME))).model_dump(mode="json")
    plain["gate"]["margin"] = 0.1
    contracts.apply(place.ledger, NAME, Contract.model_validate(plain), by="ana", at=DUE)
    assert "the section [gate] has changed" in roll_out(place, NAME, now=DUE, hold=hold)[1]


def test_never_two_at_once_and_why_not_is_kept_once_a_day(place: Workspace) -> None:
    candidate(place)
    later = DUE + 8 * DAY
    assert retrain_due(place, NAME, now=later, hold=hold) == (False, "late-orders@2 is on its way")
    roll_out(place, NAME, now=DUE, hold=hold)
    transition(place.ledger, NAME, action="withdraw", by="ana", at=DUE)
    roll_out(place, NAME, now=DUE + timedelta(hours=1), hold=hold)
    planned(place, labels=10_000_000)
    for hour in (0, 1, 2):
        did, says = retrain_due(place, NAME, now=later + timedelta(hours=hour), hold=hold)
        assert did == (hour == 0)
        assert "of 10,000,000 new labels have matured" in says
    assert [one.what for one in decisions(place.ledger, NAME)].count("not") == 1


def found(place: Workspace, finding: Finding, days: int = 1) -> None:
    """The watch has found something."""
    contract = contract_of(place, find(place.ledger, ModelRef(NAME)))
    with place.ledger.write() as connection:
        scope = Scope(NAME, 1, "day", DUE + (days - 2) * DAY, DUE + (days - 1) * DAY)
        raise_findings(connection, scope, [finding], contract, scope.ends_at)


def test_lost_value_asks_for_one_unless_its_data_are_broken(place: Workspace) -> None:
    planned(place, schedule=None, triggers=["harm"])
    assert retrain_due(place, NAME, now=DUE, hold=hold) == (False, "nothing asks for a successor")
    found(place, Finding("loss", None, "page", "brier is 0.3, it was 0.2", 9.0))
    found(place, Finding("empty-column", "weight", "page", "weight is missing in all rows", None))
    did, says = retrain_due(place, NAME, now=DUE, hold=hold)
    assert did
    assert "its data are broken, and it would learn that" in says
    (open_,) = incidents(place.ledger, NAME, live=True)
    resolve(place.ledger, open_, by="ana", at=DUE, reason="the scale is plugged in")
    found(place, Finding("loss", None, "page", "brier is 0.3, it was 0.2", 9.0), days=3)
    did, says = retrain_due(place, NAME, now=DUE + 2 * DAY, hold=hold)
    assert did
    assert [one.what for one in decisions(place.ledger, NAME)] == ["not", "started"]
    assert decisions(place.ledger, NAME)[-1].trigger == "harm"


def test_a_challenger_is_read_out_against_what_is_live(place: Workspace) -> None:
    candidate(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    now = days(place, Traffic(place, worse=0.3), DUE, 1)
    transition(place.ledger, NAME, action="withdraw", by="ana", at=now)
    verdict = decisions(place.ledger, NAME)[1].detail["verdict"]
    transition(place.ledger, NAME, action="ab", to=2, share=10, by="ana", at=now, verdict=verdict)
    end = now + 4 * DAY
    Traffic(place, worse=0.3).through(now, end)
    found = read_out(place, NAME, 2, now=end + 3 * DAY)
    assert found is not None
    assert (found.stage, found.pairs, found.agreement, found.since) == ("ab", 0, None, now)
    assert found.ours.answers > 5 * found.theirs.answers > 50
    assert found.labelled == found.matured == found.ours.answers + found.theirs.answers
    assert found.gain is not None
    assert found.gain.low < found.gain.value < found.gain.high
    assert found.late is not None
    assert found.late.low < 0 == found.late.value < found.late.high
    assert found.to_json()["unit"] == "EUR a decision"
    assert read_out(place, NAME, 1, now=end) is None


def test_a_canary_that_answers_late_is_found_and_a_shadow_keeps_nobody_waiting(place: Workspace) -> None:
    candidate(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    now = days(place, Traffic(place, slow=0.8), DUE, 1)
    assert current(place.ledger, NAME).of(2) == "canary 10%"
    shadowed = decisions(place.ledger, NAME)[-1].detail["readout"]
    assert shadowed["late"] is None
    end = now + 15 * DAY
    Traffic(place, slow=0.8).through(now, end)
    found = read_out(place, NAME, 2, now=end)
    assert found is not None
    assert found.late is not None
    assert 0.02 < found.late.low < 0.8 < found.late.high


def test_what_is_live_is_watched_while_a_canary_answers(place: Workspace) -> None:
    candidate(place)
    roll_out(place, NAME, now=DUE, hold=hold)
    now, traffic = days(place, Traffic(place), DUE, 1), Traffic(place)
    assert current(place.ledger, NAME).of(2) == "canary 10%"
    for _ in range(3):
        traffic.through(now, now + DAY)
        now += DAY
        done = {one.job: one for one in tick(place, now=now)}
        assert not [one for one in done.values() if one.failed]
    with place.ledger.read() as connection:
        judged = read_mark(connection, f"judged/{NAME}")
    assert judged is not None
    assert moment(judged["at"]) >= now - DAY
