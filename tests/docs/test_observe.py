"""The page about metrics has all of them, and no other."""

import re
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from outlast.serving.metrics import SECONDS, Metrics

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "observe.md").read_text("utf-8")


def test_the_table_of_metrics_is_what_a_server_says() -> None:
    rows = re.findall(r"^\| `(outlast_\w+)` \| (\w+) \| ([^|]*)\|", PAGE, flags=re.MULTILINE)
    said = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    metrics = Metrics()
    collectors = {
        one: next(iter(one.collect())) for one in {*metrics._registry._collector_to_names} if list(one.collect())
    }
    found = {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            tuple(one._labelnames) if isinstance(one, MetricWrapperBase) else ("step",),
        )
        for one, family in collectors.items()
    }
    assert said == found


def test_the_table_of_steps_is_what_a_server_times() -> None:
    steps = PAGE.partition("### Steps")[2].partition("### Alerts")[0]
    assert tuple(re.findall(r"^\| `([\w ]+)` \|", steps, flags=re.MULTILINE)) == SECONDS
