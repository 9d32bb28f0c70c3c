"""Equal or different, and because of what: a version made again, one part of its inputs changed at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from outlast.bundle.environments.locks import Lock, differences, lock_here
from outlast.bundle.environments.making import Environment, environment_of
from outlast.bundle.machine import processor
from outlast.errors import NotFound, StorageError
from outlast.project.workspace import Workspace
from outlast.registry.declarations import folder_of
from outlast.registry.versions import Version
from outlast.training.reproduce.bins import bins_taken, said_of_bins
from outlast.training.reproduce.changes import Instead, said_of, with_changes
from outlast.training.reproduce.inputs import PARTS, Inputs, Kept, Part, kept_inputs
from outlast.training.reproduce.isolated import Outcome, fit_apart
from outlast.training.reproduce.sources import sources_now
from outlast.training.steps import Steps, Watcher
from outlast.types import counted, listed


@dataclass(frozen=True)
class Reproduced:
    """Whether a version came out equal; None where that could not be found out. The cause names what differs."""

    equal: bool | None
    sentence: str
    cause: str | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


def reproducible_here(workspace: Workspace, version: Version, watcher: Watcher | None = None) -> Reproduced:
    """The quick form: fitted again in a process of its own, in the environment that is here."""
    return reproduce(workspace, version, Instead(environment="here"), watcher=watcher)


def reproduce(
    workspace: Workspace,
    version: Version,
    instead: Instead | None = None,
    *,
    anew: bool = False,
    watcher: Watcher | None = None,
) -> Reproduced:
    """Fit a version again from what was kept with it, in isolation, and say whether the bits are the same.

    With `instead`, something else takes the place of what was kept; where the bits then differ, each change is tried
    alone, and those that change them are named. `anew` makes environments again that were made before.
    """
    if "adopted" in version.lineage:
        return _adopted(version)
    try:
        kept = kept_inputs(workspace, version)
    except (NotFound, StorageError) as error:
        return Reproduced(None, str(error), "erased", {"version": str(version)})
    run = Runs(workspace, kept, Steps(watcher), anew)
    instead = instead or Instead()
    found = run.judged(with_changes(workspace, kept, instead))
    taken = bins_taken(workspace, version)
    more = {"bins": taken, **(run.of_sources() if instead.sources else {})}
    return replace(found, sentence=found.sentence + said_of_bins(taken, version.model), evidence=found.evidence | more)


def _adopted(version: Version) -> Reproduced:
    kept = version.lineage["adopted"]
    says = (
        f"{version} was adopted from {kept['from']}, trained elsewhere: there is no code and no data here that it was "
        "fitted from, so it cannot be made again"
    )
    return Reproduced(None, says, "adopted", {"version": str(version), "adopted": kept})


class Runs:
    """Fits of one version, each done once, and what they say together."""

    def __init__(self, workspace: Workspace, kept: Kept, steps: Steps, anew: bool) -> None:
        self._workspace, self.kept, self._steps, self._anew = workspace, kept, steps, anew
        self._done: dict[tuple[str, ...], Outcome] = {}
        self._environments: dict[str, Environment] = {}
        folder = folder_of(workspace, kept.version.model)
        self._closed = [] if folder is None else [folder]

    def judged(self, wanted: Inputs) -> Reproduced:
        """The verdict over the kept inputs with what is wanted in their place."""
        changed = [part for part in PARTS if wanted.named(part) != self.kept.inputs.named(part)]
        first = self._fitted(wanted, "retrain")
        if self._equal(first):
            return self._verdict(True, wanted, first, changed, ())
        if not changed:
            return self._unexplained(wanted, first)
        if changed == ["environment"] and wanted.environment is None:
            return self._elsewhere(wanted, first)
        return self._one_at_a_time(wanted, first, changed)

    def of_sources(self) -> dict[str, Any]:
        """What became of the sources."""
        return {"sources": sources_now(self._workspace, self.kept)}

    def _one_at_a_time(self, wanted: Inputs, first: Outcome, changed: Sequence[Part]) -> Reproduced:
        kept = self.kept.inputs
        if "environment" not in changed:
            kept = replace(kept, environment=wanted.environment)  # the same one, perhaps without making it
        control = self._fitted(kept, "retrain from what was kept")
        if not self._equal(control):
            return self._unexplained(kept, control)
        if len(changed) == 1:
            return self._verdict(False, wanted, first, changed, changed, control=control)
        alone = {part: self._fitted(_only(kept, wanted, part), f"change the {part} only") for part in changed}
        causes = [part for part, outcome in alone.items() if not self._equal(outcome)]
        return self._verdict(False, wanted, first, changed, causes or ["together"], control=control)

    def _elsewhere(self, wanted: Inputs, first: Outcome) -> Reproduced:
        """The quick form in another environment than the kept one: only a fit that is not steady is told apart."""
        again = self._fit(wanted, "retrain once more")
        if first.error is None and not first.same(again):
            return self._verdict(False, wanted, first, ["environment"], ["fit"], self._unsteady(first, again))
        return self._verdict(False, wanted, first, ["environment"], ["environment"])

    def _fitted(self, inputs: Inputs, step: str) -> Outcome:
        if inputs.key not in self._done:
            self._done[inputs.key] = self._fit(inputs, step)
        return self._done[inputs.key]

    def _fit(self, inputs: Inputs, step: str) -> Outcome:
        python = self._environment(inputs.environment).python
        with self._steps.step(step):
            return fit_apart(self.kept, inputs, python, self._closed)

    def _environment(self, lock: Lock | None) -> Environment:
        name = "here" if lock is None else lock.digest
        if name not in self._environments:
            with self._steps.step("make the environment") if lock else self._steps.step("this environment"):
                self._environments[name] = environment_of(lock, self._workspace.cache, anew=self._anew)
        return self._environments[name]

    def _equal(self, outcome: Outcome) -> bool:
        answers = self.kept.answers in (None, outcome.answers)
        return outcome.error is None and outcome.model == self.kept.model and answers and not outcome.moved

    def _unexplained(self, inputs: Inputs, outcome: Outcome) -> Reproduced:
        """What is left where nothing was changed: the machine, a Python that is not here, or what was not kept."""
        version, then = self.kept.version, self.kept.version.lineage["machine"]["processor"]
        differs = self._environment(inputs.environment).differs
        if outcome.error is not None:
            says = f"{version} could not be fitted again from what was kept: {outcome.error}"
            return Reproduced(None, says, None, self._evidence(inputs, outcome, (), ()))
        again = self._fit(inputs, "retrain once more")
        if not outcome.same(again):
            return self._verdict(False, inputs, outcome, (), ["fit"], self._unsteady(outcome, again))
        if differs:
            return self._verdict(False, inputs, outcome, (), ["environment"], "; ".join(differs))
        if then != processor():
            return self._verdict(False, inputs, outcome, (), ["hardware"], f"{processor()} instead of {then}")
        if self.kept.borrowed:
            build = "the build of Outlast that made it was not kept, and this one stands in"
            return self._verdict(False, inputs, outcome, (), ["environment"], build)
        unknown = "the fit reads something that is not kept with the version, such as a variable, a file or the time"
        return self._verdict(False, inputs, outcome, (), ["unknown"], unknown)

    def _unsteady(self, first: Outcome, again: Outcome) -> str:
        same = first.answers == again.answers
        how = "the same answers from another model file" if same else f"other answers: {_apart(first, again)}"
        return (
            f"two fits from the very same inputs give {how}; fix every seed of what fit uses, "
            "and ask the library for its deterministic way"
        )

    def _verdict(
        self,
        equal: bool,
        inputs: Inputs,
        outcome: Outcome,
        changed: Sequence[Part],
        causes: Sequence[str],
        says: str = "",
        *,
        control: Outcome | None = None,
    ) -> Reproduced:
        evidence = self._evidence(inputs, outcome, changed, causes)
        name, where = self.kept.version, self._environment(inputs.environment).says
        if equal:
            despite = f", also with {self._said(inputs, changed)}" if changed else ""
            parts = f"the model's file, {counted(outcome.features, 'feature')} and every answer on the test rows"
            return Reproduced(
                True, f"{name} is equal, bit for bit{despite}: {parts}; fitted in {where}", None, evidence
            )
        cause, blames = " and ".join(causes), listed([f"the {_WORDS.get(one, one)}" for one in causes])
        blamed = [part for part in changed if part in causes or causes == ["together"]]
        one = said_of(blamed[0], self.kept.inputs, inputs) if len(blamed) == 1 else ""
        said = says or one or self._said(inputs, blamed)
        far = "" if control is None else f"; {_apart(control, outcome)}"
        if outcome.error is not None:
            far = f"; with that, {outcome.error}"
        return Reproduced(False, f"{name} comes out different because of {blames}: {said}{far}",
                          cause, evidence)  # fmt: skip

    def _said(self, inputs: Inputs, parts: Sequence[Part]) -> str:
        return "; ".join(f"{part}: {said_of(part, self.kept.inputs, inputs)}" for part in parts)

    def _evidence(
        self, inputs: Inputs, outcome: Outcome, changed: Sequence[str], causes: Sequence[str]
    ) -> dict[str, Any]:
        kept = self.kept
        parts = {
            "model": outcome.model == kept.model,
            "answers": None if kept.answers is None else outcome.answers == kept.answers,
            "features": outcome.error is None and not outcome.moved,
        }
        return {
            "version": str(kept.version),
            "parts": parts,
            "features_moved": outcome.moved,
            "changed": {part: said_of(part, kept.inputs, inputs) for part in PARTS if part in changed},
            "causes": list(causes),
            "environment": {
                "says": self._environment(inputs.environment).says,
                "differs": list(self._environment(inputs.environment).differs),
                "here": differences(kept.inputs.environment or lock_here(), lock_here()),
            },
            "processor": {"then": kept.version.lineage["machine"]["processor"], "now": processor()},
            "error": outcome.error,
            "seconds": dict(self._steps.seconds),
        }


_WORDS = {
    "together": "changes together, and of none of them alone",
    "fit": "fit, which is not steady",
    "unknown": "run itself",
}


def _only(kept: Inputs, wanted: Inputs, part: Part) -> Inputs:
    """What was kept, with one part of what is wanted."""
    return replace(kept, **{part: getattr(wanted, part)})


def _apart(one: Outcome, other: Outcome) -> str:
    """How far the answers of two fits are from each other."""
    if one.table is None or other.table is None or one.table.shape != other.table.shape:
        return "its answers are about other rows"
    gap = abs(one.table - other.table)
    rows = int((gap.max(axis=1) > 0).sum())
    if not rows:
        return "every answer on the test rows is the same, and the model's file is not"
    return f"answers differ on {rows:,} of {counted(len(gap), 'test row')}, by {gap.max():.2g} at the most"
