"""Requests that arrive when they are due, at a server that answers, is slow, or refuses."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from slow_server import answering

from outlast.gates.latency import _held
from outlast.gates.load import Timed, load


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load of one second, and nothing asked after it."""
    for name, seconds in (("SECONDS", 1.0), ("_MORE", 0.0)):
        monkeypatch.setattr(f"outlast.gates.load.{name}", seconds)


@pytest.mark.usefixtures("short")
def test_a_server_that_falls_behind_is_not_spared_the_wait() -> None:
    """At 40 a second and 50 ms each, requests queue: from when they were due the last ones wait for a second."""
    with answering(200, seconds=0.05) as address:
        found = load(address, "/", [{}], 40.0, within=0.15, seed=1)
    assert found.failed == 0
    assert found.p99 > 600
    assert found.slow > found.requests / 2


@pytest.mark.parametrize("more", [0.0, 1.0])
@pytest.mark.usefixtures("short")
def test_refused_requests_are_counted_as_failed(more: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those asked when they are due, and those asked one by one after them."""
    monkeypatch.setattr("outlast.gates.load._MORE", more)
    with answering(503) as address:
        found = load(address, "/", [{}], 10.0, within=1.0, seed=1)
    assert found.failed == found.requests
    assert found.requests == 10 if more == 0.0 else found.requests > 10


@pytest.mark.parametrize(
    ("slow", "failed", "held"), [(0, 0, True), (1, 0, True), (3, 0, True), (4, 0, False), (0, 1, False)]
)
def test_of_a_hundred_answers_four_late_ones_are_more_than_luck(slow: int, failed: int, held: bool) -> None:
    assert _held(Timed(1.0, 1.0, 100, slow, failed, 0, 1.0, 0.1)) is held
