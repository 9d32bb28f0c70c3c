"""Which of the features that moved carry the mix: Shapley values over importance weights on the kept sample.

A coalition of features is what the sample loses when it is weighed so that those features have their live shares and
the others follow as they go with them. Each feature is given its mean part over all orders.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from outlast.data.past import Past
from outlast.monitoring.causes.split import usual_loss
from outlast.monitoring.estimating.live import Live
from outlast.monitoring.estimating.ratio import weighed

MOST = 6
"""Features at the most: 64 coalitions, each a fit. Eight would be 256 and take eight seconds."""
_ROWS = 2_000


def shared(past: Past, live: Live, features: Sequence[int]) -> dict[int, float]:
    """What each of these features carries of the mix; together, what weights on all of them explain."""
    players = tuple(features)[:MOST]
    if not players:
        return {}
    sample = past.sample.part(np.arange(0, len(past.sample.at), -(-len(past.sample.at) // _ROWS)))
    usual = usual_loss(past.totals.by_leaf)[past.tree.leaves(sample.cells), sample.score_cells]
    worth: dict[frozenset[int], float] = {frozenset(): 0.0}
    for size in range(1, len(players) + 1):
        for group in combinations(players, size):
            weights = weighed(sample.cells, live, group)
            worth[frozenset(group)] = float((weights * usual).mean() - usual.mean())
    return {player: _part(player, players, worth) for player in players}


def _part(player: int, players: Sequence[int], worth: Mapping[frozenset[int], float]) -> float:
    others = [one for one in players if one != player]
    total = 0.0
    for size in range(len(players)):
        often = math.factorial(size) * math.factorial(len(others) - size) / math.factorial(len(players))
        for group in combinations(others, size):
            joined = frozenset(group)
            total += often * (worth[joined | {player}] - worth[joined])
    return total
