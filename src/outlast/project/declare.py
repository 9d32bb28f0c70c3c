"""The classes a user writes with: Source, Features, Model, latest, window.

They are values: frozen, without behaviour beyond saying what they are. What is computed from them is in `features`.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from outlast.errors import FeatureError, ProjectError, nearest
from outlast.types import digest_of, duration

Location = str | Path | Callable[[], Any]
Function = Callable[..., Any]


@dataclass(frozen=True)
class Source:
    """A named stream of facts: where it is by default, what names one fact, and when a fact became known.

    `location` is a path or URL (Parquet, CSV, Delta), a function returning a frame, or a database address with `query`.
    A fact counts for a decision at *t* only if its `time` plus `lag` lies strictly before *t*. With `event`, a second
    moment says when it happened: that orders facts and puts them into windows, and lies strictly before *t* as well.

    >>> Source("weather", "data/weather.parquet", key=["origin", "observed_at"], time="observed_at", lag="20m").keys
    ('origin', 'observed_at')
    """

    name: str
    location: Location
    key: str | Sequence[str] | None = None
    time: str | None = None
    lag: str = "0s"
    query: str | None = None
    event: str | None = None

    def __post_init__(self) -> None:
        require_name("Source", self.name)
        duration(self.lag)
        if self.event is not None and self.time is None:
            raise ProjectError(
                f"Source '{self.name}' says when a fact happened, event='{self.event}', and not when it became known: "
                "give time='the column with the moment it arrived' too"
            )
        if not isinstance(self.location, str | Path) and not callable(self.location):
            raise ProjectError(
                f"Source '{self.name}' has a {type(self.location).__name__} as its location: "
                "give a path, an address or a function that returns a frame"
            )

    @property
    def keys(self) -> tuple[str, ...]:
        return _names(self.key)

    @cached_property
    def delay(self) -> timedelta:
        return duration(self.lag)

    def __getitem__(self, what: "str | pl.Expr | tuple[str, ...]") -> "Columns":
        if isinstance(what, pl.Expr):
            return Columns(self, tuple(dict.fromkeys(what.meta.root_names())), what)
        names = _names(what)
        return Columns(self, names, pl.col(names[0]) if len(names) == 1 else None)

    def declared(self) -> dict[str, Any]:
        """What makes this source the same source in another project of the workspace."""
        what = {"name": self.name, "key": list(self.keys), "time": self.time, "lag": self.lag}
        return what if self.event is None else {**what, "event": self.event}


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of a source: the asks of a model, or, compared with something, its label.

    >>> (Source("landings", "x.csv", key="id")["arr_delay"] > 30).names
    ('arr_delay',)
    """

    source: Source
    names: tuple[str, ...]
    expr: pl.Expr | None = None

    def _with(self, operation: Callable[[pl.Expr], pl.Expr]) -> "Columns":
        if self.expr is None:
            raise ProjectError(
                f"{len(self.names)} columns of source '{self.source.name}' cannot be compared at once: "
                f"name one, such as {self.source.name}['{self.names[0]}'] > 30"
            )
        return Columns(self.source, self.names, operation(self.expr))

    def __gt__(self, other: Any) -> "Columns":
        return self._with(lambda e: e > other)

    def __ge__(self, other: Any) -> "Columns":
        return self._with(lambda e: e >= other)

    def __lt__(self, other: Any) -> "Columns":
        return self._with(lambda e: e < other)

    def __le__(self, other: Any) -> "Columns":
        return self._with(lambda e: e <= other)

    def __eq__(self, other: Any) -> "Columns":  # type: ignore[override]
        return self._with(lambda e: e == other)

    def __ne__(self, other: Any) -> "Columns":  # type: ignore[override]
        return self._with(lambda e: e != other)

    __hash__ = None  # type: ignore[assignment]

    def is_in(self, values: Sequence[Any]) -> "Columns":
        """True where the column is one of the values."""
        return self._with(lambda e: e.is_in(list(values)))


@dataclass(frozen=True, eq=False)
class Lookup:
    """What `latest` and `window` return: a question about an entity's facts, asked as of the decision."""

    source: Source
    by: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, pl.Expr], ...]
    widths: tuple[str, ...] = ()
    max_age: str | None = None
    lasts: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        return "window" if self.widths or self.lasts else "latest"

    @property
    def spans(self) -> tuple[str, ...]:
        """What the names of a window's columns end with: its widths, then how many of the newest facts it takes."""
        return (*self.widths, *(f"last{count}" for count in self.lasts))

    @property
    def entity(self) -> tuple[str, ...]:
        """The columns of the questions that name the entity."""
        return tuple(asked for asked, _ in self.by)

    @property
    def fact_entity(self) -> tuple[str, ...]:
        """The columns of the facts that name the entity."""
        return tuple(fact for _, fact in self.by)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns this lookup adds, in order."""
        if self.kind == "latest":
            return tuple(name for name, _ in self.outputs)
        return tuple(f"{name}_{span}" for name, _ in self.outputs for span in self.spans)

    @cached_property
    def digest(self) -> str:
        """What this lookup computes, whatever the project calls the entity's columns."""
        what = {
            "source": self.source.declared(),
            "by": list(self.fact_entity),
            "outputs": [[name, spelling(expr)] for name, expr in self.outputs],
            "over": [str(duration(width)) for width in self.widths],
            "max_age": None if self.max_age is None else str(duration(self.max_age)),
        }
        return digest_of({**what, "last": list(self.lasts)} if self.lasts else what)


def latest(
    source: Source,
    *columns: str,
    by: str | Sequence[str] | Mapping[str, str],
    max_age: str | None = None,
    **named: str,
) -> Lookup:
    """The newest fact of an entity known before the decision; keywords give columns another name.

    Of a source with event time, the one that happened last; it needs `max_age`.

    >>> weather = Source("weather", "w.parquet", key=["airport", "at"], time="at")
    >>> latest(weather, "visib", wind_at_goal="wind_speed", by={"dest": "airport"}, max_age="3h").names
    ('visib', 'wind_at_goal')
    """
    outputs = tuple((name, pl.col(column)) for name, column in {**{c: c for c in columns}, **named}.items())
    if not outputs:
        raise FeatureError(f"latest({source.name}) names no column: write latest({source.name}, 'column', by='entity')")
    if max_age is not None:
        duration(max_age)
    _dated(source, "latest", max_age)
    return Lookup(_timed(source, "latest"), _by(by), outputs, max_age=max_age)


def window(
    source: Source,
    *,
    by: str | Sequence[str] | Mapping[str, str],
    over: str | Sequence[str] = (),
    last: int | Sequence[int] = (),
    max_age: str | None = None,
    **aggregations: pl.Expr,
) -> Lookup:
    """Aggregations of an entity's facts known before the decision, one column per name and width or number of facts.

    `over` takes the facts known in the time before the decision, `last` so many of the newest ones: a column of the
    last 10 is named `…_last10`. A fact takes its place among them whether its value is null or not; facts that were
    replaced or withdrawn take none, and with `max_age` neither do those that were known longer ago. Of a source with
    event time, when a fact happened decides about both, and `last` needs `max_age`.

    >>> landings = Source("landings", "l.parquet", key="id", time="landed_at")
    >>> window(landings, by="tailnum", over=["6h", "1d"], delay=pl.col("arr_delay").mean()).names
    ('delay_6h', 'delay_1d')
    >>> window(landings, by="tailnum", over="1d", last=10, max_age="30d", delay=pl.col("arr_delay").mean()).names
    ('delay_1d', 'delay_last10')
    """
    widths = (over,) if isinstance(over, str) else tuple(over)
    lasts = tuple(last) if isinstance(last, Sequence) and not isinstance(last, str) else (last,)
    for count in lasts:
        _countable(source, count)
    _bounded(source, lasts, max_age)
    _dated(source, "window", max_age if lasts else "over")
    if not aggregations or not (widths or lasts):
        raise FeatureError(
            f"window({source.name}) aggregates {'no facts' if aggregations else 'nothing'}: write "
            f"window({source.name}, by='entity', over='1d', name=pl.col('column').mean()), or last=10 for so many facts"
        )
    for name, expr in aggregations.items():
        if not isinstance(expr, pl.Expr):
            raise FeatureError(
                f"window({source.name}, {name}=…) got a {type(expr).__name__}: "
                f"give a Polars aggregation such as pl.col('column').mean()"
            )
    for width in widths:
        if not duration(width):
            raise FeatureError(f"window({source.name}, over='{width}') is empty: give a width such as 6h")
    return Lookup(
        _timed(source, "window"), _by(by), tuple(aggregations.items()), widths=widths, max_age=max_age, lasts=lasts
    )


@dataclass(frozen=True, eq=False)
class Features:
    """A named set of lookups and functions that models share, with an owner and a meaning.

    `examples` are its tests, which `outlast features test` runs: facts by source, what is asked, at which moment, and
    the values that this gives.
    """

    name: str
    parts: Sequence["Lookup | Features | Function"]
    owner: str | None = None
    meaning: str | None = None
    examples: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        require_name("Features", self.name)
        object.__setattr__(self, "parts", tuple(self.parts))
        if isinstance(self.examples, Mapping | str) or not isinstance(self.examples, Sequence):
            raise FeatureError(
                f"Features('{self.name}') has a {type(self.examples).__name__} as its examples: give a list, such as "
                'examples=[dict(facts={…}, asks={…}, at="2013-07-01T12:00:00Z", gives={…})]'
            )
        object.__setattr__(self, "examples", tuple(self.examples))

    @property
    def digest(self) -> str:
        """The version of this set: what it computes, not how it is written or tested."""
        return digest_of([digest_of_part(part) for part in self.parts])

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        """Its lookups in order, also those of sets inside it."""
        return tuple(part for part in _flat(self.parts) if isinstance(part, Lookup))

    @property
    def functions(self) -> tuple[Function, ...]:
        """Its functions in order, also those of sets inside it."""
        return tuple(part for part in _flat(self.parts) if not isinstance(part, Lookup))

    @property
    def sets(self) -> tuple["Features", ...]:
        """The sets inside it, and those inside them."""
        return tuple(_sets(self.parts))


Part = Lookup | Features | Function


@dataclass(frozen=True, eq=False)
class Model:
    """A model in full: what a caller sends, the features, the truth, and how to fit."""

    name: str
    asks: Columns
    features: Sequence[Part] = ()
    label: Columns = field(kw_only=True)
    fit: Function = field(kw_only=True)

    def __post_init__(self) -> None:
        require_name("Model", self.name)
        object.__setattr__(self, "features", tuple(self.features))
        if not callable(self.fit):
            raise ProjectError(f"Model '{self.name}' has no way to fit: give fit=a function of (x, y, seed)")
        if self.label.expr is None:
            raise ProjectError(
                f"Model '{self.name}' has {len(self.label.names)} columns as its label: "
                "give one, such as label=landings['arr_delay'] > 30"
            )
        _no_name_twice(self)

    @property
    def question(self) -> Source:
        """The source of the questions."""
        return self.asks.source

    @cached_property
    def parts(self) -> tuple["Lookup | Function", ...]:
        """Lookups and functions in order, shared sets opened up."""
        return tuple(_flat(self.features))

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        return tuple(part for part in self.parts if isinstance(part, Lookup))

    @property
    def functions(self) -> tuple[Function, ...]:
        return tuple(part for part in self.parts if not isinstance(part, Lookup))

    @property
    def sets(self) -> tuple[Features, ...]:
        """Every set the model reads, also those inside another, each once."""
        return tuple({(one.name, one.digest): one for one in _sets(self.features)}.values())

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source the model reads, questions first, each once."""
        found = {s.name: s for s in (self.question, self.label.source, *(lookup.source for lookup in self.lookups))}
        return tuple(found.values())


def spelling(expr: pl.Expr) -> str:
    """The canonical spelling of an expression.

    >>> spelling(pl.col("a").mean()) == spelling(pl.mean("a"))
    True
    """
    return str(expr.meta.serialize(format="json"))


def _flat(parts: Sequence[Part]) -> "list[Lookup | Function]":
    found: list[Lookup | Function] = []
    for part in parts:
        if isinstance(part, Features):
            found.extend(_flat(part.parts))
        elif callable(part) or isinstance(part, Lookup):
            found.append(part)
        else:
            raise FeatureError(
                f"A feature is a {type(part).__name__}: expected latest(…), window(…), Features(…) or a function"
            )
    return found


def _sets(parts: Sequence[Part]) -> "list[Features]":
    found: list[Features] = []
    for part in parts:
        if isinstance(part, Features):
            found += [part, *_sets(part.parts)]
    return found


def digest_of_part(part: Part) -> str:
    """What one of a model's features computes, not how it is written."""
    if isinstance(part, Lookup | Features):
        return part.digest
    code = part.__code__
    constants = [repr(c) for c in code.co_consts if not inspect.iscode(c)]
    return digest_of([part.__name__, code.co_code.hex(), constants, list(code.co_names)])


def _names(what: str | Sequence[str] | None) -> tuple[str, ...]:
    if what is None:
        return ()
    return (what,) if isinstance(what, str) else tuple(what)


def _by(by: str | Sequence[str] | Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    pairs = tuple(by.items()) if isinstance(by, Mapping) else tuple((name, name) for name in _names(by))
    if not pairs:
        raise FeatureError("A lookup needs by=: the column that names the entity, such as by='tailnum'")
    return pairs


def _timed(source: Source, what: str) -> Source:
    if source.time is None:
        raise FeatureError(
            f"{what}({source.name}) cannot know what was known when: "
            f"give Source('{source.name}', …, time='the column with the moment a fact became known')"
        )
    return source


def _dated(source: Source, what: str, max_age: str | None) -> None:
    if source.event is not None and max_age is None:
        last = ", last=…" if what == "window" else ""
        raise FeatureError(
            f"{what}({source.name}{last}) has no max_age=, and its facts are ordered by '{source.event}', when they "
            "happened: the one that happened last may have become known any time ago, so give a bound such as "
            "max_age='30d'"
        )


def _countable(source: Source, count: Any) -> None:
    if isinstance(count, pl.Expr):
        raise FeatureError(
            f"window({source.name}, last=…) got an expression, and last= says how many of the newest facts count: "
            "name the column otherwise, such as newest=…"
        )
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise FeatureError(
            f"window({source.name}, last={count!r}) says how many of the newest facts count: "
            "expected a whole number from 1 on, such as 10"
        )


def _bounded(source: Source, lasts: Sequence[int], max_age: Any) -> None:
    """Refuse an age that bounds nothing."""
    if max_age is None:
        return
    if isinstance(max_age, pl.Expr):
        raise FeatureError(
            f"window({source.name}, max_age=…) got an expression, and max_age= says how old the facts of last= may be: "
            "name the column otherwise, such as highest_age=…"
        )
    if not lasts:
        raise FeatureError(
            f"window({source.name}, max_age={max_age!r}) has no last=, whose facts it bounds in time: "
            "give last=10 or so, or leave max_age out: over= is a bound of its own"
        )
    if not duration(max_age):
        raise FeatureError(f"window({source.name}, max_age='{max_age}') is empty: give an age such as 30d")


def require_name(kind: str, name: str) -> None:
    """ProjectError for a name that cannot stand in addresses and tables."""
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if not plain.isascii() or not plain.isalnum() or not name[0].isalnum():
        raise ProjectError(
            f"{kind} '{name}' cannot be a name in addresses and tables: "
            "use letters, digits, dots, dashes and underscores"
        )


def _no_name_twice(model: Model) -> None:
    seen = set(model.asks.names)
    for lookup in model.lookups:
        missing = [name for name in lookup.entity if name not in seen]
        if missing:
            raise FeatureError(
                f"Model '{model.name}' looks up '{lookup.source.name}' by '{missing[0]}', which is not among its asks: "
                f"{nearest(missing[0], seen)}"
            )
        for name in lookup.names:
            if name in seen:
                raise FeatureError(
                    f"Model '{model.name}' has two columns named '{name}': name one of them otherwise, "
                    f"such as {lookup.kind}({lookup.source.name}, …, other_name=…)"
                )
            seen.add(name)
