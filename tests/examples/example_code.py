"""The code of an example, loaded as what it is: files of a folder that is no package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FLIGHTS = Path(__file__).resolve().parents[2] / "examples" / "flights"


def load(name: str, called: str) -> ModuleType:
    """A file of the flights example as a module of that name."""
    spec = importlib.util.spec_from_file_location(called, FLIGHTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
