"""An answer of the journal explained again, from the features that were kept with it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from outlast.bundle.explaining.explains import Explains
from outlast.bundle.predictor import open_bundle
from outlast.errors import Unexplained
from outlast.project.workspace import Workspace
from outlast.types import Explanation


def explained(workspace: Workspace, kept: Mapping[str, Any], of: str | None = None) -> Explanation:
    """What each feature added to a prediction as `find_predictions` gives it; none of the version's code is run."""
    if kept["asks"] is None or kept["features"] is None:
        raise Unexplained("No contributions: [journal] sample left out what this was computed from")
    explains = Explains(partial(open_bundle, workspace, kept["digest"]))
    return explains.again({**kept["asks"], **kept["features"]}, kept["rung"], kept["score"], kept["scores"], of=of)
