"""A year of hourly checks of a hundred features, in a process of its own: `_year.py COUNTS PAST SEASON KEPT JUMPS`.

All families that watch features take part. The counts come from mapped files, so that the memory is the detectors' own;
what planning took of the past is measured apart, since a version is planned for once.
"""

import json
import re
import sys
import time
from pathlib import Path

import numpy as np

from outlast.monitoring.detecting.bank import Bank
from outlast.monitoring.detecting.keeping import to_bytes
from outlast.monitoring.detecting.planning import Budget, planned
from outlast.monitoring.detecting.streams import FORMS
from outlast.monitoring.detecting.tables import HOUR, SLOTS, Season, Table


def seasoned(bank: Bank) -> None:
    """Let every hour of the week expect its own: the slower way, which a past with a season takes."""
    for one in bank.families:
        by_slot = np.repeat(one.season.overall[None], SLOTS, axis=0)
        object.__setattr__(one, "season", Season(one.season.overall, by_slot))


def peak() -> float:
    """The most memory this process has had, in MB, since it was asked last; getrusage knows the parent's too."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    Path("/proc/self/clear_refs").write_text("5")
    return int(found[1]) / 1000


def tables(past: np.ndarray) -> dict[str, Table]:
    """The reference of the features, and how they moved along the past."""
    keys = tuple(f"f{i}" for i in range(past.shape[1]))
    whole, kinds = past.sum(axis=0, dtype=np.int64), ("number", "category") * (len(keys) // 2)
    starts = np.arange(len(past), dtype=np.int64) * HOUR
    return {"features": Table(keys, whole, kinds=kinds), "course": Table(keys, whole, past, starts, kinds)}


counts, past = (np.load(name, mmap_mode="r") for name in sys.argv[1:3])
begun = time.process_time()
forms = {name: form for name, form in FORMS.items() if name != "jumps" or sys.argv[5] == "jumps"}
plan = planned(tables(past), Budget(), forms=forms)
planning = {"seconds": time.process_time() - begun, "megabytes": peak()}
begun = time.process_time()
states, alarms = [bank.begin() for bank in plan.banks], 0
if sys.argv[3] == "seasonal":
    for bank in plan.banks:
        seasoned(bank)
for check in range(len(counts)):
    given = {"features": counts[check], "course": counts[check]}
    for place, bank in enumerate(plan.banks):
        states[place], found = bank.step(states[place], given, (len(past) + check) * HOUR)
        alarms += len(found)
        if sys.argv[4] == "kept":
            to_bytes(states[place])
seconds = time.process_time() - begun
families = sorted({one.name for bank in plan.banks for one in bank.families})
told = {"seconds": seconds, "megabytes": peak(), "alarms": alarms, "planning": planning, "families": families}
print(json.dumps(told))
