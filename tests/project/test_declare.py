"""What a user writes: names, refusals with what to do instead, digests that follow meaning and not spelling."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from outlast.errors import FeatureError, OutlastError, ProjectError
from outlast.project.declare import Features, Model, Source, latest, window

asked = Source("asked", "a.csv", key="id", time="at")
facts = Source("facts", "f.csv", key="id", time="at", lag="5m")


def fit(x: Any, y: Any) -> Any:
    return x, y


def model(**parts: Any) -> Model:
    return Model("m", **{"asks": asked["who", "what"], "label": facts["late"] == True, "fit": fit, **parts})  # noqa: E712


FAULTS: list[tuple[Callable[[], Any], str]] = [
    (lambda: latest(Source("s", "s.csv", key="id"), "a", by="x"), "cannot know what was known when"),
    (lambda: latest(facts, by="x"), "names no column"),
    (lambda: latest(facts, "a", by=[]), "needs by="),
    (lambda: window(facts, by="x", over="1d"), "aggregates nothing"),
    (lambda: window(facts, by="x", over="1d", a=3), "got a int"),  # type: ignore[arg-type]
    (lambda: window(facts, by="x", over="0s", a=pl.len()), "is empty"),
    (lambda: window(facts, by="x", over="1 fortnight", a=pl.len()), "not a length of time"),
    (lambda: asked["who", "what"] > 3, "cannot be compared at once"),
    (lambda: model(label=facts["late", "id"]), "2 columns as its label"),
    (lambda: model(fit=None), "no way to fit"),
    (lambda: model(features=[latest(facts, "a", by="whoo")]).name, "did you mean 'who'"),
    (lambda: model(features=[latest(facts, "who", by="who")]).name, "two columns named 'who'"),
    (lambda: model(features=["calendar"]).parts, "A feature is a str"),
    (lambda: Features("a", [], examples={"facts": {}}), "give a list, such as"),  # type: ignore[arg-type]
    (lambda: Source("flights", 3), "has a int as its location"),  # type: ignore[arg-type]
    (lambda: Source("späte flüge", "x.csv"), "cannot be a name"),
]


@pytest.mark.parametrize(("declare", "says"), FAULTS, ids=[says for _, says in FAULTS])
def test_what_cannot_work_is_refused_when_it_is_written(declare: Callable[[], Any], says: str) -> None:
    with pytest.raises(OutlastError) as caught:
        declare()
    assert isinstance(caught.value, FeatureError | ProjectError | ValueError)
    assert says in str(caught.value)


def test_a_digest_follows_what_is_computed_and_not_how_the_asks_are_called() -> None:
    one = window(facts, by="tail", over=["6h", "1d"], delay=pl.col("late").mean())
    same = window(facts, by={"aircraft": "tail"}, over=["360m", "24h"], delay=pl.mean("late"))
    other = window(facts, by="tail", over=["6h", "1d"], delay=pl.col("late").sum())
    assert one.digest == same.digest
    assert one.digest != other.digest
    assert Features("a", [one]).digest == Features("b", [same], owner="x").digest


def test_shared_sets_are_opened_up_in_order() -> None:
    history = Features("history", [window(facts, by="who", over="1d", n=pl.len())])
    found = model(features=[history, latest(facts, last="late", by="who"), fit])
    assert [lookup.names for lookup in found.lookups] == [("n_1d",), ("last",)]
    assert found.functions == (fit,)
    assert found.sets == (history,)
    assert [source.name for source in found.sources] == ["asked", "facts"]


def test_sets_inside_a_set_are_sets_of_their_own_and_listed_once() -> None:
    inner = Features("inner", [window(facts, by="who", over="1d", n=pl.len())])
    outer = Features("outer", [inner, latest(facts, last="late", by="who"), fit])
    assert [one.name for one in model(features=[outer]).sets] == ["outer", "inner"]
    assert [lookup.names for lookup in outer.lookups] == [("n_1d",), ("last",)]
    assert outer.functions == (fit,)


def test_examples_and_words_about_a_set_are_not_what_it_computes() -> None:
    count = window(facts, by="who", over="1d", n=pl.len())
    example = {"facts": {}, "asks": {"who": "a"}, "at": "2024-01-01", "gives": {"n_1d": 0}}
    assert Features("a", [count], examples=[example], meaning="m").digest == Features("a", [count]).digest
