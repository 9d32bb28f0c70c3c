"""What says why: the function behind `why`, apart from the others so that it loads little."""

from collections.abc import Mapping

from outlast.control.acting import Acting, Do
from outlast.control.operations import WHY
from outlast.control.shapes import Asking
from outlast.errors import RequestError
from outlast.evidence.told import Why
from outlast.evidence.why import is_prediction, why_prediction, why_version


def _why(acting: Acting, about: Asking) -> Why:
    if is_prediction(acting.workspace, about.model or ""):
        return why_prediction(acting.workspace, about.model or "", sees=acting.sees, explain=about.explain)
    if about.explain:
        raise RequestError(f"'{about.model}' is a version: give the id of one of its answers to explain")
    return why_version(acting.workspace, about.ref)


DO: Mapping[str, Do] = {WHY.name: _why}
