"""One training run, from sources to a registered version."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as installed
from typing import Any

import msgspec
import polars as pl

from outlast.bundle.decisions import threshold
from outlast.bundle.estimator import Floats
from outlast.bundle.format import NATIVE, encode, in_order, pack, unpack
from outlast.bundle.lookups import written
from outlast.bundle.machine import environment, here
from outlast.data.schema import Field, infer, to_json
from outlast.data.validation import Violation
from outlast.features.functions import wants_pandas
from outlast.journal.sources import Sources
from outlast.project.loader import Project
from outlast.registry.sets import described
from outlast.registry.versions import Version
from outlast.training.adopting.adopted import Adopted
from outlast.training.compiling.compiling import compiled_form
from outlast.training.compiling.tops import loaded_in_vain
from outlast.training.dataset import AT, Dataset, build_dataset, cutoff_of, require_invariant
from outlast.training.evaluation.metrics import measure
from outlast.training.evaluation.report import evaluation
from outlast.training.evaluation.slices import require_columns, require_floors
from outlast.training.evaluation.value import Scored, require_money, value_of
from outlast.training.fitting import evaluated, fit, pickled
from outlast.training.golden import golden_rows
from outlast.training.keeping import Here, Keeper
from outlast.training.leakage.guards import joined, suspicions
from outlast.training.lineage import Cost, kept_with, lineage_of
from outlast.training.proving import proven
from outlast.training.reference import with_reference
from outlast.training.search import Searched, parameters_of, require_parameters, search
from outlast.training.simpler.rung import Run, Simpler, simpler_model, wanted
from outlast.training.splitting import Mask, Split, split_kind, split_rows
from outlast.training.steps import Steps, Watcher
from outlast.training.watching.kept import watched
from outlast.types import moment

ABSENT: tuple[str, ...] = ()
"""What a version of this release does not have; named wherever a verdict or a card is shown."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished run."""

    version: Version
    seconds: dict[str, float]
    violations: dict[str, list[Violation]]


def train(
    project: Project,
    *,
    by: str,
    now: datetime,
    seed: int | None = None,
    watcher: Watcher | None = None,
    keeper: Keeper | None = None,
    adopted: Adopted | None = None,
) -> Trained:
    """Train the project's model on what was known at its cutoff and register the version, here or with a keeper.

    With `adopted`, a model that was trained elsewhere takes the place of what fit returns.
    """
    keeper = keeper or Here(project.workspace)
    steps, sources, cost = Steps(watcher), Sources(project), Cost(now)
    contract = project.contract.training
    seed = contract.seed if seed is None else seed
    require_parameters(project)
    keeper.claim(project, by=by, at=now)
    with steps.step("read sources"):
        prints = sources.fingerprints()
    with steps.step("check data"):
        violations = sources.violations(keeper.schemas(project.model.name))
    with steps.step("features as known"):
        dataset = build_dataset(project, sources, cutoff_of(project, now))
        _require_readable(project, dataset)
    with steps.step("prove functions"):
        require_invariant(project, dataset.rows)
    split = train_rows, test_rows = split_rows(project, dataset, seed)
    with steps.step("look for leaks"):
        violations = joined(violations, suspicions(project, sources, dataset, split))
    estimator, searched = _fitted(project, dataset, train_rows, seed, steps, adopted)
    with steps.step("evaluate"):
        tested = _score(project, dataset, estimator, test_rows)
        summary = _summary(project, dataset, tested, split, seed) | {"search": searched.summary}
        summary["evaluation"] = _evaluation(project, dataset, estimator, tested, split, seed)
    with steps.step("compile"):
        compiled = compiled_form(estimator, tested, dataset.features, pandas=wants_pandas(project.model.fit), seed=seed)
        summary["compiled"] = compiled.summary() | (loaded_in_vain(project) if compiled.proof else {})
    run = Run(project, dataset, estimator, tested, train_rows, seed, None if adopted else searched.chosen)
    simpler, origin = _simpler(steps, run), {"adopted": adopted.kept(dataset)} if adopted else {}
    summary |= simpler.summary | origin | {"violations": _plain(violations), "sources": prints}
    with steps.step("bundle"):
        lineage = lineage_of(project, seed=seed, threads=contract.threads)
        lineage["parameters"] = {"search": searched.chosen, "estimator": parameters_of(estimator)}
        seen = watched(run, keeper.frozen(project.model.name))
        lineage |= origin | simpler.lineage | seen.lineage | kept_with(project, dataset, split, tested.table)
        summary["snapshot"] = lineage["snapshot"]
        files = with_reference({NATIVE: pickled(project.model, estimator), **compiled.files, **simpler.files}, run)
        files |= seen.files
        files["golden.json"] = encode(golden_rows(project, sources, dataset, tested, simpler=simpler.tested))
        manifest = {**_manifest(project, sources, dataset), **simpler.manifest, **seen.manifest}
    with steps.step("prove"):
        whole = {**files, **_files(project, summary, lineage)}
        files["golden.json"], summary["golden"] = proven(manifest, whole, project.workspace.fresh)
        data = pack(manifest, {**files, **_files(project, summary, lineage)})
    with steps.step("register"):
        unpack(data)
        digest = keeper.keep(data)
        summary |= {"timings": steps.seconds, "cost": cost.so_far(project.workspace, lineage, len(data))}
        version = keeper.register(project.model.name, digest=digest, code_digest=project.code.digest,
                                  task=dataset.task, summary=summary, lineage=lineage, by=by, at=now)  # fmt: skip
    return Trained(version, steps.seconds, violations)


def _require_readable(project: Project, dataset: Dataset) -> None:
    """Refuse a contract that these rows cannot answer, before hours of fitting."""
    require_columns(project.contract, dataset.rows, dataset.task)
    require_floors(project.contract, dataset.task)
    require_money(project.contract, dataset.rows, dataset.task, dataset.classes)


def _fitted(
    project: Project, dataset: Dataset, train_rows: Mask, seed: int, steps: Steps, adopted: Adopted | None
) -> tuple[Any, Searched]:
    """The model of all rows to train, with the parameters that a search among them chose; or the adopted one."""
    if adopted is not None:
        return adopted.fitted(project, dataset), Searched()
    searched = search(project, dataset, train_rows, seed=seed, steps=steps)
    with steps.step("fit"):
        x, y = dataset.x.filter(pl.Series(train_rows)), dataset.y[train_rows]
        threads = project.contract.training.threads
        estimator = fit(project.model, x, y, seed=seed, threads=threads, parameters=searched.chosen)
    return estimator, searched


def _simpler(steps: Steps, run: Run) -> Simpler:
    """The ladder's simpler model, where the contract names one."""
    if not wanted(run.project):
        return Simpler()
    with steps.step("simpler model"):
        return simpler_model(run)


def _score(project: Project, dataset: Dataset, estimator: Any, chosen: Mask) -> Scored:
    rows = dataset.rows.filter(pl.Series(chosen))
    table = evaluated(project.model, estimator, rows.select(dataset.features), dataset.task, len(dataset.classes))
    return Scored(project.contract, dataset.task, dataset.classes, rows, table, dataset.y[chosen])


def _evaluation(
    project: Project, dataset: Dataset, estimator: Any, tested: Scored, split: Split, seed: int
) -> dict[str, Any]:
    """What a decision about the version rests on, beyond its metrics."""
    timed, drawn = project.model.question.time is not None, split_kind(project) != "time"
    at = tested.rows[AT].to_numpy() if timed else None
    share = float(split[1].sum() / (split[0] | split[1]).sum()) if drawn else 1.0

    def score(x: pl.DataFrame) -> Floats:
        return evaluated(project.model, estimator, x, dataset.task, len(dataset.classes))

    return evaluation(tested, tested.rows.select(dataset.features), score, at=at, share=share, seed=seed)


def _summary(
    project: Project,
    dataset: Dataset,
    tested: Scored,
    split: Split,
    seed: int,
) -> dict[str, Any]:
    train_rows, test_rows = split
    counts = {
        **dataset.counts,
        "train": int(train_rows.sum()),
        "test": int(test_rows.sum()),
        "embargoed": int((~train_rows & ~test_rows).sum()),
    }
    return {
        "metrics": measure(dataset.task, tested.y, tested.table, seed),
        "value": value_of(tested, seed),
        "threshold": threshold(project.contract) if dataset.task == "binary" else None,
        "rows": counts,
        "period": _period(project, dataset, test_rows),
        "contract": project.contract.model_dump(mode="json"),
        "contract_digest": project.contract.digest,
        "features": list(dataset.features),
        "base_rate": float(dataset.y.mean()) if dataset.task == "binary" else None,
        "absent": list(ABSENT),
    }


def _period(project: Project, dataset: Dataset, test_rows: Mask) -> dict[str, str | None]:
    if project.model.question.time is None:
        return {"from": None, "until": None, "test_from": None, "cutoff": None}
    at = dataset.rows[AT]
    first_test = at.filter(pl.Series(test_rows)).min()
    edges = {"from": at.min(), "until": at.max(), "test_from": first_test}
    said = {name: moment(int(us)).isoformat() for name, us in edges.items() if isinstance(us, int)}
    pinned = project.contract.training.until or project.period is not None
    return {**said, "cutoff": dataset.cutoff.isoformat() if pinned else None}


def _files(project: Project, summary: dict[str, Any], lineage: dict[str, Any]) -> dict[str, bytes]:
    return {
        "contract.json": in_order(project.contract.model_dump(mode="json")),
        **{f"code/{name}": content for name, content in project.code.files.items()},
        "environment.txt": environment().encode(),
        "lineage.json": encode(lineage),
        "summary.json": encode(summary),
    }


def _manifest(project: Project, sources: Sources, dataset: Dataset) -> Mapping[str, Any]:
    model = project.model
    question = model.question
    asked = infer(dataset.rows.lazy(), list(model.asks.names))
    known = {field.name: field for field in sources.schema(question).fields}
    return {
        "model": model.name,
        "task": dataset.task,
        "asks": [msgspec.to_builtins(field) for field in asked.fields],
        "key": [msgspec.to_builtins(_bare(known[name])) for name in question.keys],
        "time": question.time,
        "question": question.name,
        "features": list(dataset.features),
        "classes": dataset.classes,
        "pandas": wants_pandas(model.fit),
        "lookups": [written(lookup) for lookup in model.lookups],
        "sets": [described(shared) for shared in model.sets],
        "label": {"source": model.label.source.name, "columns": list(model.label.names)},
        "sources": {
            source.name: {**source.declared(), "schema": to_json(sources.schema(source)).decode()}
            for source in model.sources
        },
        "code_digest": project.code.digest,
        "outlast": installed("outlast"),
        "made": dict(here()),
    }


def _bare(field: Field) -> Field:
    """A key's field without the values it had: they are names of rows, not categories."""
    return msgspec.structs.replace(field, categories=None, low=None, high=None)


def _plain(violations: dict[str, list[Violation]]) -> list[dict[str, Any]]:
    return [
        {"source": name, "column": v.column, "rule": v.rule, "count": v.count, "blocks": v.blocks, "says": v.sentence,
         "example": v.example}
        for name, found in violations.items() for v in found
    ]  # fmt: skip
