"""Golden rows: example requests, the facts that their lookups read, the features and the answers they got."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from outlast.bundle.falls import Policy
from outlast.bundle.replay import Row, golden_fact
from outlast.data.schema import dtype_of
from outlast.data.sources import reading
from outlast.features.compiled import CompiledLookup, compile_lookup
from outlast.features.facts import ENTITY, KEY, KNOWN, RETRACTED, UNTIL, known_at, spelled, superseded
from outlast.journal.sources import Sources
from outlast.project.declare import Source
from outlast.project.loader import Project
from outlast.training.dataset import AT, Dataset
from outlast.training.evaluation.value import Scored
from outlast.types import moment

ROWS = 16
MOST = 20_000
"""Facts that the golden rows of a version carry together, those of the row with the fewest aside: these always come."""
BESIDE = 2
"""Facts just outside of what a lookup reads that come along: reading one of them would show."""
_ROW, _PLACE, _SINCE = "__row", "__place", "__since"
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = -(2**62)


def golden_rows(
    project: Project, sources: Sources, dataset: Dataset, tested: Scored, *, simpler: Scored | None = None
) -> list[Row]:
    """Example requests spread over the test rows, with their facts, as far as those are not too many."""
    places = _places(dataset, tested, Policy.of(project.contract, project.model.question.name))
    found = [_golden(project, dataset, tested, place) for place in places]
    if simpler is not None:
        for golden, place in zip(found, places, strict=True):
            golden["simpler"] = {"scores": simpler.table[place].tolist()}
    facts = _facts(project, sources, tested.rows[places])
    left = MOST
    for place in sorted(range(len(found)), key=lambda place: (_size(facts[place]), place)):
        size = _size(facts[place])
        if size > left and left < MOST:
            continue
        left -= size
        found[place]["facts"] = facts[place]
    return found


def _size(facts: Mapping[str, Sequence[Row]]) -> int:
    return sum(len(rows) for rows in facts.values())


def _places(dataset: Dataset, tested: Scored, policy: Policy) -> list[int]:
    """Rows spread over all that the full model answers, by what the contract says of single fields."""
    kept = tested.rows.with_row_index(_PLACE).filter(_answered(dataset, policy))[_PLACE].to_list()
    usual = kept or list(range(tested.rows.height))
    places = [usual[place] for place in np.unique(np.linspace(0, len(usual) - 1, ROWS).astype(int)).tolist()]
    whole = pl.all_horizontal(pl.col(dataset.asks).is_not_null(), _answered(dataset, policy))
    complete = tested.rows.select(whole.alias("all"))["all"]
    if complete.any() and not complete[places[0]]:
        places = [int(complete.arg_max() or 0), *places]
    return list(dict.fromkeys(places))


def _answered(dataset: Dataset, policy: Policy) -> pl.Expr:
    """Whether no field is missing, or outside its range, where that leads to another rung or value."""
    kept = [pl.lit(True)]
    for name in dataset.asks:
        if policy.fields.get(name, {}).get("missing", "warn") not in ("warn", "null"):
            kept.append(pl.col(name).is_not_null())
        if name in policy.ranges and policy.of_field(name)["outside"] != "warn":
            low, high = policy.ranges[name]
            kept.append(pl.col(name).is_null() | pl.col(name).is_between(low, high))
    return pl.all_horizontal(kept)


def _golden(project: Project, dataset: Dataset, tested: Scored, place: int) -> Row:
    row, question = tested.rows.row(place, named=True), project.model.question
    request = {name: row[name] for name in dataset.asks}
    if question.time is not None:
        request.setdefault(question.time, moment(row[AT]).isoformat())
    features = {name: row[name] for name in dataset.features}
    return {"request": request, "features": features, "scores": tested.table[place].tolist()}


def _facts(project: Project, sources: Sources, asked: pl.DataFrame) -> list[dict[str, list[Row]]]:
    """For each row, by source, the facts that its lookups read, and a few beside them."""
    wanted: dict[str, list[set[int]]] = {}
    read: dict[str, dict[str, None]] = {}
    for lookup in project.model.lookups:
        compiled, source = compile_lookup(lookup, sources.types(lookup.source)), lookup.source
        with reading(source):
            rows = _rows(compiled, sources.frame(source), asked)
        together = wanted.setdefault(source.name, [set() for _ in range(asked.height)])
        for place, one in enumerate(rows):
            together[place] |= one
        roots = [root for expr in compiled.measures for root in expr.meta.root_names()]
        read.setdefault(source.name, {}).update(dict.fromkeys([*lookup.fact_entity, *roots]))
    found: list[dict[str, list[Row]]] = [{} for _ in range(asked.height)]
    for name, places in wanted.items():
        source = sources.named(name)
        with reading(source):
            kept = _plain(source, sources, set().union(*places), list(read[name]))
        for place, numbers in enumerate(places):
            found[place][name] = [kept[number] for number in sorted(numbers)]
    return found


def _rows(compiled: CompiledLookup, frame: pl.LazyFrame, asked: pl.DataFrame) -> list[set[int]]:
    """The numbers of the source's rows that each question needs."""
    withdrawn = RETRACTED in frame.collect_schema()
    entity = spelled(compiled.lookup.fact_entity)
    facts = frame.with_row_index(_ROW).select(
        _ROW,
        (pl.when(~pl.col(RETRACTED)).then(entity) if withdrawn else entity).alias(ENTITY),
        spelled(compiled.lookup.source.keys, nulls=True).alias(KEY),
        known_at(compiled.lookup.source).alias(KNOWN),
    )
    reach = None if compiled.reach is None else compiled.reach // _MICROSECOND
    since = pl.lit(_EARLIEST, pl.Int64) if reach is None else pl.col(AT) - reach
    named = spelled(compiled.lookup.entity, types=compiled.fact_types).alias(ENTITY)
    questions = asked.with_row_index(_PLACE).select(_PLACE, named, pl.col(AT), since.alias(_SINCE)).drop_nulls(ENTITY)
    near = facts.join(questions.lazy(), on=ENTITY).drop_nulls(KNOWN).collect(engine="streaming")
    keys = near.filter(pl.col(KNOWN).is_between(pl.col(_SINCE), pl.col(AT))).select(pl.col(KEY).unique())
    versions = facts.join(keys.lazy(), on=KEY, how="semi").drop_nulls(KNOWN).collect(engine="streaming")
    found: list[set[int]] = [set() for _ in range(asked.height)]
    for (place,), group in near.partition_by(_PLACE, as_dict=True).items():
        found[int(place)] = _needed(compiled, group, versions)
    return found


def _needed(compiled: CompiledLookup, group: pl.DataFrame, versions: pl.DataFrame) -> set[int]:
    """Of one question's entity: what lies in its reach, all versions of that, and a few facts on both sides."""
    at, since = int(group[AT][0]), int(group[_SINCE][0])
    inside = group.filter(pl.col(KNOWN).is_between(since, at, closed="left"))
    if compiled.event is None and (compiled.lookup.kind == "latest" or compiled.lookup.lasts):
        first = min(at - compiled.widest // _MICROSECOND, _newest(compiled, group[ENTITY][0], versions, (since, at)))
        inside = inside.filter(pl.col(KNOWN) >= first)
    beside = [
        group.filter(pl.col(KNOWN) < since).top_k(BESIDE, by=KNOWN),
        group.filter(pl.col(KNOWN) >= at).bottom_k(BESIDE, by=KNOWN),
    ]
    every = versions.join(inside.select(KEY), on=KEY, how="semi")
    return {int(row) for part in (every, *beside) for row in part[_ROW]}


def _newest(compiled: CompiledLookup, entity: str, versions: pl.DataFrame, span: tuple[int, int]) -> int:
    """The moment from which on as many facts stand as a lookup reads; since always, where fewer do."""
    since, at = span
    marked = superseded(versions.unique([KEY, KNOWN], keep="last", maintain_order=True))
    theirs = marked.filter((pl.col(ENTITY) == entity) & pl.col(KNOWN).is_between(since, at, closed="left"))
    standing = theirs.filter(pl.col(UNTIL).is_null() | (pl.col(UNTIL) >= at))[KNOWN]
    rows = max(compiled.lookup.lasts) + BESIDE if compiled.lookup.lasts else 1
    return _EARLIEST if len(standing) < rows else int(standing[-rows])


def _plain(source: Source, sources: Sources, rows: set[int], read: list[str]) -> dict[int, Row]:
    """Rows of a source by number, as golden rows carry them: what names and dates a fact, and what lookups read."""
    frame = sources.frame(source)
    names = list(dict.fromkeys([*source.keys, *([source.time] if source.time else []), *read]))
    fields = {field.name: dtype_of(field.dtype) for field in sources.schema(source).fields}
    marks = [RETRACTED] if RETRACTED in frame.collect_schema() else []
    wanted = pl.LazyFrame({_ROW: pl.Series(sorted(rows), dtype=pl.get_index_type())})
    columns = [pl.col(name).cast(fields[name]) for name in names]
    kept = frame.with_row_index(_ROW).join(wanted, on=_ROW, how="semi").select(_ROW, *columns, *marks).collect()
    return {row.pop(_ROW): golden_fact(row) for row in kept.to_dicts()}
