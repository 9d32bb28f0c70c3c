"""Every installed distribution is named as the library that knows them names it."""

from importlib.metadata import distributions
from pathlib import Path

import pytest

from outlast.bundle.machine import environment

ODD = """metadata-version: 2.1
name:  Odd_One
Summary: says much
 Name: not-this
Version: 1.0.post1

Name: nor-this
Version: 2.0
"""


@pytest.fixture(autouse=True)
def looked_up_anew():
    environment.cache_clear()
    yield
    environment.cache_clear()


def test_it_says_what_the_library_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd_one-1.0.dist-info").mkdir()
    (tmp_path / "odd_one-1.0.dist-info" / "METADATA").write_text(ODD)
    (tmp_path / "old.egg-info").write_text("Name: old\nVersion: 3\n")
    (tmp_path / "nameless-1.dist-info").mkdir()
    (tmp_path / "nameless-1.dist-info" / "METADATA").write_text("Version: 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions() if d.metadata["Name"]}
    assert {"odd-one", "old", "polars"} <= found.keys()
    assert environment() == "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))
