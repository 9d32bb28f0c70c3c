"""What open incidents mean to the loop."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from outlast.monitoring.incidents.incident import Found, Incident
from outlast.retraining.deciding.troubles import _of

NOW = datetime(2024, 6, 1, tzinfo=UTC)
OPEN = Incident(
    "i1", "late", 1, "performance", "SEV2", "open", None, None, "it loses", NOW, NOW, NOW, NOW, NOW, None, NOW, ()
)


def found(*kinds: str) -> tuple[Found, ...]:
    return tuple(Found(kind, None, "page", kind, NOW, NOW) for kind in kinds)


@pytest.mark.parametrize(
    ("cause", "severity", "kinds", "sorts"),
    [
        ("performance", "SEV2", ["loss"], ["harm"]),
        ("performance", "SEV3", ["feature-drift"], ["drift"]),
        ("performance", "SEV2", ["feature-drift", "value"], ["harm"]),
        ("source weather", "SEV2", ["data-quality", "loss"], ["data", "harm"]),
        ("source weather", "SEV3", ["feed-late"], []),
        ("source weather", "SEV3", ["feed-stale"], ["data"]),
        ("column tailnum", "SEV3", ["data-quality"], []),
        ("column tailnum", "SEV1", ["empty-column"], ["data"]),
        ("scoring", "SEV2", ["scoring late"], []),
    ],
)
def test_what_an_incident_means(cause: str, severity: str, kinds: list[str], sorts: list[str]) -> None:
    incident = replace(OPEN, cause=cause, severity=severity, found=found(*kinds))  # type: ignore[arg-type]
    assert [(one.sort, one.page) for one in _of(incident)] == [(sort, severity != "SEV3") for sort in sorts]


@pytest.mark.parametrize(
    ("severity", "proposed", "broken"),
    [
        ("SEV2", None, True),
        ("SEV2", "label", True),
        ("SEV2", "retrain", False),
        ("SEV2", "ignore", False),
        ("SEV3", None, False),
        ("SEV3", "fix feed", True),
    ],
)
def test_odd_data_are_broken_where_the_account_says_so(severity: str, proposed: str | None, broken: bool) -> None:
    """A summer that costs money is what a successor is to learn, a feed that cannot be meant is not."""
    odd = replace(OPEN, cause="source weather", severity=severity, proposed=proposed, found=found("data-quality"))  # type: ignore[arg-type]
    assert any(one.sort == "data" for one in _of(odd)) is broken


def test_what_moves_nothing_that_counts_asks_for_nothing() -> None:
    assert list(_of(replace(OPEN, severity="SEV3", found=found("feature-drift"), benign=True))) == []
