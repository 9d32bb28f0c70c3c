"""Which cohorts wait for their labels."""

from datetime import timedelta

import numpy as np

from outlast.monitoring.counting.waiting import LEAST, TOGETHER, Waiting

HOUR = 3_600_000_000


def test_a_cohort_waits_where_labels_of_those_before_it_still_came():
    slow = {hour * HOUR: (LEAST, 10 if 3 <= hour < 6 else 0) for hour in range(60)}
    waiting = Waiting().after(slow, HOUR)
    assert waiting.held == ((4 * HOUR, 28 * HOUR),)  # from the next on, until 20 of 2,400 are too few
    moments = np.array([4 * HOUR - 1, 4 * HOUR, 28 * HOUR - 1, 28 * HOUR])
    assert waiting.waits(moments).tolist() == [False, True, True, False]
    due = waiting.due(moments, timedelta(days=1)) - moments
    assert (due // (24 * HOUR)).tolist() == [1, 3, 3, 1]


def test_it_is_the_same_in_however_many_parts_it_is_seen():
    rng = np.random.default_rng(2)
    every = [(hour * HOUR, (30, int(rng.binomial(30, 0.02)))) for hour in range(200)]
    halves = [(start, (10, slow // 2), (20, slow - slow // 2)) for start, (_, slow) in every]
    whole = Waiting().after(dict(every), HOUR)
    parts = Waiting()
    for start, one, other in halves:
        parts = parts.after({start: one}, HOUR).after({start: other}, HOUR)
    assert parts == whole
    assert whole.held
    assert len(whole.seen) == TOGETHER + 1
    assert Waiting.read(whole.plain()) == whole


def test_what_is_decided_about_a_cohort_stays():
    waiting = Waiting().after({hour * HOUR: (LEAST, 5) for hour in range(40)}, HOUR)
    late = waiting.after({3 * HOUR: (LEAST, LEAST), 39 * HOUR: (1, 0)}, HOUR)
    assert late.held == waiting.held == ((HOUR, 40 * HOUR),)
    assert waiting.open(39 * HOUR, 50 * HOUR)
    assert not waiting.open(40 * HOUR, 50 * HOUR)
    assert waiting.without(40 * HOUR).held == ()


def test_few_decisions_do_not_make_the_next_wait():
    assert Waiting().after({0: (LEAST - 1, 50), HOUR: (1, 1)}, HOUR).held == ()
