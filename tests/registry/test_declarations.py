"""Names that are taken: one meaning each in a workspace."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from outlast.errors import Conflict, NotFound
from outlast.project.declare import Source
from outlast.registry import audit
from outlast.registry.contracts import Change
from outlast.registry.declarations import declare, declared

WEATHER = Source("weather", "w.parquet", key=["origin", "at"], time="at", lag="20m").declared()
LATER = {**WEATHER, "lag": "1h"}


@pytest.fixture
def say(ledger, noon):
    def made(model: str, what: dict, kind: str = "source", name: str = "weather", **more) -> list[Change]:
        return declare(ledger, kind, name, model, what, by="ada", at=noon, **more)

    return made


def test_a_declaration_is_kept_and_audited(ledger, say) -> None:
    say("late", WEATHER)
    assert declared(ledger, "source", "weather") == WEATHER
    entry = audit.head(ledger)
    assert (entry.action, entry.object, entry.detail["model"]) == ("declare", "source weather", "late")


def test_the_same_again_by_any_model_changes_nothing(ledger, say) -> None:
    say("late", WEATHER)
    assert say("late", WEATHER) == say("cancelled", dict(reversed(WEATHER.items()))) == []
    assert len(audit.entries(ledger)) == 1


def test_another_model_may_not_mean_something_else_by_it(ledger, say) -> None:
    say("late", WEATHER)
    sentence = "Source 'weather' of model 'cancelled' differs from the one of model 'late': lag is '1h' here and '20m'"
    with pytest.raises(Conflict, match=sentence) as caught:
        say("cancelled", LATER)
    assert caught.value.details == {"key": "lag", "models": ["late", "cancelled"]}
    assert declared(ledger, "source", "weather") == WEATHER
    assert len(audit.entries(ledger)) == 1


def test_the_model_that_claimed_it_may_change_it(ledger, say) -> None:
    say("late", WEATHER)
    assert say("late", LATER) == [Change("lag", "20m", "1h")]
    assert declared(ledger, "source", "weather")["lag"] == "1h"
    assert audit.head(ledger).detail["changes"] == [{"key": "lag", "before": "20m", "after": "1h"}]
    with pytest.raises(Conflict):
        say("cancelled", WEATHER)


def test_kinds_do_not_clash(ledger, say) -> None:
    say("late", WEATHER)
    say("cancelled", {"digest": "d" * 64}, kind="set")
    assert declared(ledger, "set", "weather") == {"digest": "d" * 64}


def test_a_model_in_two_folders_is_a_conflict_and_a_renamed_folder_is_not(ledger, say) -> None:
    folder = {"kind": "model", "name": "late"}
    say("late", {"folder": "a"}, **folder)
    with pytest.raises(Conflict, match="two folders of this workspace, 'a' and 'b': give one"):
        say("late", {"folder": "b"}, folders=["a", "b"], **folder)
    assert say("late", {"folder": "b"}, folders=["b"], **folder) == [Change("folder", "a", "b")]
    assert declared(ledger, "model", "late") == {"folder": "b"}


def test_of_models_that_claim_a_name_at_once_one_wins(ledger, say) -> None:
    def claim(n: int) -> bool:
        try:
            return bool(say(f"model-{n}", {**WEATHER, "lag": f"{n}m"}))
        except Conflict:
            return False

    with ThreadPoolExecutor(6) as pool:
        won = [n for n, ok in enumerate(pool.map(claim, range(6))) if ok]
    assert len(won) == 1
    assert declared(ledger, "source", "weather")["lag"] == f"{won[0]}m"
    assert audit.verify(ledger) is None


def test_a_name_that_is_not_taken_says_which_are(ledger, say) -> None:
    say("late", WEATHER)
    with pytest.raises(
        NotFound, match="No source named 'wether' is declared in this workspace: did you mean 'weather'"
    ):
        declared(ledger, "source", "wether")
