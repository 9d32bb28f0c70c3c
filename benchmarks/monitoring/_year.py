"""A year of hourly checks of a hundred features, in a process of its own: `_year.py COUNTS REFERENCE SEASON KEPT`.

The counts come from a mapped file, so that the memory is the detectors' own.
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
from outlast.monitoring.detecting.tables import HOUR, SLOTS, Season, Table


def seasoned(bank: Bank) -> None:
    """Let every hour of the week expect its own: the slower way, which a past with a season takes."""
    for one in bank.families:
        by_slot = np.repeat(one.season.overall[None], SLOTS, axis=0)
        object.__setattr__(one, "season", Season(one.season.overall, by_slot))


counts, reference = np.load(sys.argv[1], mmap_mode="r"), np.load(sys.argv[2])
begun = time.process_time()
kinds = ("number", "category") * (len(reference) // 2)
plan = planned({"features": Table(tuple(f"f{i}" for i in range(len(reference))), reference, kinds=kinds)}, Budget())
states, alarms = [bank.begin() for bank in plan.banks], 0
if sys.argv[3] == "seasonal":
    for bank in plan.banks:
        seasoned(bank)
for check in range(len(counts)):
    given = {"features": counts[check]}
    for place, bank in enumerate(plan.banks):
        states[place], found = bank.step(states[place], given, check * HOUR)
        alarms += len(found)
        if sys.argv[4] == "kept":
            to_bytes(states[place])
seconds = time.process_time() - begun
peak = (
    int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1000
)  # getrusage knows the parent's
print(json.dumps({"seconds": seconds, "megabytes": peak, "alarms": alarms}))
