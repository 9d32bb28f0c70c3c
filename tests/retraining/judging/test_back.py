"""What is live is taken back only where it loses more than is tolerated and the version before would not."""

from datetime import UTC, datetime

import pytest

from outlast.retraining.judging.back import Back, rule_back
from outlast.retraining.judging.told import Mean

SINCE = datetime(2024, 1, 1, tzinfo=UTC)


def mean(low: float, high: float) -> Mean:
    return Mean((low + high) / 2, low, high, 500, 1.2)


@pytest.mark.parametrize(
    ("earned", "better", "kind", "says"),
    [
        (mean(9, 11), mean(-1, 1), "wait", "would have earned +0 EUR a decision more"),
        (mean(1, 3), mean(-1, 1), "wait", "would have earned +0"),
        (mean(9, 11), mean(0.1, 1), "wait", "within the 5% that may be lost"),
        (mean(1, 3), mean(0.1, 1), "give up", "it earns at least 7 less than the 10 promised, and version 1 would"),
        (mean(9, 11), mean(0.6, 2), "give up", "version 1 would have earned +1.3"),
        (None, mean(0.6, 2), "give up", "+1.3 EUR a decision more (+0.6 to +2, 500 known outcomes)"),
        (mean(1, 3), None, "wait", "they compute otherwise"),
    ],
)
def test_when_it_is_taken_back(earned: Mean | None, better: Mean | None, kind: str, says: str) -> None:
    why_not = "they compute otherwise" if better is None else None
    found = rule_back(Back(2, 1, SINCE, "EUR a decision", 10.0, earned, better, why_not), 0.05)
    assert (found.kind, says in found.sentence) == (kind, True), found.sentence


def test_without_money_any_share_counts_of_itself() -> None:
    found = Back(2, 1, SINCE, "right decisions", None, None, mean(0.01, 0.05))
    assert rule_back(found, 0.05).kind == "give up"
