"""Environments written down and made again, from the machine's own index."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from outlast.bundle.build import own_build
from outlast.bundle.environments.indexes import translated
from outlast.bundle.environments.locks import Lock, changed_lock, differences
from outlast.bundle.environments.making import _last, environment_of
from outlast.errors import SettingsError


@pytest.fixture
def lock() -> Lock:
    return Lock(platform.python_version(), {"msgspec": version("msgspec")}, *own_build())


def test_an_environment_is_made_from_its_lock_and_kept_for_the_next_time(lock: Lock, tmp_path: Path) -> None:
    made = environment_of(lock, tmp_path)
    say = "import outlast.types, msgspec, sys; print(outlast.types.__file__, msgspec.__version__, sys.prefix)"
    done = subprocess.run([made.python, "-I", "-c", say], capture_output=True, text=True, check=True, timeout=60)
    place, number, prefix = done.stdout.split()
    assert Path(place).is_relative_to(tmp_path)
    assert Path(prefix).is_relative_to(tmp_path)
    assert number == version("msgspec")
    assert made.differs == ()
    again = environment_of(lock, tmp_path)
    assert again.python == made.python
    assert "made before by" in again.says
    assert "made before by" not in environment_of(lock, tmp_path, anew=True).says


def test_one_that_was_not_finished_is_made_anew(lock: Lock, tmp_path: Path) -> None:
    folder = tmp_path / "environments" / lock.digest[:16]
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("half")
    assert "made before" not in environment_of(lock, tmp_path).says


def test_a_file_of_pins_takes_the_place_of_the_kept_versions(lock: Lock, tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text(
        "# ours\nMsgspec==0.1.0 \\\n    --hash=sha256:abc\nnumpy>=2\nx==1.0 ; sys_platform == 'none'\noutlast==9.9\n"
    )
    changed = changed_lock(lock, pins, "m@1")
    assert changed.packages == {"msgspec": "0.1.0"}
    assert differences(lock, changed) == [f"msgspec 0.1.0 instead of {version('msgspec')}"]
    assert changed.digest != lock.digest


@pytest.mark.parametrize("text", [None, "numpy\n"])
def test_a_file_without_pins_says_what_was_expected(lock: Lock, tmp_path: Path, text: str | None) -> None:
    pins = tmp_path / "pins.txt"
    if text is not None:
        pins.write_text(text)
    with pytest.raises(SettingsError, match=r"scikit-learn==1\.7\.2"):
        changed_lock(lock, pins, "m@1")


def test_a_misspelt_package_is_named_before_anything_is_installed(lock: Lock, tmp_path: Path) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text("msgspecc==1.0\n")
    with pytest.raises(SettingsError, match=r"no package of m@1's environment: did you mean 'msgspec'\?"):
        changed_lock(lock, pins, "m@1")
    pins.write_text("msgspecc==1.0\nmsgspec==0.1.0\n")  # both there: somebody's whole environment
    assert changed_lock(lock, pins, "m@1").packages == {"msgspec": "0.1.0", "msgspecc": "1.0"}


def test_of_what_pip_says_the_error_that_sums_up_is_told() -> None:
    said = "ERROR: Ignored: 2.5.3 Requires-Python >=3.12\nERROR: No matching distribution found for numpyy==1.0\n"
    assert _last(CompletedProcess([], 1, "", said)) == "No matching distribution found for numpyy==1.0"
    long = _last(CompletedProcess([], 1, "", "word " * 200))
    assert long.startswith("…word ")
    assert len(long) <= 301
    assert _last(CompletedProcess([], 2, "", "")) == "it ended with 2"


def test_what_pip_was_told_is_said_to_uv() -> None:
    told = {"index-url": "https://a/simple", "find-links": "/w1\n/w2", "timeout": "180", "no-index": ""}
    assert translated(told) == {"UV_DEFAULT_INDEX": "https://a/simple", "UV_FIND_LINKS": "/w1,/w2"}
