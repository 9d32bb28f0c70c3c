"""Estimates before labels: close to what turns out, covered by their intervals, or refused with the reason."""

from dataclasses import replace

import numpy as np
import pytest

from outlast.data.past import Past
from outlast.monitoring.estimating import Estimate, Live, NotEstimable, estimate
from outlast.monitoring.estimating.curves import curve_of
from outlast.monitoring.estimating.live import Matured
from outlast.types import Task
from tests.monitoring.worlds import Floats, Rows, World, moved, plain_chance

WINDOWS = 12


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=1)


@pytest.fixture(scope="module")
def amounts() -> World:
    return World(seed=1, task="regression")


def made(world: World, rows: Rows, task: Task = "binary", matured: Matured | None = None) -> Estimate:
    found = estimate(world.past, task, rows.live(), matured)
    assert isinstance(found, Estimate), found
    return found


def covers(found: Estimate, name: str, value: float) -> bool:
    figure = found.figures[name]
    return figure.low <= value <= figure.high


def area(rows: Rows) -> float:
    order = np.argsort(rows.scores)
    yes = rows.truth[order] == 1
    no_below = np.cumsum(~yes)
    return float(no_below[yes].sum() / (yes.sum() * (~yes).sum()))


def test_where_nothing_has_moved_intervals_hold_what_turns_out(world: World) -> None:
    held = []
    for seed in range(WINDOWS):
        rows = world.later(2_000, seed)
        found = made(world, rows)
        assert found.effective == len(world.past.sample.at)
        worth = np.where(rows.scores > 4 / 14, np.where(rows.truth > 0, 10.0, -4.0), 0.0).mean()
        truths = {"loss": rows.loss, "rate": rows.truth.mean(), "roc_auc": area(rows), "value": worth}
        held += [covers(found, name, float(value)) for name, value in truths.items()]
        assert found.figures["cost"].value == pytest.approx(10 * found.loss.value)
    assert np.mean(held) >= 0.85


@pytest.mark.parametrize("shift", [("b", 1.0), ("b", -1.0), ("a", 0.5)], ids=str)
def test_a_shift_of_features_is_followed_where_scores_alone_do_not_tell(world: World, shift: tuple[str, float]) -> None:
    away, by_scores, held = [], [], []
    curve = curve_of(world.past, Matured.none())
    for seed in range(WINDOWS):
        rows = world.later(2_000, seed, draw=moved(*shift))
        found, live = made(world, rows), rows.live()
        away.append(abs(found.loss.value - rows.loss))
        by_scores.append(abs(float(live.scores @ curve.expected) / live.rows - rows.loss))
        held.append(covers(found, "loss", rows.loss))
        assert 500 <= found.effective < len(world.past.sample.at)
    assert np.mean(away) < 0.8 * np.mean(by_scores)
    assert np.mean(held) >= 0.75


def test_labels_that_have_matured_since_are_heard(world: World) -> None:
    """The world has changed behind equal rows: only labels can tell, and twenty thousand of them do."""

    def riskier(x: dict[str, Floats]) -> Floats:
        return np.minimum(1.0, plain_chance(x) + 0.15)

    rows = world.later(4_000, 3, chance=riskier)
    before = made(world, rows)
    after = made(world, rows, matured=world.later(20_000, 4, chance=riskier).matured())
    assert abs(after.loss.value - rows.loss) < 0.4 * abs(before.loss.value - rows.loss)


def test_of_amounts_the_squared_error_is_expected_by_leaf_and_score(amounts: World) -> None:
    away, unmoved = [], []
    for seed in range(WINDOWS):
        rows = amounts.later(2_000, seed, draw=moved("a", 0.6))
        found = made(amounts, rows, "regression")
        assert set(found.figures) == {"loss"}
        assert covers(found, "loss", rows.loss)
        away.append(abs(found.loss.value - rows.loss))
        unmoved.append(abs(found.reference - rows.loss))
    assert np.mean(away) < 0.5 * np.mean(unmoved)


def test_of_classes_the_share_that_is_right_is_estimated(world: World) -> None:
    rows = world.later(2_000, 1)
    found = made(world, rows, "multiclass")
    assert covers(found, "accuracy", float((rows.reference.sides == 1).mean()))
    assert "roc_auc" not in found.figures


def without_sample(past: Past, rows: int) -> Past:
    return replace(past, sample=past.sample.part(np.arange(rows)))


def test_what_cannot_be_estimated_says_why(world: World) -> None:
    rows = world.later(2_000, 1)
    few = Live(rows.live().cells // 100, rows.live().leaves // 500)
    cases = {
        "before versions kept their past": (None, rows.live()),
        "rows are too few": (world.past, few),
        "unlike any row of the reference": (world.past, world.later(2_000, 1, draw=moved("a", 4.5)).live()),
        "count as": (without_sample(world.past, 400), rows.live()),
    }
    for reason, (past, live) in cases.items():
        found = estimate(past, "binary", live)
        assert isinstance(found, NotEstimable)
        assert reason in found.reason


def test_the_width_is_said_part_by_part(world: World) -> None:
    found = made(world, world.later(2_000, 1, draw=moved("b", 1.0)))
    assert set(found.parts) == {"labels", "chance", "drift", "support", "shift"}
    assert found.half_width >= max(found.parts.values()) > 0
    larger = made(world, world.later(8_000, 1, draw=moved("b", 1.0)))
    assert larger.parts["chance"] < found.parts["chance"] * 0.6
