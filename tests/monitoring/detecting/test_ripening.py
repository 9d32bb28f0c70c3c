import numpy as np

from outlast.monitoring.detecting.ripening import ripe


def test_a_cohort_waits_for_every_earlier_one():
    asked, here = np.full(6, 100), np.array([99, 96, 80, 100, 100, 100])
    assert ripe(asked, here, together=1) == 2
    assert ripe(asked, np.full(6, 95), together=1) == 6
    assert ripe(asked, np.zeros(6), together=1) == 0


def test_one_cohort_that_lags_by_chance_is_carried_by_those_before_it():
    asked, here = np.full(30, 50), np.full(30, 49)
    here[20] = 45
    assert ripe(asked, here, together=1) == 20
    assert ripe(asked, here) == 30


def test_without_cohorts_none_is_ripe():
    assert ripe(np.zeros(0), np.zeros(0)) == 0
