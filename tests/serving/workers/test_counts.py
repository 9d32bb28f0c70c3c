"""Counters of several processes, added up."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from outlast.serving.workers.counts import Counts

COUNT = """
import os, signal, sys
from pathlib import Path
from prometheus_client import CollectorRegistry, Counter, Histogram
from outlast.serving.workers.counts import Counts
Counts(Path(sys.argv[1]), int(sys.argv[2]))
registry = CollectorRegistry()
counter = Counter("asked", "Asked.", ["by"], registry=registry)
took = Histogram("took", "Took.", buckets=(1, 2), registry=registry)
for n in range(1000):
    counter.labels("ann").inc()
    took.observe(n % 3)
for n in range(400):
    counter.labels("x" * 200 + str(n)).inc()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def counts(tmp_path: Path) -> Iterator[Counts]:
    found = Counts(tmp_path, 0)
    yield found
    found.close()


def test_what_killed_processes_counted_counts_and_their_successors_go_on(tmp_path: Path, counts: Counts) -> None:
    for slot in (1, 2, 1):
        command = [sys.executable, "-c", COUNT, str(tmp_path), str(slot)]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    registry = CollectorRegistry()
    counter = Counter("asked", "Asked.", ["by"], registry=registry)
    counter.labels("ann").inc(5)
    counter.labels("bob").inc()
    found = {(one.name, *one.labels.values()): one.value for f in counts.collected(registry) for one in f.samples}
    assert found["asked_total", "ann"] == 3005
    assert found["asked_total", "bob"] == 1
    assert found["asked_total", "x" * 200 + "399"] == 3
    assert (found["took_bucket", "1.0"], found["took_bucket", "2.0"], found["took_bucket", "+Inf"]) == (
        2001,
        3000,
        3000,
    )
    assert (found["took_count",], found["took_sum",]) == (3000, 2997)
    assert sorted(os.listdir(tmp_path)) == [
        "counter_0.db",
        "counter_1.db",
        "counter_2.db",
        "histogram_1.db",
        "histogram_2.db",
    ]


def test_the_text_is_that_of_one_process(tmp_path: Path) -> None:
    alone = CollectorRegistry()
    expected = text(alone, alone)
    counts, registry = Counts(tmp_path, 0), CollectorRegistry()

    class Shown(Collector):
        def collect(self) -> Iterable[Metric]:
            return counts.collected(registry)

    assert text(registry, Shown()) == expected
    counts.close()


def text(registry: CollectorRegistry, shown: Collector) -> list[str]:
    asked = Counter("asked", "Asked.", ["by"], registry=registry)
    took = Histogram("took", "Took.", ["step"], buckets=(1, 2), registry=registry)
    Gauge("up", "Up.", registry=registry).set(1)
    asked.labels("ann").inc(2)
    took.labels("all").observe(1.5)
    lines = generate_latest(shown).decode().splitlines()
    return sorted(line for line in lines if "_created" not in line and not line.startswith("#"))
