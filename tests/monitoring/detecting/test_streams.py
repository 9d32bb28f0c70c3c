"""Every bet is fair or worse where its limit is kept: the expectation of what it pays is at most 1."""

import numpy as np
import pytest

from outlast.monitoring.detecting.bets import upper
from outlast.monitoring.detecting.planning import family
from outlast.monitoring.detecting.streams import FORMS, dyadic, losses
from outlast.monitoring.detecting.tables import Table

RNG = np.random.default_rng(5)
FROZEN = [name for name, form in FORMS.items() if not form.follows]
"""Families whose weights are the reference's; those of a course have tests of their own."""


def reference(name) -> Table:
    source = FORMS[name].source
    if source in ("loss", "slices", "estimated"):
        rows = RNG.integers(100, 40_000, size=3)
        return Table(("a", "b", "c"), np.stack([rows, rows * 1000 * RNG.random(3) * 0.3], axis=1).astype(np.int64))
    if source == "calibration":
        counts = RNG.integers(0, 3000, size=(1, 20, 2))
        counts[0, 3] = 0
        return Table(("calibration",), counts)
    cells = 2 if source == "outcomes" else 20
    counts = RNG.integers(0, 3000, size=(3, cells))
    counts[1, cells // 2 :] = 0
    counts[1, 0] = 1
    return Table(("a", "b", "c"), counts, kinds=("number", "category", "number"))


def shares_of(table: Table, name):
    fold = FORMS[name].fold
    counts = np.asarray(table.counts if fold is None else fold(table.counts), float)
    return counts / counts.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", FROZEN)
def test_no_bet_gains_by_rows_like_those_of_the_reference(name):
    table = reference(name)
    shares = shares_of(table, name)
    one = family(name, FORMS[name], table, 1.0)
    pays = np.einsum("jc,jci->ji", shares, np.exp(one.weights(0)))
    assert (pays <= 1 + 1e-12).all()
    words = np.array([kind == "category" for kind in table.kinds or ("number",) * len(table.keys)])
    none = words & (one.bets.names[0].what == "below")  # a category has no range
    assert one.bets.weight.sum(axis=1) == pytest.approx(np.where(none, 0.0, 1.0))
    assert ((one.prior > 0) == ~none).all()
    assert one.prior.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["features", "loss", "rates", "ranges", "outcomes"])
def test_rows_at_the_very_limit_are_a_fair_game(name):
    """Where the mean of the functional is m itself, the bet's expectation is 1: nothing is given away."""
    table = reference(name)
    one = family(name, FORMS[name], table, 1.0)
    bets, shares = one.bets, shares_of(table, name)
    limits = bets.limits(shares)
    binary = np.isin(bets.values, (0.0, 1.0)).all(axis=2) & (bets.weight > 0) & (limits < 0.9)
    stream, bet = (side[0] for side in np.nonzero(binary))
    hit = bets.values[stream, bet] == 1
    pays = np.exp(one.weights(0)[stream, :, bet])
    m = limits[stream, bet]
    assert m * pays[hit].mean() + (1 - m) * pays[~hit & bets.on[stream, bet]].mean() == pytest.approx(1.0)


def test_the_chord_of_a_loss_lies_below_what_each_row_would_have_paid():
    table = Table(("all",), np.array([[20_000, 2_000_000]]))
    one = family("loss", FORMS["loss"], table, 1.0)
    values = RNG.beta(0.5, 4.0, size=500)
    limit, stake = one.bets.limits(shares_of(table, "loss"))[0, 0], one.bets.stake[0, 0]
    mills = np.round(values * 1000)
    chord = losses(np.array([[500, mills.sum()]]))[0] @ one.weights(0)[0][:, 0]
    assert chord <= np.log1p(stake * (mills / 1000 - limit)).sum()
    coins = np.array([[500, 60_000]])
    exact = 60 * np.log1p(stake * (1 - limit)) + 440 * np.log1p(-stake * limit)
    assert losses(coins)[0] @ one.weights(0)[0][:, 0] == pytest.approx(exact)


def test_groups_of_score_cells_are_eighths_quarters_halves_and_all():
    groups = dyadic(20)
    assert [len(group) for group in groups] == [3, 2, 2, 2, 2, 2, 2, 3, 5, 4, 4, 5, 9, 9, 18]
    assert sorted(groups[-1]) == [*range(16), 17, 18]


def test_what_was_never_seen_has_a_limit_above_nothing():
    assert upper(np.array([0, 0]), np.array([50_000, 500]), 3.0) == pytest.approx([0.00018, 0.0177], rel=0.01)


@pytest.mark.parametrize("name", FROZEN)
def test_evidence_is_what_the_weights_of_its_cells_add_up_to(name):
    table = reference(name)
    one = family(name, FORMS[name], table, 1.0)
    counts = one.folded(table.counts)
    shares = one.season.overall
    by_cell = np.einsum("jc,jci->ji", counts, one.bets.weights(shares))
    assert one.bets.evidence(counts, one.bets.paying(shares)) == pytest.approx(by_cell)
