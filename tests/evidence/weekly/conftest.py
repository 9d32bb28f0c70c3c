"""Lets the tests of this folder share a watched workspace."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "monitoring"))
