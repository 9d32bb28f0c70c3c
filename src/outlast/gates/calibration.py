"""Whether a version's chances come true as often as they say.

Few rows look badly calibrated by luck alone, so a version fails only where the whole interval of its error lies above
the limit. Where the interval holds the limit, nothing was shown against it: what wrong chances would cost is asked by
the check of value, which wants its lower bound above the baseline whatever the reason.
"""

from typing import Any

from outlast.gates.case import Case
from outlast.gates.verdict import Check
from outlast.training.evaluation.calibration import calibration, of_top_class
from outlast.training.evaluation.value import Scored
from outlast.types import counted


def well_calibrated(case: Case) -> Check:
    """Whether the expected calibration error on the test rows is within the contract's limit, as far as can be said."""
    if case.candidate.task == "regression":
        return Check("calibration", True, "a regression gives no chances")
    limit = case.contract.gate.calibration
    known = (case.candidate.summary.get("evaluation") or {}).get("calibration")
    found = known or _measured(case.scored, case.candidate.number)  # versions of the first releases do not say
    error, rows = found["error"], counted(found["rows"], "test row")
    figure = f"chances are {error['value']:.3g} off on average ({error['low']:.3g} to {error['high']:.3g}) on {rows}"
    evidence = {"error": error, "large": found["large"], "slope": found["slope"], "rows": found["rows"]}
    evidence |= {"limit": limit, "decided": error["high"] <= limit or error["low"] > limit}
    if error["low"] > limit:
        says = f"{figure}, beyond {limit:g}: calibrate the model in `fit`, such as with CalibratedClassifierCV"
        return Check("calibration", False, says, evidence)
    if error["high"] <= limit:
        return Check("calibration", True, f"{figure}, within {limit:g}", evidence)
    return Check("calibration", True, f"{figure}: too few rows to say on which side of {limit:g}", evidence)


def _measured(scored: Scored, seed: int) -> dict[str, Any]:
    if scored.task == "binary":
        return calibration(scored.y, scored.table[:, 1], seed)
    return of_top_class(scored.y, scored.table, seed)
