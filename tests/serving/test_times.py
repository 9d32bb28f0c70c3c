"""Histograms of our own, held to those of Prometheus."""

import random

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from outlast.serving.times import BOUNDS, Times


def test_they_say_what_prometheus_own_say() -> None:
    chance = random.Random(3)
    seconds = [0.0, *BOUNDS, 99.0, *(chance.expovariate(100) for _ in range(500))]
    ours, theirs = Times("steps", "Time.", ["a", "b"]), CollectorRegistry()
    expected = Histogram("steps", "Time.", ["step"], buckets=BOUNDS, registry=theirs)
    for step in ("a", "b"):
        expected.labels(step)
    for one in seconds:
        ours.add("b", one)
        expected.labels("b").observe(one)
    ours.add_all([("", 0.0), ("a", 0.5), ("b", 0.75), ("a", 2.75)])
    for step, took in (("a", 0.5), ("b", 0.25), ("a", 2.0)):
        expected.labels(step).observe(took)
    registry = CollectorRegistry()
    registry.register(ours)
    told = [line for line in generate_latest(theirs).decode().splitlines() if "_created" not in line]
    assert generate_latest(registry).decode().splitlines() == told
