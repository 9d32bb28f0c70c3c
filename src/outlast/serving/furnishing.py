"""The house of a server: whether versions are proven in spare processes first, and for how long at most."""

from collections.abc import Collection

from outlast.bundle.predictor import open_predictor
from outlast.bundle.replay import open_proven
from outlast.errors import SettingsError
from outlast.project.workspace import OFF, Workspace
from outlast.serving.house import House
from outlast.serving.loading import Opener
from outlast.serving.spare.prover import Prover, Tell
from outlast.types import duration


def house_of(
    workspace: Workspace, name: str, models: Collection[str] | None, opener: Opener | None, *, tell: Tell
) -> House:
    """Versions proven in spare processes first; without a time for that, or with an opener, opened here at once."""
    limit = workspace.settings.proving
    if opener is not None or limit == OFF:
        return House(workspace, opener or open_proven, server=name, models=models)
    prover = Prover(workspace, seconds=_seconds(limit), tell=tell)
    return House(workspace, open_predictor, server=name, models=models, prover=prover)


def _seconds(limit: str) -> float:
    try:
        return duration(limit).total_seconds()
    except SettingsError as error:
        raise SettingsError(f"OUTLAST_PROVING is '{limit}': expected a time such as 30s, or off") from error
