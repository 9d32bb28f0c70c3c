"""One example of a set, read and checked: facts by source, what is asked, at which moment, and what that gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from outlast.bundle.ingest import MARK
from outlast.bundle.requests import MISSING, as_moment
from outlast.data.schema import Schema
from outlast.errors import FeatureError, nearest
from outlast.project.declare import Features, Source

Values = dict[str, Any]
_KEYS = ("facts", "asks", "at", "gives")


@dataclass(frozen=True)
class Example:
    """An example as plain values, as JSON would carry them."""

    number: int
    facts: dict[str, list[Values]]
    asks: Values
    at: datetime
    gives: Values


def read_example(shared: Features, number: int) -> Example:
    """The example with this number, from 1 on; FeatureError says what is not as expected."""
    given, name = shared.examples[number - 1], f"Example {number} of set '{shared.name}'"
    if not isinstance(given, Mapping):
        raise FeatureError(
            f"{name} is a {type(given).__name__}: expected dict(facts={{…}}, asks={{…}}, at=…, gives={{…}})"
        )
    for key in given:
        if key not in _KEYS:
            raise FeatureError(f"{name} has a part '{key}': {nearest(str(key), _KEYS)}")
    gives = _values(name, "gives", given.get("gives"), "the columns and their values")
    if not gives:
        raise FeatureError(
            f"{name} gives nothing, so it shows nothing: name a column and its value, such as {_sample(shared)}"
        )
    asks = _values(name, "asks", given.get("asks", {}), "what is asked")
    for lookup in shared.lookups:
        for ask in lookup.entity:
            if ask not in asks:
                raise FeatureError(
                    f"{name} asks no '{ask}', which names the entity of {lookup.kind}({lookup.source.name}): "
                    f"{_hint(ask, asks)}"
                )
    return Example(number, _facts(shared, name, given.get("facts", {})), asks, _moment(name, given), gives)


def require_columns(example: Example, shared: Features, sources: Mapping[str, tuple[Source, Schema]]) -> None:
    """Refuse a fact with a column that its source does not have."""
    for source, rows in example.facts.items():
        known = sources[source][1].names
        for place, row in enumerate(rows):
            for column in row:
                if column not in known and column != MARK:
                    raise FeatureError(
                        f"Example {example.number} of set '{shared.name}', fact {place} of '{source}' has a column "
                        f"'{column}', which the source has not: {nearest(column, known)}"
                    )


def _facts(shared: Features, name: str, given: Any) -> dict[str, list[Values]]:
    known = dict.fromkeys(lookup.source.name for lookup in shared.lookups)
    if not isinstance(given, Mapping):
        raise FeatureError(
            f"{name} has a {type(given).__name__} as its facts: expected rows by source, facts={{'name': […]}}"
        )
    found = {}
    for source, rows in given.items():
        if source not in known:
            raise FeatureError(
                f"{name} has facts of '{source}', which the set does not read: {nearest(str(source), known)}"
            )
        if isinstance(rows, Mapping | str) or not isinstance(rows, Sequence):
            raise FeatureError(
                f"{name} has a {type(rows).__name__} as the facts of '{source}': expected a list of rows"
            )
        found[source] = [_values(name, f"fact {place} of '{source}'", row, "a row") for place, row in enumerate(rows)]
    return found


def _values(name: str, what: str, given: Any, expected: str) -> Values:
    if not isinstance(given, Mapping):
        says = "is missing" if given is None else f"is a {type(given).__name__}"
        raise FeatureError(f"{name}: {what} {says}, expected {expected} as a dict of names and values")
    try:
        return {str(key): _plain(value) for key, value in given.items()}
    except TypeError as error:
        raise FeatureError(
            f"{name}: {what} has a value that is no plain data ({error}): write numbers and text"
        ) from None


def _plain(value: Any) -> Any:
    """A value as JSON has it: moments become text; a float that JSON has no word for stays."""
    return value if isinstance(value, float) else msgspec.to_builtins(value)


def _moment(name: str, given: Mapping[str, Any]) -> datetime:
    at = given.get("at")
    found = MISSING if at is None else as_moment(at)
    if not isinstance(found, datetime):
        says = "does not say at which moment it is asked" if at is None else f"is asked at {at!r}, which is no moment"
        raise FeatureError(f'{name} {says}: write at="2013-07-01T12:00:00Z", UTC where no zone is given')
    return found


def _hint(ask: str, asks: Values) -> str:
    close = nearest(ask, asks)
    return close if close.startswith("did") else f"write asks={{'{ask}': …}}, None where it is not known"


def _sample(shared: Features) -> str:
    names = [name for lookup in shared.lookups for name in lookup.names]
    return f"gives={{'{names[0] if names else 'column'}': 12.5}}"


def how_to(shared: Features) -> str:
    """An example to fill in, for a set that has none."""
    sources: dict[str, dict[str, None]] = {}
    for lookup in shared.lookups:
        roots = [root for _, expr in lookup.outputs for root in expr.meta.root_names()]
        timed = [name for name in (lookup.source.time, lookup.source.event) if name is not None]
        names = [*lookup.source.keys, *timed, *lookup.fact_entity, *roots]
        sources.setdefault(lookup.source.name, {}).update(dict.fromkeys(names))
    facts = ", ".join(f"'{source}': [{_blank(names)}]" for source, names in sources.items())
    asks = _blank(dict.fromkeys(ask for lookup in shared.lookups for ask in lookup.entity))
    gives = _blank(dict.fromkeys(name for lookup in shared.lookups for name in lookup.names))
    return f'examples=[dict(facts={{{facts}}}, asks={asks}, at="2013-07-01T12:00:00Z", gives={gives})]'


def _blank(names: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"'{name}': …" for name in names) + "}"
