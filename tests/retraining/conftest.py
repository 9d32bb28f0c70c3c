"""Lets the tests of this folder share a watched workspace."""

import sys
from pathlib import Path

for room in ("monitoring", "retraining", "serving"):
    sys.path.insert(0, str(Path(__file__).parent.parent / room))
