"""Experiment 10, the part on causes: faults are put in, and the account of the harm has to name each first."""

from collections import Counter

import numpy as np
from _faults import Shop, decoy, faults
from _said import Result, binomial_interval

from outlast.monitoring.causes import account

ROWS = 8_000
"""Answers since the harm began: four days of 2,000."""


def experiment_10_causes(quick: bool) -> list[Result]:
    shops = [Shop(seed) for seed in ((11,) if quick else (11, 12, 13))]
    named, of = Counter(), Counter()
    first = firsts = 0
    for number, shop in enumerate(shops):
        several = faults(np.random.default_rng([10, number]))[:: 5 if quick else 1]
        for place, fault in enumerate(several):
            rows = shop.rows(ROWS, 1_000 * number + place, fault, decoy(place))
            found = account(shop.case(rows)).first
            right = found is not None and found.name == fault.name
            named[fault.kind] += right
            of[fault.kind] += 1
            if number == 0:
                first, firsts = first + right, firsts + 1
    hits, tries = sum(named.values()), sum(of.values())
    low, high = binomial_interval(hits, tries)
    by_kind = ", ".join(f"{kind} {named[kind]} of {of[kind]}" for kind in of)
    return [
        Result(10, f"{tries} faults, {len(shops)} models, another column moving at the same time: the true one first",
               f"{hits / tries:.0%} ({low:.0%}–{high:.0%}); {by_kind}", "at least 80 %", hits >= 0.8 * tries,
               {"named": dict(named), "of": dict(of), "first": first, "firsts": firsts}),
    ]  # fmt: skip
