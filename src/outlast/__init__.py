"""Outlast takes a model out of a notebook and keeps it working.

The names a user writes with; each is imported when first used, so that `import outlast` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from outlast.client.connecting import connect
    from outlast.errors import OutlastError
    from outlast.project.declare import Features, Model, Source, latest, window
    from outlast.serving.handle import open_model as open
    from outlast.training.frame import dataset

_HOMES = {
    "Source": "outlast.project.declare",
    "Features": "outlast.project.declare",
    "Model": "outlast.project.declare",
    "latest": "outlast.project.declare",
    "window": "outlast.project.declare",
    "OutlastError": "outlast.errors",
    "dataset": "outlast.training.frame",
    "open": "outlast.serving.handle:open_model",
    "connect": "outlast.client.connecting",
}

__all__ = ["Features", "Model", "OutlastError", "Source", "connect", "dataset", "latest", "open", "window"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'outlast' has no attribute {name!r}")
    home, _, there = _HOMES[name].partition(":")
    value = getattr(import_module(home), there or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
