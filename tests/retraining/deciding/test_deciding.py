"""What asks for a successor, and what stands in the way: one case for each."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from outlast.project.contract import RetrainingSection
from outlast.registry.versions import Version
from outlast.retraining.deciding.deciding import Asking, asking, obstacle, said_of
from outlast.retraining.deciding.facts import Facts, Shortfall, cutoff_of
from outlast.retraining.deciding.records import Decision, What
from outlast.retraining.deciding.troubles import Sort, Trouble

NOW = datetime(2024, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LIVE = Version("late", 1, "d" * 64, None, NOW - 40 * DAY, "ada", "binary", {}, {})
SHORT = Shortfall(promised=10.0, realised=8.0, low=7.0, high=9.0, rows=900, per_day=50.0)
FACTS = Facts(NOW, LIVE, NOW - 60 * DAY, 5000, SHORT, [], [], None)
ASK = Asking("schedule", "it is due")


def plan(**said: Any) -> RetrainingSection:
    return RetrainingSection(**{"policy": "automatic", **said})


def trouble(sort: Sort, *, page: bool = True) -> Trouble:
    return Trouble(sort, page, NOW - DAY, f"{sort} was found")


def step(what: What, days: float) -> Decision:
    return Decision(1, "late", NOW - days * DAY, what, None, None, "", {})


@pytest.mark.parametrize(
    ("facts", "said", "trigger"),
    [
        ({}, {}, None),
        ({}, {"schedule": "30d"}, "schedule"),
        ({"past": [step("started", 10)]}, {"schedule": "30d"}, None),
        ({"troubles": [trouble("harm")]}, {"triggers": ["harm"]}, "harm"),
        ({"troubles": [trouble("harm")]}, {"triggers": ["drift"]}, None),
        ({"troubles": [trouble("harm", page=False)]}, {"triggers": ["harm"]}, None),
        ({"troubles": [trouble("drift", page=False)]}, {"triggers": ["drift"]}, "drift"),
        ({"troubles": [trouble("drift")], "shortfall": None}, {"triggers": ["drift"]}, None),
        ({"troubles": [trouble("drift")], "shortfall": replace(SHORT, realised=11.0)}, {"triggers": ["drift"]}, None),
        ({"troubles": [trouble("drift")]}, {"triggers": ["drift"], "cost": 3000.1}, None),
        ({}, {"triggers": ["labels"]}, "labels"),
        ({"labels": 999}, {"triggers": ["labels"]}, None),
        ({}, {"triggers": ["age"], "age": "60d"}, "age"),
        ({}, {"triggers": ["age"]}, None),
        ({"troubles": [trouble("harm")]}, {"triggers": ["harm"], "schedule": "1d"}, "harm"),
    ],
)
def test_what_asks(facts: dict[str, Any], said: dict[str, Any], trigger: str | None) -> None:
    found = asking(replace(FACTS, **facts), plan(**said))
    assert (None if found is None else found.trigger) == trigger


@pytest.mark.parametrize(
    ("facts", "said", "reason", "says"),
    [
        ({}, {}, None, ""),
        ({}, {"policy": "never"}, "policy", "the policy is never"),
        ({}, {"policy": None}, "policy", "not said"),
        ({"beside": "late@3 stands beside as shadow"}, {}, "beside", "never two candidates"),
        ({"troubles": [trouble("data", page=False)]}, {}, "data", "would learn that: data was found"),
        ({"troubles": [trouble("drift")]}, {}, None, ""),
        ({"past": [step("started", 3)]}, {"cooldown": "7d"}, "cooldown", "not before 2024-06-05 00:00"),
        ({"past": [step("rolled back", 3)]}, {"cooldown": "7d"}, "cooldown", "the last step was at"),
        ({"past": [step("started", 8)]}, {"cooldown": "7d"}, None, ""),
        ({"past": [step("started", n) for n in (9, 19, 29)]}, {"budget": 3}, "budget", "3 runs within 30 days"),
        ({"past": [step("started", n) for n in (9, 19, 31)]}, {"budget": 3}, None, ""),
        ({"labels": 214}, {}, "labels", "only 214 of 1,000 new labels have matured since 2024-04-02"),
        ({}, {"cost": 2999.0}, None, ""),
        ({}, {"cost": 3000.0}, "gain", "win back 3000 in a month and costs 3000: decisions are worth 8 of the 10"),
        ({"shortfall": None}, {"cost": 1.0}, "gain", "too few outcomes are known"),
        ({"shortfall": None}, {}, None, ""),
    ],
)
def test_what_stands_in_the_way(facts: dict[str, Any], said: dict[str, Any], reason: str | None, says: str) -> None:
    found = obstacle(replace(FACTS, **facts), plan(**said), ASK)
    assert (None if found is None else found.reason) == reason
    assert found is None or says in found.sentence


def test_a_person_is_held_up_only_by_broken_data_and_another_candidate() -> None:
    asked = Asking("asked", "ana asked for it")
    poor = replace(FACTS, labels=0, shortfall=None, past=[step("started", 0.1)] * 9)
    section = plan(cooldown="7d", cost=5.0, budget=1)
    assert obstacle(poor, section, asked) is None
    for facts in (replace(poor, troubles=[trouble("data")]), replace(poor, beside="late@3 stands beside as ab 50%")):
        assert obstacle(facts, section, asked) is not None


@pytest.mark.parametrize(
    ("period", "cutoff"),
    [
        (
            {"cutoff": "2024-03-01T00:00:00+00:00", "until": "2024-02-28T00:00:00+00:00"},
            datetime(2024, 3, 1, tzinfo=UTC),
        ),
        ({"cutoff": None, "until": "2024-02-28T00:00:00+00:00"}, datetime(2024, 2, 28, tzinfo=UTC)),
        ({"cutoff": None, "until": None}, LIVE.created_at),
    ],
)
def test_what_a_version_has_learned_up_to(period: dict[str, Any], cutoff: datetime) -> None:
    assert cutoff_of(replace(LIVE, summary={"period": period})) == cutoff


def test_a_plan_in_a_few_words() -> None:
    assert said_of(plan(schedule="30d", triggers=["schedule", "harm"], cooldown="7d")) == (
        "policy automatic; every 30d, harm, at least 7d apart"
    )
    assert said_of(plan()) == "policy automatic; nothing asks"
