"""A foreign model in the place of what fit returns, and what nobody can know of it."""

from dataclasses import dataclass
from typing import Any

from outlast.bundle.foreign import Foreign, ForeignChances
from outlast.errors import TrainingError, nearest
from outlast.project.loader import Project
from outlast.training.adopting.opening import Opened
from outlast.training.adopting.origins import Origin
from outlast.training.dataset import Dataset

ABSENT = {
    "training data": "which rows it was trained on is not known, so the rows it is tested on may be among them",
    "code": "what code fitted it is not known: the project's fit was not called",
    "parameters and seed": "how it was fitted is known only as far as the estimator says",
    "environment": "what it was trained with is not known: the lock is that of the adoption",
    "reproduction": "it cannot be made again: there is nothing to fit it from",
}
"""What is known of every other version and of no adopted one."""


@dataclass(frozen=True, eq=False)
class Adopted:
    """A foreign model, opened: it takes the place of what fit returns."""

    origin: Origin
    opened: Opened

    def fitted(self, project: Project, dataset: Dataset) -> Any:
        """The model, given the columns it knows of the project's features; TrainingError where it wants others."""
        names, plain = self._columns(project, dataset), self.opened.names is None
        kind = ForeignChances if hasattr(self.opened.estimator, "predict_proba") else Foreign
        return kind(self.opened.estimator, names, self._words(dataset), plain=plain)

    def kept(self, dataset: Dataset) -> dict[str, Any]:
        """What a version's summary and lineage keep of where it comes from."""
        names = self.opened.names
        unused = [] if names is None else [name for name in dataset.features if name not in names]
        notes = list(self.opened.notes)
        if names is None:
            notes.append("it names no columns: it was given the features in the order of the project")
        if dataset.task == "multiclass" and self._words(dataset) is None:
            notes.append(f"its classes are numbers: they were taken for {', '.join(dataset.classes)}, in this order")
        return {
            "from": self.origin.said,
            "digest": self.origin.digest,
            "kind": self.opened.kind,
            "absent": ABSENT,
            "unused": unused,
            "notes": notes,
        }

    def _columns(self, project: Project, dataset: Dataset) -> tuple[str, ...]:
        if self.opened.names is not None:
            return self._named(project, dataset, self.opened.names)
        width, features = self.opened.width, dataset.features
        if width is not None and width != len(features):
            raise TrainingError(
                f"'{self.origin.said}' takes {width} columns, which it does not name, and the features of model "
                f"'{project.model.name}' are {len(features)} ({', '.join(features)}): describe the same in model.py"
            )
        words = [name for name, kind in dataset.x.schema.items() if not (kind.is_numeric() or str(kind) == "Boolean")]
        if words:
            raise TrainingError(
                f"'{self.origin.said}' takes numbers by their place, and the feature '{words[0]}' of model "
                f"'{project.model.name}' is none: give numbers only, or adopt a pipeline that was fitted on a frame"
            )
        return features

    def _named(self, project: Project, dataset: Dataset, names: tuple[str, ...]) -> tuple[str, ...]:
        lacking = [name for name in names if name not in dataset.features]
        if not lacking:
            return names
        spare = [name for name in dataset.features if name not in names]
        hint = nearest(lacking[0], spare) if spare else "all of its features are used"
        beside = f"; the features that it does not know are {', '.join(spare)}" if spare else ""
        raise TrainingError(
            f"'{self.origin.said}' was trained on {', '.join(repr(name) for name in lacking)}, which model "
            f"'{project.model.name}' does not have ({hint}){beside}: describe the same columns in model.py"
        )

    def _words(self, dataset: Dataset) -> list[str] | None:
        """Our classes, where the model answers in words; None where it answers in our codes."""
        known = getattr(self.opened.estimator, "classes_", None)
        if dataset.task == "regression" or known is None:
            return None
        said = [str(one) for one in known]
        if all(isinstance(one, str) for one in known) and set(said) <= set(dataset.classes):
            return list(dataset.classes)
        if {one.lower() for one in said} <= {"0", "1", "0.0", "1.0", "false", "true"} or all(
            one.isdigit() for one in said
        ):
            return None
        raise TrainingError(
            f"'{self.origin.said}' tells {', '.join(said[:6])} apart, and the label of this model is "
            f"{', '.join(dataset.classes)}: write the label in model.py so that it says the same"
        )
