"""The training set: every question with its label as known at the cutoff and its features as known at its decision."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from outlast.data.sources import reading
from outlast.errors import DataError, FeatureError, TrainingError
from outlast.features.calling import with_functions
from outlast.features.compiled import compile_lookup
from outlast.features.entities import require_comparable
from outlast.features.facts import instants, spelled
from outlast.features.invariance import prove
from outlast.features.offline import look_up
from outlast.journal.sources import Sources
from outlast.project.declare import Source
from outlast.project.loader import Project
from outlast.types import Task, counted, duration, micros, utc

KEY, AT, LABEL, LABEL_AT, GROUP = "__key", "__at", "__label", "__label_at", "__group"
_MICROSECOND = timedelta(microseconds=1)
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled questions in order of time, with features, codes of their labels, and what was left out and why."""

    rows: pl.DataFrame
    asks: tuple[str, ...]
    features: tuple[str, ...]
    y: npt.NDArray[Any]
    classes: list[str]
    task: Task
    cutoff: datetime
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def x(self) -> pl.DataFrame:
        return self.rows.select(self.features)


def build_dataset(project: Project, sources: Sources, cutoff: datetime, *, most: int | None = None) -> Dataset:
    """The dataset of a project as it was known at the cutoff; of more rows than `most`, some spread over the whole."""
    asked = questions(project, sources)
    labelled, counts = with_labels(project, sources, asked, cutoff)
    if labelled.is_empty():
        raise TrainingError(
            f"Model '{project.model.name}' has no labelled question before {cutoff:%Y-%m-%d %H:%M}: "
            f"of {asked.height} asked, {counts['not_yet']} are not yet and {counts['never']} never labelled; "
            "check [training] since and until, and that label and questions share their key"
        )
    require_classes(project, labelled[LABEL])
    if most is not None and labelled.height > most:
        labelled = labelled.gather_every(-(-labelled.height // most))
    task, codes, classes = _encode(project, labelled[LABEL])
    rows = with_features(project, sources, labelled)
    names = tuple(name for name in rows.columns if not name.startswith("__"))
    return Dataset(rows, project.model.asks.names, names, codes, classes, task, cutoff, counts)


def require_classes(project: Project, label: pl.Series) -> None:
    """Refuse labels of one class only, or without one that the payoffs name: the data are at fault, not the payoffs."""
    task, codes, classes = _encode(project, label)
    if task == "regression":
        return
    found = {classes[code]: int(rows) for code, rows in zip(*np.unique(codes, return_counts=True), strict=True)}
    held = ", ".join(f"'{name}' ({counted(rows, 'row')})" for name, rows in list(found.items())[:_SHOWN])
    held += f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    labels = f"The labels of model '{project.model.name}', from '{project.model.label.source.name}', hold"
    mend = "look at what fills the label's columns and at [training] since and until, or bring rows of the others"
    if len(found) == 1:
        silent = '; if no label means no, say [label] silence = "no"' if task == "binary" and "yes" in found else ""
        raise DataError(f"{labels} one class only, {held}, so nothing can be told apart: {mend}{silent}")
    named = {outcome for amounts in (project.contract.value.payoff or {}).values() for outcome in amounts}
    lacking = sorted(named - set(found)) if task == "multiclass" and set(found) < named else []
    if lacking:
        raise DataError(
            f"{labels} {held} and no row of '{lacking[0]}', which value.payoff names: "
            f"{mend}, or leave '{lacking[0]}' out of the payoffs"
        )


def cutoff_of(project: Project, now: datetime) -> datetime:
    """The moment whose knowledge is trained on: that of the run's period, else the contract's `until`, or now."""
    until = _moment(project, "until")
    return min(now, until) if until is not None else now


def questions(project: Project, sources: Sources) -> pl.DataFrame:
    """The questions of the period, in order of time: asks, key and moment."""
    source = project.model.question
    frame = sources.frame(source)
    at = pl.lit(0, pl.Int64) if source.time is None else instants(source.time)
    key = pl.int_range(pl.len()).cast(pl.String) if not source.keys else spelled(source.keys, nulls=True)
    types = sources.types(source)
    columns = [_as_asked(name, types[name]) for name in project.model.asks.names]
    label, group = _own_label(project), project.contract.training.group
    marks = [] if label is None else [label.alias(LABEL)]
    if group is not None:
        marks.append(_group(group).alias(GROUP))
    marked = frame.select(*columns, key.alias(KEY), at.alias(AT), *marks)
    with reading(source):
        return _in_period(project, marked).sort(AT, KEY).collect(engine="streaming")


def with_features(project: Project, sources: Sources, asked: pl.DataFrame) -> pl.DataFrame:
    """Questions with every lookup and function computed as of each decision."""
    rows = with_functions(project.model.functions, with_lookups(project, sources, asked))
    return rows.hstack(asked.select(name for name in asked.columns if name.startswith("__")))


def with_lookups(project: Project, sources: Sources, asked: pl.DataFrame) -> pl.DataFrame:
    """What functions see of questions: what is asked, and every lookup as of each decision."""
    model = project.model
    if model.lookups and model.question.time is None:
        raise FeatureError(
            f"Model '{model.name}' looks facts up but its questions have no time: "
            f"give Source('{model.question.name}', …, time='the column with the moment of decision')"
        )
    known = asked.select(model.asks.names)
    for lookup in model.lookups:
        compiled = compile_lookup(lookup, sources.types(lookup.source))
        require_comparable(compiled, known.schema)
        with reading(lookup.source):
            known = known.hstack(
                look_up(compiled, sources.frame(lookup.source), asked, asked[AT], engine=project.workspace.engine)
            )
    return known


def require_invariant(project: Project, rows: pl.DataFrame) -> int:
    """Refuse functions whose values hang on more than their row, by a sample of rows; how many were tried."""
    model = project.model
    given = [*model.asks.names, *(name for lookup in model.lookups for name in lookup.names)]
    done = rows.select(name for name in rows.columns if not name.startswith("__"))
    return prove(model.functions, done.select(given), done)


def _as_asked(name: str, dtype: pl.DataType) -> pl.Expr:
    """An ask as a request gives it: text for categories, floats for decimals, null for NaN, which no JSON can say."""
    column = pl.col(name).cast(dtype)
    return column.fill_nan(None) if dtype.is_float() else column


def _group(name: str) -> pl.Expr:
    """What the rows that stay together have in common; a row that does not say is alone."""
    alone = pl.lit("row ") + pl.int_range(pl.len()).cast(pl.String)
    return pl.coalesce(pl.lit("group ") + pl.col(name).cast(pl.String), alone)


def _own_label(project: Project) -> pl.Expr | None:
    model = project.model
    return model.label.expr if model.label.source.name == model.question.name else None


def _in_period(project: Project, frame: pl.LazyFrame) -> pl.LazyFrame:
    since, until = _moment(project, "since"), _moment(project, "until")
    if project.model.question.time is None:
        return frame
    if since is not None:
        frame = frame.filter(pl.col(AT) >= micros(since))
    if until is not None:
        frame = frame.filter(pl.col(AT) < micros(until))
    return frame.filter(pl.col(AT).is_not_null())


def _moment(project: Project, name: str) -> datetime | None:
    said, period = _said(project, name), project.period
    if period is None:
        return said
    if name == "until":
        return period.until
    return max((one for one in (said, period.since) if one is not None), default=None)


def _said(project: Project, name: str) -> datetime | None:
    text = getattr(project.contract.training, name)
    if text is None:
        return None
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError:
        raise TrainingError(
            f"outlast.toml: 'training.{name}' is '{text}': expected a moment. Example: {name} = \"2013-07-01\""
        ) from None


def with_labels(
    project: Project, sources: Sources, asked: pl.DataFrame, cutoff: datetime
) -> tuple[pl.DataFrame, dict[str, int]]:
    """The questions whose label was known before the cutoff, and how many there are of every kind."""
    contract, before = project.contract.label, micros(cutoff)
    delay = duration(contract.delay) // _MICROSECOND if contract.delay else 0
    maturity = duration(contract.maturity) // _MICROSECOND if contract.maturity else delay
    if LABEL in asked.columns:
        timed = project.model.question.time is not None
        joined = asked.with_columns((pl.col(AT) + delay if timed else pl.lit(0, pl.Int64)).alias(LABEL_AT))
    else:
        truth = _truth(project, sources, asked, before)
        joined = asked.join(truth, on=KEY, how="left", maintain_order="left")
    known = pl.col(LABEL).is_not_null() & (pl.col(LABEL_AT) < before)
    ripe = (pl.col(AT) + maturity) < before
    if contract.silence == "no":
        joined = joined.with_columns(
            pl.when(~known & ripe).then(pl.lit(False)).otherwise(pl.col(LABEL)).alias(LABEL),
            pl.when(~known & ripe).then(pl.col(AT) + maturity).otherwise(pl.col(LABEL_AT)).alias(LABEL_AT),
        )
    labelled = joined.filter(known)
    counts = {
        "asked": asked.height,
        "labelled": labelled.height,
        "never": joined.filter(~known & ripe).height,
        "not_yet": joined.filter(~known & ~ripe).height,
    }
    return labelled, counts


def _truth(project: Project, sources: Sources, asked: pl.DataFrame, before: int) -> pl.DataFrame:
    """The newest label of each question's key that was known before the cutoff."""
    label, keys = project.model.label, project.model.question.keys
    source = label.source
    if not keys or any(key not in sources.types(source) for key in keys):
        raise TrainingError(
            f"The label's source '{source.name}' cannot be matched to the questions: "
            f"both need the key of '{project.model.question.name}' ({', '.join(keys) or 'it has none'})"
        )
    assert label.expr is not None
    at = pl.lit(0, pl.Int64) if source.time is None else _known(source)
    frame = sources.frame(source).select(
        spelled(keys, nulls=True).alias(KEY), label.expr.alias(LABEL), at.alias(LABEL_AT)
    )
    ours = frame.join(asked.lazy().select(KEY), on=KEY, how="semi", maintain_order="left")
    known = ours.filter(pl.col(LABEL_AT) < before).sort(LABEL_AT, maintain_order=True)
    with reading(source):
        return known.unique(KEY, keep="last", maintain_order=True).collect(engine="streaming")


def _known(source: Source) -> pl.Expr:
    assert source.time is not None
    return instants(source.time) + source.delay // _MICROSECOND


def _encode(project: Project, label: pl.Series) -> tuple[Task, npt.NDArray[Any], list[str]]:
    task = task_of(project, label)
    if task == "regression":
        return task, label.cast(pl.Float64).to_numpy(), []
    if task == "binary":
        return task, _as_binary(label), ["no", "yes"]
    names = sorted(label.cast(pl.String).unique().to_list())
    codes = label.cast(pl.String).replace_strict(names, list(range(len(names))), return_dtype=pl.Int64)
    return task, codes.to_numpy(), names


def _as_binary(label: pl.Series) -> npt.NDArray[Any]:
    if label.dtype != pl.Boolean and not set(label.unique().to_list()) <= {0, 1}:
        raise TrainingError(
            f"The task is binary but the label has values such as {label.unique().to_list()[:3]}: "
            "write it as a comparison, such as label=source['column'] == 'value'"
        )
    return label.cast(pl.Boolean).cast(pl.Int64).to_numpy()


def task_of(project: Project, label: pl.Series) -> Task:
    """What kind of question the label answers: as declared, else by its values."""
    declared = project.contract.model.task
    if declared is not None:
        return declared
    if label.dtype == pl.Boolean:
        return "binary"
    if label.dtype == pl.String:
        return "multiclass"
    if label.dtype.is_float():
        return "regression"
    raise TrainingError(
        f"The label is of type {label.dtype}, which could be a class or an amount: "
        'say which in outlast.toml. Example: [model] task = "regression"'
    )
