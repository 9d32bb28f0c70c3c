"""One thread for each numeric library of a server: requests share the cores, not their parts.

Libraries read these variables when they are loaded, so a command that serves sets them before it imports any.
"""

import os

_POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "POLARS_MAX_THREADS",
)
_KINDS = {"openmp": ("OMP_NUM_THREADS",), "blas": ("OMP_NUM_THREADS", *_POOLS[1:5])}
_ours: set[str] = set()


def few() -> None:
    """One thread for every library that is loaded from now on, save where somebody set another number."""
    for name in _POOLS:
        if name not in os.environ:
            os.environ[name] = "1"
            _ours.add(name)


def one_each() -> None:
    """The same for libraries that are loaded already; OpenMP keeps it per thread."""
    from threadpoolctl import threadpool_limits

    theirs = {name for name in _POOLS if name in os.environ and name not in _ours}
    limits = {kind: 1 for kind, names in _KINDS.items() if not theirs.intersection(names)}
    if limits:
        threadpool_limits(limits)


def elsewhere() -> dict[str, str]:
    """The environment for processes that do not serve: without what was set here."""
    return {name: value for name, value in os.environ.items() if name not in _ours}


def serving() -> dict[str, str]:
    """The environment for a process that serves."""
    return {**dict.fromkeys(_POOLS, "1"), **os.environ}
