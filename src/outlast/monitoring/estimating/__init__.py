"""How well a model does before its labels are here, with an interval that says how far that can be trusted.

Counts and the version's past are enough: no row, no ledger. What cannot be estimated is said to be so, with the reason.
"""

from outlast.monitoring.estimating.estimate import Estimate, NotEstimable, estimate, weighed
from outlast.monitoring.estimating.figure import Figure
from outlast.monitoring.estimating.live import Live, Matured
from outlast.monitoring.estimating.widening import Widening, rehearsed

__all__ = ["Estimate", "Figure", "Live", "Matured", "NotEstimable", "Widening", "estimate", "rehearsed", "weighed"]
