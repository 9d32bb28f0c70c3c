"""Whether a version can be made again: fitted from what was kept with it, in a process of its own, to the same bits."""

from outlast.gates.case import Case
from outlast.gates.verdict import Check
from outlast.training.reproduce.again import reproducible_here


def made_again(case: Case) -> Check:
    """Whether the fit comes out equal in the environment that is here."""
    found = reproducible_here(case.workspace, case.candidate)
    says = found.sentence if found.equal else f"{found.sentence}: see outlast reproduce {case.candidate}"
    return Check("reproducible", found.equal, says, {"cause": found.cause, **found.evidence})
