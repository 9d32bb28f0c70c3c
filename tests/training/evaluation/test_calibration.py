"""Chances that come true as often as they say, and those that do not."""

import numpy as np
import pytest

from outlast.training.evaluation.calibration import calibration, of_top_class
from outlast.training.evaluation.intervals import Z, areas, mean_of, means, wilson


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(-1, 1.2, rows)))
    return (rng.random(rows) < p).astype(int), p


def test_honest_chances_are_found_honest() -> None:
    found = calibration(*drawn(8000, 1), seed=0)
    assert sum(one["rows"] for one in found["bins"]) == 8000
    assert len(found["bins"]) == 10
    assert found["error"]["low"] == pytest.approx(0, abs=0.005)
    assert found["large"]["low"] < 0 < found["large"]["high"]
    assert found["slope"]["low"] < 1 < found["slope"]["high"]
    inside = sum(one["observed_low"] <= one["predicted"] <= one["observed_high"] for one in found["bins"])
    assert inside >= 8


@pytest.mark.parametrize(("bend", "end"), [(2.0, "high"), (0.5, "low")])
def test_bold_and_shy_chances_show_in_the_slope(bend: float, end: str) -> None:
    y, p = drawn(8000, 2)
    odds = np.log(p / (1 - p)) * bend
    slope = calibration(y, 1 / (1 + np.exp(-odds)), seed=0)["slope"]
    assert slope["low"] < 1 / bend < slope["high"]
    assert slope[end] < 1 if bend > 1 else slope[end] > 1


def test_chances_that_are_too_high_show_in_the_large() -> None:
    y, p = drawn(8000, 3)
    found = calibration(y, np.clip(p + 0.1, 0, 1), seed=0)
    assert found["large"]["high"] < -0.07
    assert found["error"]["low"] > 0.05


def test_intervals_hold_what_they_promise() -> None:
    """In 200 draws at 95 %, 181 hold the truth but once in a thousand tries (by the binomial)."""
    found = [calibration(*drawn(600, seed), seed=seed) for seed in range(200)]
    assert sum(one["large"]["low"] <= 0 <= one["large"]["high"] for one in found) >= 181
    assert sum(one["slope"]["low"] <= 1 <= one["slope"]["high"] for one in found) >= 181
    assert sum(one["error"]["low"] == 0 for one in found) >= 181


def test_equal_chances_make_one_bin_and_no_slope() -> None:
    found = calibration(np.array([0, 1] * 50), np.full(100, 0.5), seed=0)
    assert [one["rows"] for one in found["bins"]] == [100]
    assert found["slope"] is None


def test_chances_that_part_completely_have_no_slope() -> None:
    y = np.array([0] * 50 + [1] * 50)
    assert calibration(y, np.linspace(0.01, 0.99, 100), seed=0)["slope"] is None


def test_the_same_seed_gives_the_same_figures() -> None:
    y, p = drawn(500, 4)
    assert calibration(y, p, seed=7) == calibration(y, p, seed=7)


def test_of_several_classes_the_likeliest_is_judged() -> None:
    table = np.array([[0.7, 0.2, 0.1]] * 70 + [[0.1, 0.3, 0.6]] * 30)
    y = np.array([0] * 49 + [1] * 21 + [2] * 18 + [0] * 12)
    found = of_top_class(y, table, seed=0)
    assert [(one["predicted"], one["observed"]) for one in found["bins"]] == [
        (pytest.approx(0.6), pytest.approx(0.6)),
        (pytest.approx(0.7), pytest.approx(0.7)),
    ]


def test_no_rows_is_an_error_and_not_a_figure() -> None:
    with pytest.raises(ValueError, match="one at least"):
        calibration(np.array([]), np.array([]), seed=0)


def test_areas_by_group_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    y, p = drawn(900, 5)
    p, codes = p.round(2), np.arange(900) % 4 - 1  # ties, and rows of no group
    found = areas(y, p)(codes, 4)
    assert found.rows.tolist() == [225, 225, 225, 0]
    for one in range(3):
        assert found.value[one] == pytest.approx(roc_auc_score(y[codes == one], p[codes == one]))
    assert np.isnan(found.value[3])


def test_the_error_of_an_area_is_that_of_many_draws() -> None:
    drawn_areas = []
    errors = []
    for seed in range(300):
        y, p = drawn(200, seed)
        found = areas(y, p)(np.zeros(200, dtype=np.int64), 1)
        drawn_areas.append(found.value[0])
        errors.append(found.error[0])
    assert np.mean(errors) == pytest.approx(np.std(drawn_areas), rel=0.15)


def test_means_by_group_are_means() -> None:
    values, codes = np.arange(10.0), np.array([0] * 5 + [1] * 5)
    found = means(values)(codes, 2)
    alone = mean_of(values[:5])
    assert found.value.tolist() == [2.0, 7.0]
    assert alone["high"] == pytest.approx(2 + Z * found.error[0])


def test_wilsons_interval_is_the_known_one() -> None:
    assert wilson(8, 10) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson(0, 10)[0] == 0
