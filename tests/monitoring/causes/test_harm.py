"""Harm against drift: the quick form of `benchmarks/monitoring/harm.py`, a shift that costs and one that does not."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "monitoring"


@pytest.fixture(scope="module")
def harm() -> Iterator[Any]:
    """The benchmark, with a smaller pool and fewer days."""
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    try:
        made = import_module("harm")
        made.POOL, made.BEFORE, made.AFTER = 40_000, 24, 72
        yield made
    finally:
        sys.path.remove(str(FOLDER))
        for name in set(sys.modules) - before:
            if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def test_who_is_paged_is_who_loses_and_not_who_moved(harm: Any) -> None:
    pool = harm.Pool(harm.Shop(21))
    benign, harmful = (pool.shift("temp", 0.5, raised) for raised in (1.0, 1.5))
    for one in (benign, harmful):
        cells = pool.rows.cells[:, pool.place["temp"]].astype(float)
        assert (one.weights @ cells - cells.mean()) / cells.std() == pytest.approx(0.5, abs=0.05)
    assert harmful.weights @ pool.mills == pytest.approx(1.5 * pool.mills.mean(), rel=1e-3)
    assert benign.weights @ pool.mills == pytest.approx(pool.mills.mean(), rel=1e-3)
    assert harm.watched(pool, benign, 1)[1] == 0
    assert harm.watched(pool, harmful, 2)[1] == 1
