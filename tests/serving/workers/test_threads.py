"""How many threads numeric libraries take."""

import os
import subprocess
import sys

SAY = """
import os, sys
from outlast.serving.workers import threads
assert not {"polars", "numpy"} & sys.modules.keys()
threads.few()
import numpy, polars
from threadpoolctl import threadpool_info
threads.one_each()
print(polars.thread_pool_size(), max(one["num_threads"] for one in threadpool_info()), len(threads.elsewhere()))
"""
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def said(**theirs: str) -> list[int]:
    environment = {name: value for name, value in os.environ.items() if name not in _POOLS} | theirs
    done = subprocess.run([sys.executable, "-c", SAY], env=environment, capture_output=True, text=True, check=True)
    polars, others, count = map(int, done.stdout.split())
    assert count == len(environment)  # what is started from here gets none of it
    return [polars, others]


def test_each_library_has_one() -> None:
    assert said() == [1, 1]


def test_what_a_user_said_stands() -> None:
    assert said(POLARS_MAX_THREADS="3", OPENBLAS_NUM_THREADS="2") == [3, 2]
