"""Which differences from what is live let a candidate take its place."""

import pytest

from outlast.gates.champion import Measured, stands
from outlast.training.evaluation.paired import Difference


def of(name: str, low: float, high: float, margin: float) -> Measured:
    value = (low + high) / 2
    return Measured(name, Difference(value, low, high, (high - low) / 4, 1_000, 30), margin, margin / 2)


@pytest.mark.parametrize(
    ("metric", "money", "passes"),
    [
        ((-0.004, 0.010), (-0.9, 2.0), True),  # neither worse
        ((-0.008, 0.024), (1.6, 12.4), True),  # in doubt, and it surely earns more
        ((-0.008, 0.024), (-0.1, 12.4), False),  # in doubt, and it may earn less
        ((-0.030, -0.001), (1.6, 12.4), False),  # surely worse
        ((0.010, 0.024), (-1.5, 12.4), False),  # better, and money is in doubt
    ],
)  # fmt: skip
def test_what_surely_earns_more_may_be_in_doubt_by_the_metric(
    metric: tuple[float, float], money: tuple[float, float], *, passes: bool
) -> None:
    assert stands([of("roc_auc", *metric, 0.005), of("USD a decision", *money, 1.0)]) is passes


def test_without_payoffs_the_metric_decides_alone() -> None:
    assert stands([of("roc_auc", -0.004, 0.01, 0.005)])
    assert not stands([of("roc_auc", -0.008, 0.024, 0.005)])
