"""The guards, run on a training set and its split; each names a column and the figures that speak against it.

What cannot be honest blocks a promotion, as a broken rule of the data does; the rest warns. A column that is right
as it is goes into `warn_only` of its source in outlast.toml.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.data.sources import reading
from outlast.data.validation import Violation
from outlast.features.facts import RETRACTED, known_at, spelled
from outlast.journal.sources import Sources
from outlast.project.declare import Source
from outlast.project.loader import Project
from outlast.training.dataset import AT, KEY, LABEL_AT, Dataset
from outlast.training.leakage.clocks import local_time
from outlast.training.leakage.likeness import likeness
from outlast.types import span

Bools = npt.NDArray[np.bool_]
Split = tuple[Bools, Bools]
Suspicion = tuple[str, Violation]
RULES = frozenset({
    "nearly the label", "known before asked", "known with the label", "random split", "keys across the split",
    "questions across the split", "local time",
})  # fmt: skip
"""What the guards call what they find; rules of the data have other names."""
SAMPLE = 50_000
"""Rows, spread over the whole, on which one column is held against the label."""
NEARLY, SURELY = 0.99, 0.9995
"""How well a column alone may tell the label before it is named, and before it blocks."""
SOME, MANY = 0.001, 0.01
"""Shares of labels known before their own question: too many for chance, and too many for a model."""
DISTINCT = 0.9
"""Share of different questions among all, from which two equal ones are worth a look."""
MIXED = 0.2
"""Share of facts known before the question about the same row, up to which they are the odd ones out."""
FEW = 100
"""Pairs of a fact and a label, below which a gap between them says nothing."""


def suspicions(project: Project, sources: Sources, dataset: Dataset, split: Split) -> dict[str, list[Violation]]:
    """What looks like a leak, by source; those that block first."""
    found: dict[str, list[Violation]] = defaultdict(list)
    for guard in (_twins_of_the_label, _time_of_the_label, _time_of_facts, _split, _clocks):
        for source, one in guard(project, sources, dataset, split):
            rules = project.contract.data.get(source)
            excused = rules is not None and one.column in rules.warn_only
            kept = Violation(one.column, one.rule, one.count, one.example, one.blocks and not excused, one.sentence)
            found[source].append(kept)
    return {name: sorted(those, key=lambda v: not v.blocks) for name, those in found.items()}


def joined(before: dict[str, list[Violation]], more: dict[str, list[Violation]]) -> dict[str, list[Violation]]:
    """Violations by source of two kinds of checks."""
    return {name: [*before.get(name, []), *more.get(name, [])] for name in dict.fromkeys([*before, *more])}


def _twins_of_the_label(project: Project, _: Sources, dataset: Dataset, split: Split) -> Iterator[Suspicion]:
    step = max(1, -(-dataset.rows.height // SAMPLE))
    rows, y = dataset.rows.gather_every(step), dataset.y[::step]
    home = {name: lookup.source.name for lookup in project.model.lookups for name in lookup.names}
    for name in dataset.features:
        alike = likeness(rows[name], y, dataset.task)
        if alike is not None and alike >= NEARLY:
            source = home.get(name, project.model.question.name)
            yield source, _alike(name, source, alike, (rows.height, dataset.task == "regression"))


def _alike(name: str, source: str, alike: float, on: tuple[int, bool]) -> Violation:
    rows, regression = on
    figure = f"{alike:.2%} of its variance" if regression else f"with an area under the curve of {alike:.4f}"
    said = (
        f"Column '{name}' alone tells the label {figure} on {rows:,} rows: see whether it is known only once the "
        f"outcome is; leave it out, or give its source the time when it became known (if it is honest: "
        f"data.{source}.warn_only)"
    )
    return Violation(name, "nearly the label", rows, {}, alike >= SURELY, said)


def _time_of_the_label(project: Project, _: Sources, dataset: Dataset, split: Split) -> Iterator[Suspicion]:
    """Labels that were known before their question was asked: a duration below nothing."""
    source, question = project.model.label.source, project.model.question
    if source.name == question.name or source.time is None or question.time is None:
        return
    early = dataset.rows.filter(pl.col(LABEL_AT) < pl.col(AT))
    share = early.height / dataset.rows.height
    if share < SOME:
        return
    worst = early.sort(pl.col(AT) - pl.col(LABEL_AT)).row(-1, named=True)
    said = (
        f"Column '{source.time}' says of {early.height:,} of {dataset.rows.height:,} labels ({share:.1%}) that they "
        f"were known before their own question, key {worst[KEY]} by {_length(worst[AT] - worst[LABEL_AT])}: see "
        "whether it is local time, or the time of something earlier; write the moment it became known, in UTC"
    )
    yield source.name, Violation(source.time, "known before asked", early.height, _example(worst), share >= MANY, said)


def _time_of_facts(project: Project, sources: Sources, dataset: Dataset, split: Split) -> Iterator[Suspicion]:
    """Facts about the very row that is asked about: when they came, seen from the question and from the label."""
    model = project.model
    others = {lookup.source.name: lookup.source for lookup in model.lookups}
    for name in (model.question.name, model.label.source.name):
        others.pop(name, None)
    for source in others.values():
        if not model.question.keys or any(key not in sources.types(source) for key in model.question.keys):
            continue
        pairs = _pairs(sources, source, model.question.keys, dataset)
        if pairs.height >= FEW:
            yield from _some_early(source, model.question.keys, pairs)
            yield from _tied_to_label(source, pairs)


def _pairs(sources: Sources, source: Source, keys: tuple[str, ...], dataset: Dataset) -> pl.DataFrame:
    """Each question with the first fact of its key: known, asked, labelled."""
    frame = sources.frame(source)
    if RETRACTED in frame.collect_schema():
        frame = frame.filter(~pl.col(RETRACTED))
    facts = frame.select(spelled(keys, nulls=True).alias(KEY), known_at(source).alias("known")).drop_nulls()
    asked = dataset.rows.select(KEY, AT, LABEL_AT)
    with reading(source):
        first = facts.join(asked.lazy(), on=KEY, how="semi").group_by(KEY).min().collect(engine="streaming")
    return asked.join(first, on=KEY)


def _some_early(source: Source, keys: tuple[str, ...], pairs: pl.DataFrame) -> Iterator[Suspicion]:
    early = pairs.filter(pl.col("known") < pl.col(AT))
    share = early.height / pairs.height
    if not SOME <= share <= MIXED:
        return
    said = (
        f"Column '{source.time}' says of {early.height:,} of {pairs.height:,} facts ({share:.1%}) that they were "
        f"known before the question about the same {', '.join(keys)} was asked, of the others after it: see whether "
        "it is local time; write moments in UTC"
    )
    yield source.name, Violation(str(source.time), "known before asked", early.height, {}, False, said)


def _tied_to_label(source: Source, pairs: pl.DataFrame) -> Iterator[Suspicion]:
    """A fact that always comes the same time before the label was made from it, or with it."""
    before = pairs.filter((pl.col("known") <= pl.col(LABEL_AT)) & (pl.col("known") < pl.col(AT)))
    if before.height < FEW:
        return
    gap = (before[LABEL_AT] - before["known"]).to_numpy()
    lead = (before[LABEL_AT] - before[AT]).to_numpy()
    gaps, leads = np.quantile(gap, [0.05, 0.5, 0.95]), np.quantile(lead, [0.05, 0.95])
    if gaps[2] - gaps[0] > (leads[1] - leads[0]) / 100 or leads[0] == leads[1]:
        return
    said = (
        f"Column '{source.time}' is always {_length(gaps[1])} before the label (nine in ten of {before.height:,} "
        f"within {_length(gaps[2] - gaps[0])}, while questions come {_length(leads[0])} to {_length(leads[1])} before "
        "it): see whether the fact is written with the outcome and dated back; give the moment it became known"
    )
    yield source.name, Violation(str(source.time), "known with the label", before.height, {}, False, said)


def _split(project: Project, _: Sources, dataset: Dataset, split: Split) -> Iterator[Suspicion]:
    question = project.model.question
    train, test = (dataset.rows.filter(pl.Series(chosen)) for chosen in split)
    timed = question.time is not None
    if timed and project.contract.training.split == "random":
        asked = dataset.rows[AT].to_numpy()
        days = timedelta(microseconds=int(asked.max() - asked.min())).days
        said = (
            f"Column '{question.time}' spans {days:,} days, and training.split is \"random\": the test knows days that "
            "training has seen, and will look better than the future; split by time"
        )
        yield question.name, Violation(str(question.time), "random split", test.height, {}, False, said)
    again = test.join(train, on=KEY, how="semi") if question.keys else test.head(0)
    if again.height:
        said = (
            f"Key '{', '.join(question.keys)}' has {again.height:,} rows to test whose key is among the rows to train, "
            f"such as {again[KEY][0]}: give each question one row"
        )
        yield question.name, Violation(", ".join(question.keys), "keys across the split", again.height, {}, False, said)
    else:
        yield from _same_questions(project, train, test)


def _same_questions(project: Project, train: pl.DataFrame, test: pl.DataFrame) -> Iterator[Suspicion]:
    """Equal questions on both sides, where questions are otherwise all different."""
    asks = [name for name in project.model.asks.names if name != project.model.question.time]
    if not asks or train.select(asks).n_unique() < DISTINCT * train.height:
        return
    known = train.select(asks).unique()
    twins = test.join(known, on=asks, how="semi", nulls_equal=True)
    if twins.height > 0.01 * test.height and twins.height > 3 * _by_chance(test.select(asks), known):
        said = (
            f"Columns '{', '.join(asks)}' are equal in {twins.height:,} of {test.height:,} rows to test and in a row "
            f"to train, key {twins[KEY][0]} among them: see whether rows were copied under new keys; keep one of each"
        )
        question = project.model.question.name
        yield question, Violation(", ".join(asks), "questions across the split", twins.height, {}, False, said)


def _by_chance(test: pl.DataFrame, known: pl.DataFrame) -> int:
    """How many rows find an equal one when the column of most values is dealt out anew: what coarse values give.

    Where that column alone names nearly every row, nothing is left to chance.
    """
    finest = max(test.columns, key=lambda name: known[name].n_unique())
    if known[finest].n_unique() >= DISTINCT * known.height:
        return 0
    dealt = test.with_columns(pl.col(finest).shuffle(seed=0))
    return dealt.join(known, on=test.columns, how="semi", nulls_equal=True).height


def _clocks(project: Project, sources: Sources, _: Dataset, split: Split) -> Iterator[Suspicion]:
    for source in project.model.sources:
        if source.time is None:
            continue
        with reading(source):
            found = local_time(sources.frame(source), source.time)
        if found is not None:
            said = (
                f"Column '{source.time}' looks like local time of {found.whose}, and is read as UTC: the hour that "
                f"clocks skip in spring has {found.skipped:,} moments and {found.skipped_expected:,.0f} are expected, "
                f"the one they repeat in autumn {found.repeated:,} instead of {found.repeated_expected:,.0f}; "
                "convert it to UTC"
            )
            yield source.name, Violation(source.time, "local time", found.skipped, {}, False, said)


def _length(microseconds: float) -> str:
    """A length of time in its two largest units."""
    whole = timedelta(microseconds=int(microseconds))
    return span(timedelta(seconds=round(whole.total_seconds()))) if whole >= timedelta(seconds=1) else span(whole)


def _example(row: dict[str, Any]) -> dict[str, Any]:
    return {"key": row[KEY], "asked": row[AT], "known": row[LABEL_AT]}
