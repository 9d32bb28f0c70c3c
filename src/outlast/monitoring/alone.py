"""One thread for the numeric libraries: for what a tick computes, threads mostly wait for each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Of libraries that are loaded when this is first entered."""
    with _loaded().limit(limits=1):
        yield


@cache
def _loaded() -> ThreadpoolController:
    """Finding them takes longer than most of what is computed."""
    from scipy import linalg, optimize  # noqa: F401 - they bring a library of their own

    return ThreadpoolController()
