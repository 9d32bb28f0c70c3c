"""Lets tests of examples find what they share."""

import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from example_code import load


@pytest.fixture(scope="session")
def raw() -> Any:
    """The flights as they are published, read once: it takes seconds."""
    return load("prepare", "flights_raw").read_package()


@pytest.fixture(scope="session")
def dated(raw: Any) -> pl.DataFrame:
    """The same flights with their moments."""
    return load("prepare", "flights_dated").timetable(raw)
