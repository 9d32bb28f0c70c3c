"""Whether a version can be made again: fitted from what was kept with it, in a process of its own, to the same bits."""

from outlast.gates.case import Case
from outlast.gates.verdict import Check
from outlast.training.reproduce.again import reproducible_here


def made_again(case: Case) -> Check:
    """Whether the fit comes out equal in the environment that is here."""
    found = reproducible_here(case.workspace, case.candidate)
    if found.cause == "adopted":
        return _adopted(case)
    says = found.sentence if found.equal else f"{found.sentence}: see outlast reproduce {case.candidate}"
    return Check("reproducible", found.equal, says, {"cause": found.cause, **found.evidence})


def _adopted(case: Case) -> Check:
    """A model trained elsewhere cannot be: whether the contract takes one all the same."""
    kept = case.candidate.lineage["adopted"]
    says = f"adopted from {kept['from']}, so it cannot be made again; not known: {', '.join(kept['absent'])}"
    if case.contract.gate.adopted:
        return Check("reproducible", True, f"{says}; the contract accepts that", {"adopted": kept})
    do = "accept that with `adopted = true` under [gate] and outlast apply, or train it here"
    return Check("reproducible", False, f"{says}: {do}", {"adopted": kept})
