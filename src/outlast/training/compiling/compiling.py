"""From a fitted estimator to the files of its compiled form, or the reason why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from threadpoolctl import threadpool_limits

from outlast.bundle.compiled import Compiled
from outlast.bundle.estimator import Floats, given_as, places_of, scores
from outlast.bundle.plan import PLAN, TREES, Column, Forest, Plan, written
from outlast.training.compiling.families import Family, family_of
from outlast.training.compiling.proof import Decide, Native, Proof, prove
from outlast.training.compiling.refusal import NotCompiled
from outlast.training.compiling.trees import onnx_of
from outlast.training.evaluation.value import Scored, decide_all
from outlast.types import Task


@dataclass(frozen=True)
class Outcome:
    """What became of compiling: files for the bundle with the proof, or none and the reason."""

    files: dict[str, bytes]
    proof: Proof | None
    says: str

    def summary(self) -> dict[str, Any]:
        """The outcome as a version's summary keeps it."""
        proof = self.proof
        figures = {} if proof is None else {"rows": proof.rows, "equal": proof.equal, "difference": proof.difference}
        return {"compiled": proof is not None, "says": self.says, **figures}


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator and what is needed to ask it."""

    estimator: Any
    native: Native
    task: Task
    classes: int


def compiled_form(estimator: Any, tested: Scored, features: Sequence[str], *, pandas: bool, seed: int) -> Outcome:
    """The compiled form of a version's model, proven on the rows it was tested on."""
    task, classes, contract = tested.task, tested.classes, tested.contract

    def native(rows: pl.DataFrame) -> Floats:
        return scores(estimator, given_as(rows, pandas=pandas), task, len(classes))

    def decide(table: Floats, rows: pl.DataFrame) -> list[str]:
        return [] if task == "regression" else decide_all(Scored(contract, task, classes, rows, table, table[:, 0]))

    fitted = Fitted(estimator, native, task, len(classes))
    rows, tolerance = tested.rows.select(features), contract.serving.tolerance
    return compiling(fitted, rows, decide=decide, tolerance=tolerance, seed=seed)


def compiling(fitted: Fitted, rows: pl.DataFrame, *, decide: Decide, tolerance: float, seed: int) -> Outcome:
    """Compile, and prove it on rows; whatever stands in the way leaves the fitted model to serve."""
    try:
        plan, trees = planned(fitted, rows.columns)
        compiled = Compiled(plan, trees, rows.columns)
        with threadpool_limits(1):  # rows are asked one by one: waiting for threads takes longer than they save
            proof = prove(compiled, fitted.native, rows, decide=decide, tolerance=tolerance, seed=seed)
    except NotCompiled as reason:
        return Outcome({}, None, f"the fitted model serves: {reason}")
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        # The insides of other libraries are read here; a release that changed them must not stop a training.
        return Outcome(
            {}, None, f"the fitted model serves: its insides could not be read ({type(error).__name__}: {error})"
        )
    files = {PLAN: written(plan)} if trees is None else {PLAN: written(plan), TREES: trees}
    return Outcome(files, proof, proof.sentence)


def planned(fitted: Fitted, names: Sequence[str]) -> tuple[Plan, bytes | None]:
    """The plan of a fitted estimator over columns of these names, and its trees."""
    family = family_of(fitted.estimator, [Column(name, ()) for name in names])
    places = _places(fitted, family)
    plan = Plan(family.columns, family.model, family.link, places, fitted.classes, family.factor, family.count)
    if not isinstance(family.model, Forest):
        return plan, None
    outputs, single = family.model.outputs, family.model.single
    return plan, onnx_of(family.trees, width=len(family.columns), outputs=outputs, single=single)


def _places(fitted: Fitted, family: Family) -> tuple[int, ...]:
    if fitted.task == "regression":
        if family.link not in ("identity", "exp"):
            raise NotCompiled("it gives chances where values are expected")
        return ()
    if family.link in ("identity", "exp"):
        raise NotCompiled("it gives values where chances are expected")
    sums = family.model.outputs if isinstance(family.model, Forest) else len(family.model.weights)
    columns = 2 if sums == 1 else sums
    return tuple(places_of(getattr(fitted.estimator, "classes_", None), columns, fitted.classes))
