"""Making an environment anew from a lock: by uv, by pip where uv finds no packages, and kept for the next time."""

import fcntl
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from outlast.bundle.environments.indexes import uv_environment
from outlast.bundle.environments.locks import Lock
from outlast.errors import NotFound, TrainingError
from outlast.types import counted

READY = ".ready"
_LONG = 300


@dataclass(frozen=True)
class Environment:
    """A Python with its packages, how it came about, and in what it is not as the lock says."""

    python: Path
    says: str
    differs: tuple[str, ...] = ()


def environment_of(lock: Lock | None, cache: Path, *, anew: bool = False) -> Environment:
    """The environment of a lock, made where there is none yet or one is wanted anew; without a lock, the one here."""
    if lock is None:
        return Environment(Path(sys.executable), "this environment")
    folder = cache / "environments" / lock.digest[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_suffix(".lock")):
        packages = f"an environment of its own with {counted(len(lock.packages) + 1, 'package')}"
        if (folder / READY).exists() and not anew:
            how, python = (folder / READY).read_text("utf-8").splitlines()[:2]
            return _made(folder, lock, python, f"{packages}, made before by {how}")
        shutil.rmtree(folder, ignore_errors=True)
        how, python = _make(folder, lock)
        (folder / READY).write_text(f"{how}\n{python}\n", "utf-8")
        return _made(folder, lock, python, f"{packages}, made by {how}")


def _made(folder: Path, lock: Lock, python: str, says: str) -> Environment:
    differs = () if python == lock.python else (f"Python {python} instead of {lock.python}, which is not here",)
    return Environment(_python(folder), says, differs)


def _make(folder: Path, lock: Lock) -> tuple[str, str]:
    """Make it; who made it and which Python it has."""
    wheel = folder.with_suffix(".wheel") / lock.wheel
    wheel.parent.mkdir(exist_ok=True)
    wheel.write_bytes(lock.build)
    wanted = wheel.with_name("requirements.txt")
    wanted.write_text(f"{lock.requirements}outlast @ {wheel.as_uri()}\n", "utf-8")
    try:
        said = _by_uv(folder, lock, wanted)
        how = "uv"
        if said is not None:
            how = f"pip, since uv could not ({said})"
            _by_pip(folder, lock, wanted, said)
    finally:
        shutil.rmtree(wheel.parent)
    asked = _run([str(_python(folder)), "-I", "-c", "import platform; print(platform.python_version())"])
    return how, asked.stdout.strip()


def _by_uv(folder: Path, lock: Lock, wanted: Path) -> str | None:
    """What uv says when it cannot."""
    try:
        from uv import find_uv_bin

        uv = find_uv_bin()
    except (ImportError, FileNotFoundError):
        return "it is not installed"
    environ = uv_environment()
    minor = lock.python.rpartition(".")[0]
    for python in (lock.python, minor):
        made = _run([uv, "venv", "--quiet", "--no-python-downloads", "--python", python, str(folder)], environ)
        if made.returncode == 0:
            break
    else:
        return _last(made)
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", str(_python(folder)), "-r", str(wanted)]
    done = _run(install, environ)
    return None if done.returncode == 0 else _last(done)


def _by_pip(folder: Path, lock: Lock, wanted: Path, before: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if platform.python_version_tuple()[:2] != tuple(lock.python.split(".")[:2]):
        raise NotFound(
            f"The environment cannot be made: it needs Python {lock.python} and this is {platform.python_version()}; "
            f"uv said: {before}; install that Python, or give --environment here"
        )
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(_python(folder)), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(wanted)],
    ):
        done = _run(command)
        if done.returncode:
            raise TrainingError(
                f"The environment cannot be made: {_last(done)}; make sure that every package of the version's "
                "environment.txt can be installed here, or give --environment here"
            )


def _python(folder: Path) -> Path:
    windows = folder / "Scripts" / "python.exe"
    return windows if windows.exists() else folder / "bin" / "python"


def _run(command: list[str], environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environ)


def _last(done: subprocess.CompletedProcess[str]) -> str:
    """What an installer complains of, in one line."""
    lines = [line.strip(" ×╰─▶│") for line in done.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]  # pip's last one sums up
    said = errors[-1] if errors else " ".join(lines)
    return (said if len(said) <= _LONG else f"…{said[-_LONG:].partition(' ')[2]}") or f"it ended with {done.returncode}"


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Wait for another process that makes the same environment."""
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
