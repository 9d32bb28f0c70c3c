"""What is said of a simpler model: what it costs in money, in the metric where there is none, and why there is none."""

from typing import Any

import pytest

from outlast.cli import telling_rungs

AUC = {"roc_auc": {"value": 0.7, "low": 0.65, "high": 0.75}}
LOSS = {"value": 0.05, "low": 0.01, "high": 0.09}
MONEY = {"per_decision": 1.5, "low": 0.5, "high": 2.5, "per_1000": 1500.0, "currency": "EUR"}


def costs(value: dict[str, Any] | None, loss: dict[str, float] | None) -> dict[str, Any]:
    made = {"candidate": "house", "metrics": AUC, "costs": {"metric": "roc_auc", "value": value, "loss": loss}}
    return {"simpler": made}


@pytest.mark.parametrize(
    ("default", "worth", "told"), [("wait", 1.2, True), ("wait", 1.7, False), ("call", 1.2, False)]
)
def test_one_that_costs_more_than_the_version_is_worth_is_no_better_than_the_default(
    default: str, worth: float, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = {"value": {"payoff": {"call": {}, "wait": {}}}, "serving": {"defaults": {"decision": default}}}
    telling_rungs.simpler({**costs(MONEY, LOSS), "value": {"per_decision": worth}, "contract": contract})
    assert ("more than the version is worth against the default" in capsys.readouterr().out) is told


@pytest.mark.parametrize(
    ("summary", "says"),
    [
        ({}, ""),
        ({"simpler": {"says": "the full model looks nothing up"}}, "the full model looks nothing up"),
        (costs(MONEY, LOSS), "an answer by it costs 1.5 EUR (0.5 to 2.5), 1,500 per 1,000"),
        (costs(None, LOSS), "house, without lookups: roc_auc 0.7 (0.65 to 0.75); it loses 0.05 (0.01 to 0.09)"),
        (costs(None, None), "what it costs is not known on these rows"),
    ],
)
def test_what_is_said_of_it(summary: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    telling_rungs.simpler(summary)
    said = " ".join(capsys.readouterr().out.split())
    assert says in said
    assert bool(said) is bool(summary)
