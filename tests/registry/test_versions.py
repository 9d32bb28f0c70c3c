"""Versions: numbers from the ledger, and references to them."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from outlast.errors import NotFound
from outlast.registry import audit
from outlast.registry.rollout import transition
from outlast.registry.versions import find, models, versions
from outlast.types import ModelRef, digest_of


def named(ledger, text: str) -> int:
    return find(ledger, ModelRef.parse(text)).number


def test_numbers_count_up_per_model(ledger, train) -> None:
    assert [train("a").number, train("b").number, train("a").number] == [1, 1, 2]
    assert models(ledger) == ["a", "b"]
    assert [str(version) for version in versions(ledger, "a")] == ["a@1", "a@2"]


def test_a_version_comes_back_as_it_was_registered(ledger, train, noon) -> None:
    made = train(code_digest=None, by="ada", at=noon)
    assert find(ledger, ModelRef("late")) == made
    assert made.created_at == noon
    assert (made.created_by, made.task, made.code_digest) == ("ada", "binary", None)
    assert made.summary["metrics"]["roc_auc"]["value"] == 0.7


def test_figures_that_json_cannot_hold_become_empty(train) -> None:
    assert train(summary={"a": math.nan, "b": math.inf}).summary == {"a": None, "b": None}


def test_the_same_bundle_keeps_its_number_and_leaves_one_entry(ledger, train) -> None:
    first = train(digest=digest_of("bundle"))
    assert train(digest=digest_of("bundle"), by="bob") == first
    assert [entry.action for entry in audit.entries(ledger)] == ["register"]


def test_the_same_bundle_under_two_names_is_two_versions(train) -> None:
    assert train("a", digest=digest_of("x")).digest == train("b", digest=digest_of("x")).digest


def test_registrations_at_once_get_a_number_each(ledger, train) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: train(digest=digest_of(n)), range(24)))
    assert sorted(version.number for version in made) == list(range(1, 25))
    assert audit.verify(ledger) is None


def test_the_same_bundle_registered_at_once_is_one_version(ledger, train) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: train(digest=digest_of("same")), range(16)))
    assert {version.number for version in made} == {1}
    assert len(versions(ledger, "late")) == 1


def test_without_a_version_the_latest_is_meant_until_one_is_live(ledger, train, judge, noon) -> None:
    train(), train(), train()
    assert named(ledger, "late") == 3
    transition(ledger, "late", action="promote", to=2, verdict=judge(2), by="ada", at=noon)
    assert [named(ledger, text) for text in ("late", "late@live", "late@latest", "late@1")] == [2, 2, 3, 1]
    transition(ledger, "late", action="promote", to=3, verdict=judge(3), by="ada", at=noon)
    assert named(ledger, "late@previous") == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("late@7", r"Model 'late' has no version 7\. Versions: 1-3\. List them with: outlast versions late"),
        ("late@live", "Model 'late' has no live version: promote one"),
        ("late@previous", "Model 'late' has no previous version: nothing was replaced"),
        ("lat", "no model 'lat' in the ledger: did you mean 'late'"),
        ("zebra@2", "no model 'zebra' in the ledger: known: late"),
    ],
)
def test_a_reference_to_nothing_says_what_there_is(ledger, train, text: str, sentence: str) -> None:
    train(), train(), train()
    with pytest.raises(NotFound, match=sentence):
        named(ledger, text)


def test_an_empty_ledger_says_so(ledger) -> None:
    with pytest.raises(NotFound, match="no model 'late' in the ledger: there are none yet"):
        named(ledger, "late")
    assert versions(ledger, "late") == []
    assert models(ledger) == []


@pytest.mark.parametrize("name", ["O'Brien", "a\x00b", "b\udcff"])
def test_any_name_of_a_person_can_be_kept(ledger, train, name: str) -> None:
    train(by=name)
    assert audit.verify(ledger) is None
