"""How bad a finding is: by what it costs a day, held against what the model is worth a day."""

from outlast.monitoring.incidents.incident import Level
from outlast.monitoring.judge import Finding

GRAVE = 4.0
"""So many times the contract's tolerance, and it is the gravest: a fifth of the value at stake, by default."""
DRIFT = frozenset({"feature-drift", "score-drift", "drift"})
MOVEMENT = DRIFT | {"feature-jump", "multivariate", "label-drift"}
"""What tells that something has moved and not that anything is lost."""
SURE = 2.25
"""Movement is looked at again and again, and a bad day may come with it: it pages by a limit of the harm so many times
further from the estimate than the interval's. 2.25 x 1.96 standard errors are exceeded by chance once in 175,200 looks,
as often as a page is by default."""
LEVELS: tuple[Level, ...] = ("SEV1", "SEV2", "SEV3")
"""The gravest first."""


def level(finding: Finding, tolerance: float) -> Level:
    """SEV1 and SEV2 are pages, SEV3 is a ticket.

    A loss of money is weighed by the lower end of its interval, so that what may be chance wakes nobody. A page without
    a measure of doubt is a break that needs no statistics. What has no price goes by the word of who found it. Movement
    pages where a loss is sure; before that the detectors of losses do, which have a budget of false pages. A fault of
    fewer rows than the tolerance is a ticket until its cost is known: they cannot lose more than they are worth.
    """
    if finding.severity == "page" and finding.deviation is None and finding.harm is None:
        return "SEV1"
    harm = finding.harm
    if harm is not None and harm.stake:
        doubt = harm.per_day - harm.low
        share = (harm.per_day - (SURE if finding.kind in MOVEMENT else 1.0) * doubt) / harm.stake
        return "SEV1" if share >= GRAVE * tolerance else "SEV2" if share >= tolerance else "SEV3"
    if finding.reach is not None and finding.reach < tolerance:
        return "SEV3"
    return "SEV2" if finding.severity == "page" else "SEV3"


def benign(finding: Finding, tolerance: float) -> bool:
    """Whether something moved that costs less than the tolerance, even at the upper end of the interval."""
    harm = finding.harm
    return finding.kind in DRIFT and harm is not None and bool(harm.stake) and harm.high < tolerance * (harm.stake or 0)


def gravest(levels: list[Level]) -> Level:
    """The gravest of some.

    >>> gravest(["SEV3", "SEV1"])
    'SEV1'
    """
    return min(levels, key=LEVELS.index)
