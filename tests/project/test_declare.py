"""What a user writes: names, refusals with what to do instead, digests that follow meaning and not spelling."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from outlast.errors import FeatureError, OutlastError, ProjectError
from outlast.project.declare import Features, Model, Source, latest, window

asked = Source("asked", "a.csv", key="id", time="at")
facts = Source("facts", "f.csv", key="id", time="at", lag="5m")
dated = Source("dated", "f.csv", key="id", time="at", lag="5m", event="happened")


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
    (lambda: window(facts, by="x", a=pl.len()), "aggregates no facts"),
    (lambda: window(facts, by="x", last=[], a=pl.len()), "or last=10 for so many facts"),
    (lambda: window(facts, by="x", last=0, a=pl.len()), "last=0) says how many"),
    (lambda: window(facts, by="x", last=[5, -1], a=pl.len()), "last=-1) says how many"),
    (lambda: window(facts, by="x", last=2.0, a=pl.len()), "last=2.0) says how many"),  # type: ignore[arg-type]
    (lambda: window(facts, by="x", last=True, a=pl.len()), "last=True) says how many"),
    (lambda: window(facts, by="x", last="10", a=pl.len()), "last='10') says how many"),  # type: ignore[arg-type]
    (lambda: window(facts, by="x", over="1d", last=pl.col("a").last()), "got an expression, and last="),  # type: ignore[arg-type]
    (lambda: window(facts, by="x", last=1, max_age=pl.max("a"), a=pl.len()), "got an expression, and max_age="),  # type: ignore[arg-type]
    (lambda: window(facts, by="x", over="1d", max_age="1d", a=pl.len()), "has no last=, whose facts it bounds"),
    (lambda: window(facts, by="x", last=1, max_age="0s", a=pl.len()), "max_age='0s') is empty"),
    (lambda: model(features=[window(facts, by="who", last=[3, 3], a=pl.len())]).name, "two columns named 'a_last3'"),
    (lambda: Source("s", "s.csv", event="happened"), "and not when it became known"),
    (lambda: latest(dated, "a", by="x"), "latest(dated) has no max_age=, and its facts are ordered by 'happened'"),
    (lambda: window(dated, by="x", over="1d", last=3, a=pl.len()), "window(dated, last=…) has no max_age="),
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


def test_a_digest_stays_what_it_was() -> None:
    """Fresh values and versions of sets are kept by it."""
    landings = Source("landings", "l.parquet", key="id", time="landed_at", lag="5m")
    delay = window(landings, by="tailnum", over=["6h", "1d"], delay=pl.col("arr_delay").mean())
    newest = latest(landings, "arr_delay", by="tailnum", max_age="3h")
    assert delay.digest == "922f501c2be771b077966b96a7e8c8539194705e2f3f7ff662214d4244bf1c9a"
    assert newest.digest == "9fe5ab0a109ae0dee26b91bc9c7e9047f824e8b18b20c1e0207506c3d2f26c94"


def test_so_many_facts_have_a_digest_and_names_of_their_own() -> None:
    def mean(**span: Any) -> Any:
        return window(facts, by="tail", delay=pl.col("late").mean(), **span)

    found = [mean(over="1d"), mean(last=5), mean(last=[5, 20]), mean(over="1d", last=5), mean(last=5, max_age="30d")]
    assert len({one.digest for one in found}) == len(found)
    assert found[3].names == ("delay_1d", "delay_last5")
    assert found[2].names == ("delay_last5", "delay_last20")
    assert mean(last=5).digest == mean(last=[5]).digest
    assert found[1].kind == "window"


def test_event_time_is_part_of_what_a_source_is() -> None:
    assert "event" not in facts.declared()
    assert dated.declared()["event"] == "happened"
    one = replace(dated, name="facts")
    by_known, by_event = (window(source, by="tail", over="1d", n=pl.len()) for source in (facts, one))
    assert by_known.digest != by_event.digest


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
