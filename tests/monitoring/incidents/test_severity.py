"""How bad a finding is by its word, its reach and its cost; and in which order findings open incidents."""

from dataclasses import replace

import pytest

from outlast.monitoring.harm import Harm
from outlast.monitoring.incidents.grouping import in_order
from outlast.monitoring.incidents.severity import level
from outlast.monitoring.judge import Finding

MISSING = Finding("data-quality", "tailnum", "page", "tailnum is missing", 14.0)


@pytest.mark.parametrize(
    ("reach", "harm", "severity"),
    [
        (0.45, None, "SEV2"),
        (0.02, None, "SEV3"),  # two rows of a hundred lose less than a twentieth of what all are worth
        (None, None, "SEV2"),
        (0.02, Harm(300.0, 250.0, 350.0, 1000.0), "SEV1"),  # what is known of the cost goes first
        (0.45, Harm(-50.0, -90.0, -10.0, 1000.0), "SEV3"),
    ],
)
def test_a_fault_of_few_rows_waits_for_its_cost(reach: float | None, harm: Harm | None, severity: str) -> None:
    assert level(replace(MISSING, reach=reach, harm=harm), tolerance=0.05) == severity


def test_a_fault_of_what_was_asked_comes_before_what_is_looked_up_by_it() -> None:
    after = Finding("data-quality", "plane_delay_6h", "page", "missing", 14.0, source="landings")
    drift = Finding("feature-drift", "age", "ticket", "moved", 14.0)
    assert in_order([drift, after, MISSING]) == [MISSING, after, drift]
