"""What can be said of a project before it is trained: contract, sources, rules, label, lookups and functions."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl

from outlast.bundle.decisions import check_payoff, outcomes
from outlast.data.sources import reading
from outlast.errors import OutlastError, nearest
from outlast.features.calling import with_functions
from outlast.features.compiled import compile_lookup
from outlast.features.facts import known_at
from outlast.features.functions import Function, name_of
from outlast.features.invariance import prove
from outlast.gates.checks import contract_complete
from outlast.gates.leakage import leaks
from outlast.gates.watching import idle, unknown_slices
from outlast.journal.sources import Sources, schemas_before
from outlast.project.declare import Lookup
from outlast.project.loader import Project
from outlast.project.workspace import project_folders
from outlast.registry.declarations import claims, require_free
from outlast.training.dataset import (
    LABEL,
    cutoff_of,
    questions,
    require_classes,
    task_of,
    with_labels,
    with_lookups,
)
from outlast.training.evaluation.slices import require_columns, require_floors
from outlast.types import counted, micros, now

SAMPLE = 50
Finding = dict[str, Any]


def findings(project: Project) -> list[Finding]:
    """What is wrong, each as where, column, says and whether it stands in the way of a promotion."""
    sources = Sources(project)
    found = [*_contract(project), *_names(project), *_sources(project, sources)]
    if not any(one["blocks"] and one["where"] == "model.py" for one in found):
        found += _data(project, sources)
        found += _ahead(project, sources, now())
        found += _features(project, sources)
        found += leaks(project, sources, found)
    return sorted(found, key=lambda one: not one["blocks"])


def _finding(where: str, column: str, says: str, *, blocks: bool = True) -> Finding:
    return {"where": where, "column": column, "says": says, "blocks": blocks}


def _contract(project: Project) -> Iterator[Finding]:
    contract = project.contract
    complete = contract_complete(contract, project.folder)
    if complete.passed is not True:
        missing = complete.evidence.get("missing")
        for key in missing or []:
            name, _, why = key.partition(" (")
            if " is no decision of " in why:
                yield _finding("outlast.toml", name, f"{why.removesuffix(')')}; a version cannot go live with it")
            else:
                yield _finding("outlast.toml", key, "is not said: a version cannot go live without it")
        if not missing:
            yield _finding("outlast.toml", "model.runbook", complete.says)
    if contract.model.task == "binary" and contract.value.payoff:
        yield from _tried("outlast.toml", "value.payoff", lambda: check_payoff(contract.value.payoff or {}, _BINARY))
    yield from _named(project)
    for key, says in idle(project):
        yield _finding("outlast.toml", key, says, blocks=False)


def _named(project: Project) -> Iterator[Finding]:
    """Sources and fields that the contract speaks of and the model does not have."""
    contract, model = project.contract, project.model
    known: dict[str, tuple[Iterable[str], set[str], str]] = {
        "data": (contract.data, {one.name for one in model.sources}, "is no source of this model"),
        "serving.stale": (
            contract.serving.stale,
            {lookup.source.name for lookup in model.lookups},
            "nothing is looked up there",
        ),
        "serving.fields": (contract.serving.fields, set(model.asks.names), "is no field that is asked for"),
    }
    for section, (said, there, says) in known.items():
        for name in said:
            if name not in there:
                yield _finding("outlast.toml", f"{section}.{name}", f"{says}: {nearest(name, there)}")
    there = {*model.asks.names, *(name for lookup in model.lookups for name, _ in lookup.outputs)}
    for name in contract.journal.sensitive:
        if name not in there:
            says = f"is neither asked for nor looked up, so only a function can make it: {nearest(name, there)}"
            yield _finding("outlast.toml", f"journal.sensitive '{name}'", says, blocks=False)


def _names(project: Project) -> Iterator[Finding]:
    """Names that another project of the workspace has taken, which a training would find out."""
    folders = [folder.name for folder in project_folders(project.workspace) if folder != project.folder]
    found: list[tuple[str, str, dict[str, Any]]] = []
    yield from _tried("model.py", "features", lambda: found.extend(claims(project)))
    for kind, name, declared in found:
        free = partial(
            require_free, project.workspace.ledger, kind, name, project.model.name, declared, folders=folders
        )
        yield from _tried("model.py", name, free)


def _sources(project: Project, sources: Sources) -> Iterator[Finding]:
    for source in project.model.sources:
        yield from _tried("model.py", source.name, partial(sources.schema, source))


def _data(project: Project, sources: Sources) -> Iterator[Finding]:
    found = sources.violations(schemas_before(project.workspace, project.model.name))
    for name, violations in found.items():
        for one in violations:
            yield _finding(name, one.column, one.sentence, blocks=one.blocks)


def _ahead(project: Project, sources: Sources, at: datetime) -> Iterator[Finding]:
    """Rows that will be known only later: they stand in nobody's way, and are mostly a wrong clock or time zone."""
    for source in project.model.sources:
        if source.time is None:
            continue
        known = known_at(source)
        ahead = (known > micros(at)).sum().alias("ahead")
        frame = sources.frame(source).select(
            pl.len(), ahead, known.cast(pl.Datetime("us")).max().cast(pl.String).alias("last")
        )
        with reading(source):
            rows, count, last = frame.collect(engine="streaming").row(0)
        if count:
            says = (
                f"{count:,} of {rows:,} rows are in the future, up to {last[:16]} UTC: nothing sees "
                "them before then; see whether the clock and the time zone of what writes them are right"
            )
            yield _finding(source.name, source.time, says, blocks=False)


def _features(project: Project, sources: Sources) -> Iterator[Finding]:
    """Lookups compile, and everything runs on a few rows."""
    broken = []
    for lookup in project.model.lookups:
        name = ", ".join(lookup.names)
        broken += _tried("model.py", name, partial(_compiled, lookup, sources))
    if broken:
        yield from broken
        return
    asked: list[pl.DataFrame] = []
    yield from _tried("model.py", "asks", lambda: asked.append(questions(project, sources)))
    for rows in asked:
        labelled = yield from _label(project, sources, rows)
        yield from _functions(project, sources, _few(rows if labelled.is_empty() else labelled), labelled)


def _functions(project: Project, sources: Sources, rows: pl.DataFrame, labelled: pl.DataFrame) -> Iterator[Finding]:
    """Each function alone on a few rows, labelled where any are: it runs, and gives a row what is that row's."""
    seen: list[pl.DataFrame] = []
    yield from _tried("model.py", "features", lambda: seen.append(with_lookups(project, sources, rows)))
    for known in seen:
        broken = []
        for function in project.model.functions:
            broken += _tried("model.py", name_of(function), partial(_proven, [function], known))
        if broken:
            yield from broken
            continue
        yield from _together(project, known, labelled)


def _together(project: Project, known: pl.DataFrame, labelled: pl.DataFrame) -> Iterator[Finding]:
    """All functions on these rows, and whether the gate finds there what it is to judge by."""
    whole: list[pl.DataFrame] = []
    yield from _tried("model.py", "features", lambda: whole.append(with_functions(project.model.functions, known)))
    for frame in whole:
        for key, says in unknown_slices(project, frame.columns):
            yield _finding("outlast.toml", key, says, blocks=False)
    if whole and not labelled.is_empty():
        yield from _tried("outlast.toml", "gate", partial(_judged, project, labelled[LABEL], whole[0]))


def _judged(project: Project, label: pl.Series, columns: pl.DataFrame) -> None:
    """What the contract wants to be judged by has to be there."""
    task = task_of(project, label)
    require_columns(project.contract, columns, task)
    require_floors(project.contract, task)


def _proven(functions: Sequence[Function], known: pl.DataFrame) -> None:
    prove(functions, known, with_functions(functions, known))


def _compiled(lookup: Lookup, sources: Sources) -> None:
    compile_lookup(lookup, sources.types(lookup.source))


def _label(project: Project, sources: Sources, rows: pl.DataFrame) -> Generator[Finding, None, pl.DataFrame]:
    """What is wrong with the label; returns the questions that have one."""
    label = ", ".join(project.model.label.names)
    found: list[tuple[pl.DataFrame, dict[str, int]]] = []
    yield from _tried(
        "model.py", label, lambda: found.append(with_labels(project, sources, rows, cutoff_of(project, now())))
    )
    for labelled, counts in found:
        if labelled.is_empty():
            asked = counted(counts["asked"], "question")
            says = f"no label is known for any of {asked}: do both sources have the same keys?"
            yield _finding("model.py", label, says)
        else:
            source = project.model.label.source.name
            yield from _tried(source, label, partial(require_classes, project, labelled[LABEL]))
    return found[0][0] if found else rows.clear()


def _few(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows spread over the whole."""
    return rows.gather_every(max(1, rows.height // SAMPLE)).head(SAMPLE)


def _tried(where: str, column: str, work: Callable[[], object]) -> list[Finding]:
    """What it says when it cannot be done."""
    try:
        work()
    except OutlastError as error:
        return [_finding(where, column, error.sentence)]
    except pl.exceptions.PolarsError as error:
        return [_finding(where, column, f"{type(error).__name__}: {error}")]
    return []


_BINARY = outcomes("binary", [])
