"""The live parts of contracts: applied, audited, and in force for every version."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from outlast.errors import StorageError
from outlast.project.contract import parse_contract
from outlast.registry import audit
from outlast.registry.contracts import Change, apply, effective, waiting
from outlast.registry.versions import models
from outlast.storage.ledger import schema

TRAINED = parse_contract("""
    [model]
    problem = "Which flights land late?"
    owner = "ada@example.com"
    task = "binary"
    [value]
    payoff = { act = { yes = 120, no = -25 } }
    [gate]
    floors = { roc_auc = 0.7 }
    [monitoring]
    cadence = "1h"
    [retraining]
    policy = "approval"
    """)
CHANGED = parse_contract("""
    [model]
    problem = "Which flights land very late?"
    owner = "bob@example.com"
    task = "binary"
    [value]
    payoff = { act = { yes = 200, no = -25 } }
    [gate]
    floors = { roc_auc = 0.75, log_loss = 0.5 }
    [monitoring]
    cadence = "2h"
    routes = ["log", "https://hooks.example.com/x"]
    """)
LIVE_CHANGES = [
    Change("gate.floors.log_loss", None, 0.5),
    Change("gate.floors.roc_auc", 0.7, 0.75),
    Change("model.owner", "ada@example.com", "bob@example.com"),
    Change("monitoring.cadence", "1h", "2h"),
    Change("monitoring.routes", ["log"], ["log", "https://hooks.example.com/x"]),
    Change("retraining.policy", "approval", None),
]


@pytest.fixture
def trained(train):
    return train(summary={"contract": TRAINED.model_dump(mode="json")})


def test_until_something_is_applied_a_version_keeps_its_own(ledger, trained) -> None:
    assert effective(ledger, "late", TRAINED) == TRAINED
    assert effective(ledger, "other", TRAINED) == TRAINED


def test_applying_changes_the_live_parts_only(ledger, trained, noon) -> None:
    assert apply(ledger, "late", CHANGED, by="bob", at=noon) == LIVE_CHANGES
    now = effective(ledger, "late", TRAINED)
    assert now.live() == CHANGED.live()
    assert now.frozen() == TRAINED.frozen()
    assert now.value.payoff == {"act": {"yes": 120, "no": -25}}


def test_what_a_training_must_bring_is_named(trained) -> None:
    assert waiting(TRAINED, CHANGED) == [
        Change("model.problem", "Which flights land late?", "Which flights land very late?"),
        Change("value.payoff.act.yes", 120, 200),
    ]


def test_an_application_is_audited_with_before_and_after(ledger, trained, noon) -> None:
    apply(ledger, "late", CHANGED, by="bob", at=noon)
    entry = audit.head(ledger)
    assert (entry.actor, entry.action, entry.object) == ("bob", "apply", "late")
    assert {"key": "monitoring.cadence", "before": "1h", "after": "2h"} in entry.detail["changes"]
    assert audit.verify(ledger) is None


def test_applying_again_changes_nothing_and_leaves_no_entry(ledger, trained, noon) -> None:
    apply(ledger, "late", CHANGED, by="bob", at=noon)
    trail = audit.entries(ledger)
    assert apply(ledger, "late", CHANGED, by="ada", at=noon) == []
    assert audit.entries(ledger) == trail


def test_going_back_undoes_every_change(ledger, trained, noon) -> None:
    apply(ledger, "late", CHANGED, by="bob", at=noon)
    back = apply(ledger, "late", TRAINED, by="bob", at=noon)
    assert back == [Change(change.key, change.after, change.before) for change in LIVE_CHANGES]
    assert effective(ledger, "late", TRAINED) == TRAINED


def test_a_contract_can_be_applied_before_the_first_training(ledger, noon) -> None:
    assert Change("model.owner", None, "ada@example.com") in apply(ledger, "new", TRAINED, by="ada", at=noon)
    assert models(ledger) == ["new"]


def test_of_people_who_apply_at_once_each_sees_what_they_changed(ledger, trained, noon) -> None:
    contracts = [parse_contract(f'[monitoring]\ncadence = "{n}h"') for n in range(2, 12)]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda one: apply(ledger, "late", one, by="bob", at=noon), contracts))
    trail = [entry.detail for entry in audit.entries(ledger) if entry.action == "apply"]
    assert [one["before"] for one in trail] == [None, *[one["after"] for one in trail[:-1]]]
    assert audit.verify(ledger) is None


def test_live_parts_of_a_later_release_are_refused_with_a_sentence(ledger, trained) -> None:
    live = {"monitoring": {"cadence": "1h", "telepathy": True}}
    with ledger.write() as connection:
        connection.execute(sa.update(schema.models).values(live_contract=live))
    with pytest.raises(StorageError, match=r"live contract of model 'late' .* upgrade Outlast"):
        effective(ledger, "late", TRAINED)
