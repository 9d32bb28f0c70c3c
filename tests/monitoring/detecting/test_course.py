"""Features held against their own last days: what changes overnight is found, what moves with the year is not."""

import numpy as np
import pytest

from outlast.data.profile import MISSING
from outlast.monitoring.detecting.bank import Bank
from outlast.monitoring.detecting.course import Jumps, can_follow, forecast, jump_bets
from outlast.monitoring.detecting.dependence import course_effects
from outlast.monitoring.detecting.keeping import from_bytes, to_bytes
from outlast.monitoring.detecting.planning import Budget, measured, planned
from outlast.monitoring.detecting.rehearsal import rehearsed
from outlast.monitoring.detecting.tables import HOUR, Table

DAY = 24 * HOUR
LEAN = np.linspace(-2, 2, 16)


def shares(level: np.ndarray, missing: float = 0.0) -> np.ndarray:
    """[.., cell]: a number whose rows lie the higher, the higher the level."""
    found = np.zeros((*level.shape, 20))
    odds = np.exp(level[..., None] * LEAN)
    found[..., :16] = odds / odds.sum(axis=-1, keepdims=True) * (1 - missing)
    found[..., MISSING] = missing
    return found


def seasons(rng: np.random.Generator, days: int, streams: int, first: int = 0) -> np.ndarray:
    """Levels that swing by far with the year, and wander by the day as weather does, [day, stream]."""
    day, level = np.arange(first, first + days), np.zeros((days, streams))
    for place in range(1, days):
        level[place] = 0.6 * level[place - 1] + 0.25 * rng.normal(size=streams)
    return level - np.cos(2 * np.pi * day / 365)[:, None]


def drawn(rng: np.random.Generator, level: np.ndarray, rows: int = 400, missing: float = 0.0) -> np.ndarray:
    return rng.multinomial(rows, shares(level, missing))


def table(counts: np.ndarray, length: int = DAY) -> Table:
    starts = np.arange(len(counts), dtype=np.int64) * length
    names = tuple(f"f{place}" for place in range(counts.shape[1]))
    return Table(names, counts.sum(axis=0), counts, starts, ("number",) * len(names))


def half_a_year(streams: int = 3, seed: int = 1) -> tuple[Table, Bank]:
    past = table(drawn(np.random.default_rng(seed), seasons(np.random.default_rng(seed), 182, streams)))
    tables = {"course": past}
    return past, rehearsed(planned(tables, Budget(cadence=DAY)), tables, seed=1, histories=40).plan.tickets


def walked(bank: Bank, checks: np.ndarray, first: int = 182) -> list[tuple[int, str, str, str]]:
    """Day, stream, what and which way of every alarm."""
    state, found = bank.begin(), []
    for place, counts in enumerate(checks):
        state, alarms = bank.step(state, {"course": counts}, (first + place) * DAY)
        found += [(place, one.stream, one.bet.what, one.bet.direction) for one in alarms]
    return found


def test_the_other_half_of_the_year_is_no_news_and_a_jump_within_the_range_is() -> None:
    """Far from what the half year of the reference was, and found where a level changes overnight for good."""
    _, bank = half_a_year()
    rng = np.random.default_rng(2)
    level = seasons(rng, 183, 3, first=182)
    assert walked(bank, drawn(rng, level)) == []
    level[30:, 1] -= 3.0
    found = walked(bank, drawn(rng, level))
    assert found[0][1:] == ("f1", "location", "down")
    assert 30 <= found[0][0] <= 35
    assert {stream for _, stream, _, _ in found} == {"f1"}


def test_a_share_that_goes_missing_overnight_is_found_at_once_and_what_is_allowed_is_not() -> None:
    past, bank = half_a_year()
    rng = np.random.default_rng(3)
    level = seasons(rng, 60, 3, first=182)
    counts = drawn(rng, level)
    counts[40:, 2] = drawn(rng, level[40:, 2], missing=0.05)
    assert walked(bank, counts)[0] == (40, "f2", "missing", "up")
    lenient = past.counts.copy()
    lenient[2, MISSING] = round(0.06 * lenient[2].sum())
    allowing = Table(past.keys, lenient, past.past, past.starts, past.kinds)
    assert walked(planned({"course": allowing}, Budget(cadence=DAY)).tickets, counts) == []


def test_a_level_that_stays_is_taken_for_the_course_in_the_end() -> None:
    _, bank = half_a_year()
    rng = np.random.default_rng(4)
    level = seasons(rng, 183, 3, first=182)
    level[100:, 0] += 3.0
    days = [day for day, *_ in walked(bank, drawn(rng, level))]
    assert days
    assert 100 <= min(days) <= max(days) <= 100 + 28


@pytest.mark.parametrize("rows", [3, 40, 2000])
def test_few_rows_a_check_and_many_keep_the_budget(rows: int) -> None:
    """Ten streams for two years at one false ticket a year: six would be a chance of one in sixty."""
    rng = np.random.default_rng(rows)
    past = table(drawn(rng, seasons(rng, 182, 10), rows))
    tables = {"course": past}
    bank = rehearsed(planned(tables, Budget(cadence=DAY)), tables, seed=1, histories=40).plan.tickets
    assert len(walked(bank, drawn(rng, seasons(rng, 730, 10, first=182), rows))) <= 5


def test_where_the_truth_stands_at_the_limit_every_bet_is_fair_and_elsewhere_worse() -> None:
    """Of rows that are 0 or 1; of values between them a bet pays less, by convexity."""
    past, _ = half_a_year()
    bets = forecast(jump_bets(past), past)
    state = bets.begin()
    for place, given in enumerate(drawn(np.random.default_rng(5), np.zeros((10, 3)))):
        _, state = bets.step(state, given, place * DAY)
    rows = np.zeros((2, 3, 20), np.int64)
    rows[0, :, 3], rows[1, :, MISSING] = 1, 1
    miss, hit = (np.exp(bets.step(state, one, 10 * DAY)[0][:, -3:]) for one in rows)
    assert (bets.together[:, 1] == 1).all()
    limit = (1 - miss) / (hit - miss)
    assert limit == pytest.approx(np.repeat(limit[:, :1], 3, axis=1))
    assert (limit > bets.foreseen[:, 1:]).all()
    place = bets.values[0, 0, :16]
    pays = np.stack([np.exp(bets.step(state, np.eye(20)[[cell] * 3], 10 * DAY)[0][0, :3]) for cell in range(16)])
    line = pays[0] + (pays[-1] - pays[0]) * ((place - place[0]) / (place[-1] - place[0]))[:, None]
    assert (pays <= line + 1e-12).all()


def test_the_errors_of_a_course_hang_together_less_than_its_levels() -> None:
    """A season lasts for months: what is divided for it hardly ever alarms."""
    past, _ = half_a_year()
    levels = planned({"features": past}, Budget(cadence=DAY)).tickets.families[0]
    errors = course_effects(past, forecast(jump_bets(past), past))
    assert (errors[:, 0] * 3 < levels.effects).all()
    assert (errors[:, 1] == 1).all(), "nothing is ever missing"


def test_a_state_that_was_kept_goes_on_as_if_nothing_had_happened() -> None:
    _, bank = half_a_year()
    rng = np.random.default_rng(6)
    counts = drawn(rng, seasons(rng, 30, 3, first=182))
    whole = half = bank.begin()
    for place, given in enumerate(counts):
        whole, _ = bank.step(whole, {"course": given}, (182 + place) * DAY)
        half = bank.resume(from_bytes(to_bytes(half)))
        half, _ = bank.step(half, {"course": given}, (182 + place) * DAY)
    assert to_bytes(half) == to_bytes(whole)
    assert to_bytes(from_bytes(to_bytes(whole))) == to_bytes(whole)


def test_streams_that_stay_keep_their_course_when_others_come_and_go() -> None:
    past, bank = half_a_year()
    rng = np.random.default_rng(7)
    state = bank.begin()
    for place, given in enumerate(drawn(rng, seasons(rng, 10, 3, first=182))):
        state, _ = bank.step(state, {"course": given}, (182 + place) * DAY)
    assert past.past is not None
    fewer = Table(("f2", "new"), past.counts[1:], past.past[:, 1:], past.starts, ("number",) * 2)
    fitted = planned({"course": fewer}, Budget(cadence=DAY)).tickets.resume(state).tracks["jumps"].course
    kept = state.tracks["jumps"].course
    assert fitted is not None
    assert kept is not None
    assert (fitted[0] == kept[2]).all()
    assert (fitted[1] == 0).all()


def test_what_was_measured_once_is_taken_for_known() -> None:
    past, _ = half_a_year()
    plan = planned({"course": past}, Budget(cadence=DAY))
    again = planned({"course": past}, Budget(cadence=DAY), known=measured(plan))
    one, other = (bank.families[0].bets for bank in (plan.tickets, again.tickets))
    assert isinstance(one, Jumps)
    assert isinstance(other, Jumps)
    assert (one.error == other.error).all()
    assert (one.foreseen == other.foreseen).all()


def test_a_past_too_short_to_tell_how_well_it_is_forecast_has_no_such_bets() -> None:
    past, _ = half_a_year()
    assert past.past is not None
    assert past.starts is not None
    short = Table(past.keys, past.counts, past.past[:20], past.starts[:20], past.kinds)
    assert not can_follow(short)
    assert not can_follow(Table(past.keys, past.counts))
    assert [one.name for one in planned({"course": short}, Budget(cadence=DAY)).tickets.families] == []


def test_a_night_without_rows_is_bridged_and_two_weeks_are_not() -> None:
    past, _ = half_a_year()
    bets = forecast(jump_bets(past), past)
    rng = np.random.default_rng(8)
    state = bets.begin()
    for place in range(10):
        _, state = bets.step(state, drawn(rng, np.zeros(3)), place * DAY)
    far = drawn(rng, np.full(3, 3.0))
    soon, _ = bets.step(state, far, 11 * DAY)
    late, _ = bets.step(state, far, 25 * DAY)
    assert (soon[:, :3].max(axis=1) > 0).all()
    assert (late == 0).all()
