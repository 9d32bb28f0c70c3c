"""Outlast as a wheel: the same bytes every time, and one that an installer takes."""

import subprocess
import sys
import zipfile
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

from outlast.bundle.build import own_build


def test_the_wheel_of_this_build_has_the_same_bytes_every_time() -> None:
    first = own_build()
    own_build.cache_clear()
    assert own_build() == first


def test_the_wheel_installs_and_runs_from_where_it_was_installed(tmp_path: Path) -> None:
    name, data = own_build()
    (tmp_path / name).write_bytes(data)
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--target"]
    subprocess.run([*install, str(tmp_path / "site"), str(tmp_path / name)], check=True, timeout=60)
    say = "import outlast.types as t; from importlib.metadata import version; print(version('outlast'), t.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", say], cwd=tmp_path / "site", capture_output=True, text=True, check=True, timeout=60
    )
    number, place = done.stdout.split()
    assert number == version("outlast")
    assert Path(place).is_relative_to(tmp_path / "site")


def test_the_wheel_holds_the_package_and_no_compiled_files() -> None:
    names = zipfile.ZipFile(BytesIO(own_build()[1])).namelist()
    assert "outlast/bundle/build.py" in names
    assert "outlast/project/template/outlast.toml" in names
    assert not [name for name in names if "__pycache__" in name]
