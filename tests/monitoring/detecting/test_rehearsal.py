import numpy as np
import pytest

from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.rehearsal import Replay, _Stage, rehearsed
from outlast.monitoring.detecting.tables import HOUR, Table

EVEN = np.array([1 / 16] * 16 + [0.0] * 4)


def past(*, weeks, streams=4, shock=0.0, seed=1, rows=200) -> Table:
    """Numbers whose place follows shocks that last: AR(0.9) by the hour."""
    rng = np.random.default_rng(seed)
    hours, level = round(weeks * 168), np.zeros(streams)
    lean = np.linspace(-1, 1, 16)
    counts = np.zeros((hours, streams, 20), np.int64)
    for hour in range(hours):
        level = 0.9 * level + shock * np.sqrt(1 - 0.81) * rng.normal(size=streams)
        share = np.exp(level[:, None] * lean)
        counts[hour, :, :16] = rng.multinomial(rows, share / share.sum(axis=1, keepdims=True))
    starts = np.arange(hours, dtype=np.int64) * HOUR
    return Table(tuple(f"f{i}" for i in range(streams)), counts.sum(axis=0), counts, starts, ("number",) * streams)


def tried(table: Table, histories=20):
    tables = {"features": table}
    return rehearsed(planned(tables, Budget()), tables, seed=3, histories=histories)


def test_a_calm_past_would_never_have_alarmed_and_the_sentence_says_so():
    found = tried(past(weeks=8))
    page, ticket = found.replays
    assert (page.own, page.alarms, ticket.own, ticket.alarms) == (0, 0, 0, 0)
    assert found.sentence.startswith(
        "On your past of 8.0 weeks this would have paged 0 times; in 3 years drawn from it"
    )


def test_streams_whose_past_breaks_the_budget_count_as_more_dependent_until_it_keeps_it():
    table = past(weeks=8, shock=0.5)
    tables = {"features": table}
    plan = planned(tables, Budget())
    effects = plan.tickets.families[0].effects
    assert (effects > 3).all()
    (family, _) = plan.tickets.families
    object.__setattr__(family, "effects", np.full(4, 3.0))
    found = rehearsed(plan, tables, seed=3, histories=20)
    ticket = found.replays[1]
    assert ticket.streams
    assert (found.plan.tickets.families[0].effects > 3.5).any()
    assert ticket.within


@pytest.mark.parametrize("weeks", [1, 3.9])
def test_no_sentence_on_fewer_than_four_weeks_calls_anything_guaranteed(weeks):
    said = tried(past(weeks=weeks)).sentence
    assert "an aim and no more" in said
    assert "guarantee" not in said


def test_a_reference_of_few_rows_is_called_one_of_low_power():
    said = "with fewer than 5,000 rows it has low power, small shifts do not show"
    assert tried(past(weeks=8, rows=3)).sentence.endswith(said)
    assert said not in tried(past(weeks=8)).sentence


def test_a_past_of_two_days_is_not_replayed():
    found = tried(past(weeks=2 / 7))
    assert found.replays == ()
    assert found.sentence == "The past has 0.3 weeks: too short to try how often this would have paged"


def test_the_replay_alarms_where_the_bank_does():
    """The quick replay and the bank itself, on the same past with the same weights."""
    table = past(weeks=8, shock=0.6)
    tables = {"features": table}
    plan = planned(tables, Budget())
    (family, _) = plan.tickets.families
    object.__setattr__(family, "effects", np.full(4, 1.5))
    bank, state, alarms = plan.tickets, plan.tickets.begin(), 0
    for counts, at in zip(table.past, table.starts, strict=True):
        state, found = bank.step(state, {"features": counts}, int(at))
        alarms += bool(found)
    assert alarms > 3
    stage = _Stage.of(bank, tables)
    assert int(stage.run(np.arange(stage.length)[:, None]).sum()) == alarms


def test_a_replay_within_its_budget_says_so():
    assert Replay("page", 0, 5, 100.0, 0.05).within
    assert not Replay("page", 0, 6, 100.0, 0.05).within
    low, high = Replay("page", 0, 5, 100.0, 0.05).interval()
    assert (low, high) == (pytest.approx(0.0162, abs=1e-4), pytest.approx(0.1167, abs=1e-4))
