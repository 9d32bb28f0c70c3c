"""Adopting a model trained elsewhere: a version like any other, with what nobody can know of it written down."""

from datetime import datetime

from outlast.errors import Refused
from outlast.project.loader import Project
from outlast.training.adopting.adopted import Adopted
from outlast.training.adopting.opening import opened
from outlast.training.adopting.origins import origin_of
from outlast.training.keeping import Keeper
from outlast.training.run import Trained, train
from outlast.training.steps import Watcher


def adopt(
    project: Project,
    place: str,
    *,
    trust: bool,
    by: str,
    now: datetime,
    watcher: Watcher | None = None,
    keeper: Keeper | None = None,
) -> Trained:
    """Evaluate, prove and register a model from a file or from MLflow in the place of what the project's fit gives."""
    with origin_of(place, project.workspace) as origin:
        if not trust:
            raise Refused(
                f"Opening '{origin.said}' executes whatever its file says, which nothing here can check: adopt it with "
                f"--trust if you know who wrote it (its digest is {origin.digest})"
            )
        adopted = Adopted(origin, opened(origin))
    return train(project, by=by, now=now, watcher=watcher, keeper=keeper, adopted=adopted)
