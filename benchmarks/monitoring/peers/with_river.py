"""ADWIN as it comes, row by row: where each stream's first alarms are."""

import json
import sys
from pathlib import Path

import numpy as np
from river.drift import ADWIN


def first_alarm(values, start):
    """Alarms before `start`, and the rows from it to the first after it (None: none)."""
    detector, early = ADWIN(), 0
    for place, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            if place >= start:
                return early, place - start + 1
            early += 1
    return early, None


asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
streams = np.unpackbits(np.load(asked["streams"]), axis=1)[:, : asked["length"]]
found = [first_alarm(stream.tolist(), asked["start"]) for stream in streams]
Path(sys.argv[2]).write_text(json.dumps(found), "utf-8")
