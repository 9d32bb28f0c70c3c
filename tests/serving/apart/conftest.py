"""A version that needs a module of its own, and an environment in which it is there."""

import subprocess
import sys
from pathlib import Path

import pytest
from faulty import MORE, changed

from outlast.bundle.environments.locks import kept_lock
from outlast.bundle.environments.making import READY
from outlast.bundle.predictor import open_bundle
from outlast.project.workspace import Workspace

MODULE = "def wrapped(function):\n    return function\n"


@pytest.fixture
def odd(workspace: Workspace) -> tuple[str, int]:
    """A version that imports what is not installed here: its digest and number."""
    digest, number = changed(workspace, MORE, environment="oddities==1.0\n")
    with pytest.raises(ModuleNotFoundError):
        __import__("oddities")
    return digest, number


@pytest.fixture
def elsewhere(workspace: Workspace, odd: tuple[str, int]) -> Path:
    """Its environment, as if it had been made before: what is installed here, and that module."""
    bundle = open_bundle(workspace, odd[0])
    lock, _ = kept_lock(workspace, bundle, bundle.json("lineage.json"))
    folder = workspace.cache / "environments" / lock.digest[:16]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    here = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "here.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in here))
    (packages / "oddities.py").write_text(MODULE)
    (folder / READY).write_text(f"a test\n{lock.python}\n")
    return folder / "bin" / "python"
