"""The front door: what it promises, and how little it carries."""

import subprocess
import sys

import pytest

import outlast

PUBLIC = {"Features", "Model", "OutlastError", "Source", "connect", "dataset", "latest", "open", "window"}
HEAVY = {"mlflow", "sklearn", "pandas"}


def loaded_by(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_public_names_are_these_and_no_others() -> None:
    assert set(outlast.__all__) == PUBLIC
    assert set(dir(outlast)) == PUBLIC | {"__version__"}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    assert (getattr(outlast, name).__doc__ or "").strip()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = outlast.nothing_of_the_kind


@pytest.mark.parametrize(
    "statement", ["import outlast", f"from outlast import {', '.join(sorted(PUBLIC))}", "import outlast.cli"]
)
def test_the_heavy_libraries_stay_unloaded_after(statement: str) -> None:
    assert loaded_by(statement) & HEAVY == set()


def test_the_measure_of_what_is_loaded_sees_a_heavy_library() -> None:
    assert "pandas" in loaded_by("import pandas")
