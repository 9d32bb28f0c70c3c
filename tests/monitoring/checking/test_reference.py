"""From a version's past to detectors that know it: quiet in the world they know, and right about another."""

from dataclasses import replace

import numpy as np
import pytest
from made import HOUR, START, arrived, watched, world

from outlast.data.past import Declared
from outlast.data.past.declared import Word
from outlast.data.profile import MISSING
from outlast.monitoring.checking.words import KINDS, Told, column_of, sentence
from outlast.monitoring.counting.counts import Counts
from outlast.monitoring.detecting.bank import Alarm
from outlast.monitoring.detecting.bets import Bet
from outlast.monitoring.detecting.planning import Budget, Plan, planned
from outlast.monitoring.detecting.rehearsal import rehearsed

OF = watched()
PLAN: Plan = rehearsed(planned(OF.tables, Budget()), OF.tables, seed=1, histories=20).plan


def told(days: int, **other: float) -> list[Told]:
    """The first alarms of every bank, in days of some 480 rows of a world."""
    found: list[Told] = []
    for bank in PLAN.banks:
        state, since = bank.begin(), Counts.none(("wind", "origin"))
        rows = np.random.default_rng(9).poisson(20, days * 24)
        for hour in range(days * 24):
            at = int((START + hour * HOUR).timestamp())
            counts = arrived(world(int(rows[hour]), 100 + hour, **other), OF)
            since = since + counts
            state, alarms = bank.step(state, OF.counts(counts, at), at)
            if alarms:
                found += [Told(alarm, OF, since, since.cells) for alarm in alarms]
                break
    return found


def by_kind(found: list[Told]) -> dict[str, str]:
    return {f"{KINDS[one.alarm.family]} {column_of(one)}": sentence(one) for one in found}


def test_the_world_it_knows_is_quiet() -> None:
    assert told(20) == []


def test_a_moved_feature_is_a_ticket_and_what_it_costs_a_page() -> None:
    found = by_kind(told(12, shift=0.5))
    said = found["feature-drift wind"]
    assert said.startswith(("wind: a value is larger than one in the reference with chance 6", "wind is "))
    assert "since 2013-05-06" in said
    assert {one.alarm.severity for one in told(12, shift=0.5) if one.alarm.family == "features"} == {"ticket"}


def test_a_jump_says_what_it_is_held_against() -> None:
    (bank,) = (one for one in PLAN.banks if one.severity == "ticket")
    state, rows, found = bank.begin(), np.random.default_rng(9).poisson(20, 168), []
    before = since = Counts.none(("wind", "origin"))
    for hour in range(168):
        counts = arrived(world(int(rows[hour]), 900 + hour, shift=0.0 if hour < 120 else -1.5), OF)
        before, since = (before + counts, since) if hour < 120 else (before, since + counts)
        at = int((START + hour * HOUR).timestamp())
        state, alarms = bank.step(state, OF.counts(counts, at), at)
        found += [one for one in alarms if one.family == "jumps"]
    assert found
    said = sentence(Told(found[0], OF, since, since.cells, before.cells))
    assert said.startswith("wind jumped: a value is smaller than one of the days before with chance 8")
    assert "since 2013-05-1" in said
    assert column_of(Told(found[0], OF, since, since.cells)) == "wind"
    gone = replace(found[0], bet=Bet("missing", "up", (MISSING,), 5.0))
    assert sentence(Told(gone, OF, since, since.cells, before.cells)).startswith(
        "wind jumped: missing in 0.0% of rows, in the days before in 0.0%"
    )


def test_missing_values_are_paged_with_both_shares() -> None:
    said = by_kind(told(6, missing=0.2))["data-quality wind"]
    assert "wind is missing in " in said
    assert "of rows, in the reference in 0.0%" in said


def test_outcomes_that_scores_do_not_tell_are_paged() -> None:
    found = told(20, odds=-1.5)
    assert {one.alarm.family for one in found if one.alarm.severity == "page"} & {"calibration", "loss", "slices"}
    for one in found:
        assert "%" in sentence(one)


def test_a_declared_slice_that_is_no_feature_is_paged_by_its_word() -> None:
    usual, lost = OF.past.totals.by_leaf.sum(axis=(0, 1))
    words = [Word("desk", "north", int(usual) // 2, int(lost) // 2), Word("desk", "south", int(usual) // 2, 0)]
    of = replace(OF, past=replace(OF.past, declared=Declared([*words, Word("desk", "new", 150, 9)])))
    assert [one for one in of.slices if one.startswith("word:")] == ["word:desk=north", "word:desk=south"]
    (bank,) = (one for one in planned(of.tables, Budget()).banks if one.severity == "page")
    state, since, found = bank.begin(), Counts.none(("wind", "origin")), []
    rows = np.random.default_rng(9).poisson(20, 72)
    for hour in range(72):
        at, counts = int((START + hour * HOUR).timestamp()), arrived(world(int(rows[hour]), 500 + hour), of)
        declared, half = np.zeros((200, 2), np.int64), counts.array("loss") // 2
        declared[:2] = half, [half[0], 200 * half[0]]
        counts = replace(counts, more={**counts.more, "declared": declared})
        since = since + counts
        state, alarms = bank.step(state, of.counts(counts, at), at)
        found += alarms
    assert {one.family for one in found} == {"slices"}
    said = Told(found[0], of, since, since.cells)
    assert column_of(said) == "word:desk=south"
    assert sentence(said).startswith(
        "where desk is 'south' a decision loses 20.0% of the most it can, in the reference 0.0%"
    )


def test_every_family_has_words() -> None:
    state = Counts.none(("wind", "origin")) + arrived(world(500, 3), OF)
    for bank in PLAN.banks:
        for family in bank.families:
            for bet in family.bets.names:
                alarm = Alarm(bank.severity, family.name, family.keys[0], bet, 13.0, 12.1, 1.0, 0, 0, 500, 1)
                assert " since 1970-01-01 00:00 UTC (500 rows)" in sentence(Told(alarm, OF, state, state.cells))


def test_a_feature_that_computes_the_same_is_the_same_stream_in_the_next_version() -> None:
    next_ = watched(version=2, digests={"wind": "w", "origin": "another"})
    assert OF.names["wind"] == next_.names["wind"]
    assert OF.names["origin"] != next_.names["origin"]
    assert OF.tables["loss"].keys != next_.tables["loss"].keys


def test_checks_of_a_day_are_held_against_days() -> None:
    by_hour, by_day = OF.tables["features"], replace(OF, cadence=24 * HOUR).tables["features"]
    assert by_hour.past is not None
    assert by_day.past is not None
    assert by_day.starts is not None
    assert (by_day.block, len(by_day.past)) == (86_400, 42)
    assert (by_day.starts % 86_400 == 0).all()
    assert (by_day.past.sum(axis=0) == by_hour.past.sum(axis=0)).all()


def test_a_check_without_rows_is_no_evidence() -> None:
    for bank in PLAN.banks:
        counts = OF.counts(Counts.none(("wind", "origin")), 0)
        counts.pop("volume")
        state, alarms = bank.step(bank.begin(), counts, 3600)
        assert (alarms, bank.log_r(state)) == ([], pytest.approx(0.0, abs=1e-9))


def test_what_the_contract_lets_be_missing_is_usual() -> None:
    """Questions without an outcome are not in the past, and may be the very ones that lack a column."""
    plain = watched()
    lenient = replace(plain, nulls={"origin": 0.05, "wind": 0.0, "other": 0.5})
    before, after = plain.tables["features"].counts, lenient.tables["features"].counts
    place = list(plain.names).index("origin")
    assert after[place, MISSING] / after[place].sum() == pytest.approx(0.05, abs=1e-4)
    assert (np.delete(after[place], MISSING) == np.delete(before[place], MISSING)).all()
    other = 1 - place
    assert (after[other] == before[other]).all(), "more than that is missing in the past itself, or nothing may be"
