"""Findings: nothing where nothing changed, and what changed where it did."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from outlast.data.profile import Profile, build, cells, score_cells
from outlast.monitoring.counting.counts import CELLS, Counts, cell_counts
from outlast.monitoring.counting.sums import Moments
from outlast.monitoring.judge import ASSUMED_EFFECT, Bench, Effects, Scale, judge, measured_effects

SUMMARY = {
    "metrics": {"brier": {"value": 0.2, "low": 0.195, "high": 0.205}},
    "value": {"per_decision": 10.0, "low": 9.0, "high": 11.0},
}
ALONE = Effects({"wind": 1.0, "origin": 1.0, "score": 1.0, "loss:brier": 1.0, "loss:gain": 1.0})


def rows(
    n: int, rng: np.random.Generator, shift: float = 0.0, shares: tuple[float, ...] = (0.5, 0.3, 0.2)
) -> pl.DataFrame:
    return pl.DataFrame({"wind": rng.normal(shift, 1, n), "origin": rng.choice(["EWR", "JFK", "LGA"], n, p=shares)})


@pytest.fixture(scope="module")
def profile() -> Profile:
    rng = np.random.default_rng(5)
    return build(rows(20_000, rng), rng.random(20_000), threshold=0.5)


def bench(profile: Profile, effects: Effects = ALONE) -> Bench:
    return Bench("binary", profile, SUMMARY, timedelta(hours=1), 0.05, effects)


def counts(profile: Profile, frame: pl.DataFrame, scores: np.ndarray | None = None, **more) -> Counts:
    found, _ = cell_counts([bytes(row) for row in cells(profile, frame)], 2)
    empty = Counts.none(profile.names)
    scored = empty.scores if scores is None else np.bincount(score_cells(profile, scores), minlength=CELLS)
    given = {"tallies": {"rung:full": frame.height}, **more}
    return Counts(empty.features, frame.height, found, scored, empty.labels, empty.graded, **given)


def kinds(found) -> list[tuple[str, str | None]]:
    return [(finding.kind, finding.column) for finding in found]


def test_two_hundred_quiet_days_find_nothing(profile: Profile) -> None:
    # One false finding a year is expected at most; over 200 days with independent rows the bound says 0.35 of one.
    rng = np.random.default_rng(6)
    found = [judge(counts(profile, rows(900, rng), rng.random(900)), bench(profile), "day") for _ in range(200)]
    assert sum(map(len, found)) <= 1


def test_a_shift_is_found_in_a_day_and_named(profile: Profile) -> None:
    rng = np.random.default_rng(7)
    (found,) = judge(counts(profile, rows(1000, rng, shift=0.6), rng.random(1000)), bench(profile), "day")
    assert (found.kind, found.column, found.severity) == ("feature-drift", "wind", "ticket")
    assert "a value is larger than one of training" in found.sentence
    assert judge(counts(profile, rows(1000, rng, shift=0.6)), bench(profile), "window") == []


def test_a_category_that_grows_is_found(profile: Profile) -> None:
    rng = np.random.default_rng(8)
    frame = rows(2000, rng, shares=(0.3, 0.3, 0.4))
    (found,) = judge(counts(profile, frame, rng.random(2000)), bench(profile), "day")
    assert (found.column, "more rows are 'LGA'" in found.sentence) == ("origin", True)


def test_scores_that_move_are_found(profile: Profile) -> None:
    rng = np.random.default_rng(9)
    found = judge(counts(profile, rows(1000, rng), rng.random(1000) ** 2), bench(profile), "day")
    assert kinds(found) == [("score-drift", "score")]


def test_an_empty_column_is_a_page_at_once_and_holes_are_a_ticket(profile: Profile) -> None:
    rng = np.random.default_rng(10)
    gone = rows(30, rng).with_columns(wind=pl.lit(None, pl.Float64))
    (page,) = judge(counts(profile, gone), bench(profile), "window")
    assert (page.kind, page.severity, page.deviation) == ("empty-column", "page", None)
    holes = rows(500, rng).with_columns(wind=pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise("wind"))
    (ticket,) = judge(counts(profile, holes), bench(profile), "window")
    assert (ticket.kind, ticket.severity) == ("data-quality", "ticket")
    assert "missing in 10.0% of 500 rows" in ticket.sentence


@pytest.mark.parametrize(("scale", "many", "told"), [("window", 500, False), ("day", 39, False), ("day", 500, True)])
def test_a_column_with_holes_of_its_own_may_be_empty_for_a_night(scale: Scale, many: int, told: bool) -> None:
    rng = np.random.default_rng(12)
    holed = rows(5_000, rng).with_columns(wind=pl.when(pl.int_range(pl.len()) % 5 == 0).then(None).otherwise("wind"))
    profile = build(holed, rng.random(5_000), threshold=0.5)
    gone = rows(many, rng).with_columns(wind=pl.lit(None, pl.Float64))
    found = judge(counts(profile, gone, rng.random(many)), bench(profile), scale)
    assert ("empty-column" in {one.kind for one in found}) is told


def test_unseen_words_are_found(profile: Profile) -> None:
    rng = np.random.default_rng(11)
    frame = rows(500, rng).with_columns(
        origin=pl.when(pl.int_range(pl.len()) % 8 == 0).then(pl.lit("BOS")).otherwise("origin")
    )
    assert kinds(judge(counts(profile, frame), bench(profile), "window")) == [("data-quality", "origin")]


def test_rows_that_move_together_need_more_of_them(profile: Profile) -> None:
    rng = np.random.default_rng(12)
    frame, scores = rows(900, rng, shift=0.3), rng.random(900)
    assert kinds(judge(counts(profile, frame, scores), bench(profile), "day")) == [("feature-drift", "wind")]
    assert judge(counts(profile, frame, scores), bench(profile, Effects()), "day") == []
    assert Effects().of("wind") == ASSUMED_EFFECT


def test_effects_are_measured_over_days_that_share_their_weather(profile: Profile) -> None:
    rng = np.random.default_rng(13)
    days = [counts(profile, rows(400, rng, shift=rng.normal(scale=0.4)), rng.random(400)) for _ in range(14)]
    effects = measured_effects(days, profile)
    assert effects.of("wind") > 30  # 1 + 400 x 0.16 in the mean, less in the ranks
    assert effects.of("origin") < 6
    assert measured_effects(days[:6], profile) == Effects()


def losses(profile: Profile, brier: float, gain: float, *, labelled: int = 1000) -> Counts:
    rng = np.random.default_rng(14)
    moments = {"brier": Moments.of(rng.normal(brier, 0.2, 1000)), "gain": Moments.of(rng.normal(gain, 40, 1000))}
    tallies = {"matured": 1000, "labelled": labelled, "rung:full": 1000}
    return counts(profile, rows(1000, rng), rng.random(1000), moments=moments, tallies=tallies)


def test_lost_value_is_a_page_and_with_few_labels_a_ticket(profile: Profile) -> None:
    assert judge(losses(profile, 0.2, 10), bench(profile), "day") == []
    found = judge(losses(profile, 0.3, 10), bench(profile), "day")
    assert [(f.kind, f.severity) for f in found] == [("loss", "page")]
    assert "the evaluation said 0.2" in found[0].sentence
    assert [f.kind for f in judge(losses(profile, 0.2, -5), bench(profile), "day")] == ["value"]
    (ticket,) = judge(losses(profile, 0.3, 10, labelled=400), bench(profile), "day")
    assert ticket.severity == "ticket"
    assert "40% of labels" in ticket.sentence


def test_answers_that_were_not_the_models_are_found(profile: Profile) -> None:
    rng = np.random.default_rng(15)
    found = judge(
        counts(profile, rows(100, rng), tallies={"rung:full": 30, "rung:default": 70}), bench(profile), "window"
    )
    assert [(f.kind, f.severity) for f in found] == [("degraded", "page")]
    assert "70 default" in found[0].sentence
