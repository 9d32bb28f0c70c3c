"""Loading model.py from its own folder, under module names made from its code's digest.

Two versions of one project live side by side in one process: each is a package of its own, `outlast_code_<digest>`,
and an `import helpers` inside it, also a late one inside a function, means that package's own helper.
"""

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import CodeType, ModuleType
from typing import Any

from outlast.errors import OutlastError, ProjectError
from outlast.project.contract import Contract, read_contract
from outlast.project.declare import Features, Model
from outlast.project.period import Period
from outlast.project.reach import reachable
from outlast.project.workspace import FILE, Workspace, require_project
from outlast.types import digest_of

PREFIX = "outlast_code_"
_IGNORED = {"tests", "test", "__pycache__", "node_modules", "build", "dist", "site-packages"}


@dataclass(frozen=True)
class Code:
    """A project's Python files as they were read: path to bytes, and where they came from."""

    files: Mapping[str, bytes]
    origin: Path

    @cached_property
    def digest(self) -> str:
        return digest_of({name: digest_of(content) for name, content in self.files.items()})

    @property
    def package(self) -> str:
        return PREFIX + self.digest[:16]

    @cached_property
    def modules(self) -> dict[str, tuple[str, bool]]:
        """Dotted module name to (file, is it a package)."""
        found: dict[str, tuple[str, bool]] = {}
        for name in self.files:
            parts = PurePosixPath(name).with_suffix("").parts
            if parts[-1] == "__init__":
                found[".".join(parts[:-1])] = (name, True)
            else:
                found[".".join(parts)] = (name, False)
        for name in list(found):
            for parent in _parents(name):
                found.setdefault(parent, ("", True))
        return found

    @cached_property
    def tops(self) -> frozenset[str]:
        """The first words of import statements that mean this code and nothing installed."""
        return frozenset(name.partition(".")[0] for name in self.modules)


@dataclass(frozen=True, eq=False)
class Project:
    """A folder, read: its contract, its code and the model it declares; of a run of the loop, the period it takes."""

    folder: Path
    workspace: Workspace
    contract: Contract
    code: Code
    model: Model
    period: Period | None = None


def load_project(start: Path, workspace: Workspace | None = None) -> Project:
    """The project around a folder, its model.py executed."""
    folder = require_project(start)
    workspace = workspace or Workspace.find(folder)
    contract = read_contract(folder)
    code = read_code(folder, workspace.packages)
    return Project(folder, workspace, contract, code, load_model(code))


def read_code(folder: Path, packages: Sequence[Path] = ()) -> Code:
    """The Python files that model.py imports, now or later, from its folder and its workspace's shared packages.

    A script that only lies beside the model is not part of it: changing one makes no new version.
    """
    if not (folder / "model.py").is_file():
        raise ProjectError(f"There is no model.py in {folder}: it declares the model; see `outlast init` for a start")
    files = {**dict(_python_files(folder)), **_shared_files(packages)}
    return Code(reachable({name: path.read_bytes() for name, path in files.items()}), folder)


def read_packages(root: Path, packages: Sequence[Path]) -> Code:
    """All Python files of a workspace's shared packages, without a model."""
    return Code({name: path.read_bytes() for name, path in _shared_files(packages).items()}, root)


def load_model(code: Code, *, leased: bool = False) -> Model:
    """Execute model.py under the code's own package and return the Model it declares.

    `leased` code is held by a Lease and goes with it; otherwise it stays for as long as the process.
    """
    module = load_module(code, "model", leased=leased)
    declared = vars(module).get("model")
    if isinstance(declared, Model):
        return declared
    found = [value for value in vars(module).values() if isinstance(value, Model)]
    if len(found) == 1:
        return found[0]
    what = f"declares {len(found)} models and none is named 'model'" if found else "declares no model"
    raise ProjectError(f"{code.origin / 'model.py'} {what}: end it with model = Model('name', asks=…, label=…, fit=…)")


def load_module(code: Code, name: str, *, leased: bool = False) -> ModuleType:
    """One module of the code, imported under the code's own package."""
    if not leased:
        install(code)
    try:
        return importlib.import_module(f"{code.package}.{name}")
    except (KeyboardInterrupt, SystemExit):
        raise
    except OutlastError:
        raise
    except Exception as error:  # user code may raise anything; the sentence names the line it came from
        raise ProjectError(f"{_blame(error, code)}: {type(error).__name__}: {error}{_shared(error, code)}") from error


def install(code: Code) -> str:
    """Make the code importable under its package name, for pickles that name its classes."""
    with _lock:
        _add(code)
        _finder.leases.pop(code.package, None)  # from now on it stays, whoever else lets go of it
    return code.package


class Lease:
    """Code that is importable until the last lease of it ends, or for good where others have installed it too."""

    def __init__(self, code: Code) -> None:
        self._code, self._ended = code, False
        with _lock:
            if _add(code):
                _finder.leases[code.package] = 0
            if code.package in _finder.leases:
                _finder.leases[code.package] += 1

    def end(self) -> None:
        """Give the memory of its modules back where nobody else needs them; again changes nothing."""
        with _lock:
            ended, self._ended = self._ended, True
            if ended or self._code.package not in _finder.leases:
                return
            _finder.leases[self._code.package] -= 1
            if not _finder.leases[self._code.package]:
                for module in uninstall(self._code):
                    vars(module).clear()  # a module and its functions hold each other: nobody else would part them soon


def _add(code: Code) -> bool:
    """Whether it was not there before; called under the lock."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    new = code.package not in _finder.codes
    _finder.codes.setdefault(code.package, code)
    return new


def uninstall(code: Code) -> list[ModuleType]:
    """Forget the code and its modules, which are returned."""
    with _lock:
        _finder.codes.pop(code.package, None)
        _finder.leases.pop(code.package, None)
        names = [n for n in sys.modules if n == code.package or n.startswith(code.package + ".")]
        return [sys.modules.pop(name) for name in names]


def package_of(project: Project, shared: Features) -> str | None:
    """The package of the workspace that a set comes from; None where the project's own folder declares it."""
    for package in project.workspace.packages:
        inside = f"{project.code.package}.{package.name}"
        for name, module in list(sys.modules.items()):
            ours = name == inside or name.startswith(f"{inside}.")
            if ours and any(_holds(value, shared) for value in vars(module).values()):
                return package.name
    return None


def _holds(value: Any, shared: Features) -> bool:
    return value is shared or (isinstance(value, Features) and shared in value.sets)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self) -> None:
        self.codes: dict[str, Code] = {}
        self.leases: dict[str, int] = {}
        """How many leases there are of code that nobody has installed for good."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, name = fullname.partition(".")
        code = self.codes.get(package)
        if code is None:
            return None
        file, is_package = ("", True) if not name else code.modules.get(name, (None, False))
        if file is None:
            return None
        loader = _Loader(code, file)
        origin = str(code.origin / file) if file else None
        spec = importlib.machinery.ModuleSpec(fullname, loader, origin=origin, is_package=is_package)
        spec.has_location = bool(file)
        return spec


class _Loader(importlib.abc.InspectLoader):
    def __init__(self, code: Code, file: str) -> None:
        self.code, self.file = code, file

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self.code.files[self.file]) if self.file else ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.get_source(fullname), str(self.code.origin / self.file), "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = _builtins_for(self.code)
        exec(self.get_code(module.__name__), vars(module))


def _builtins_for(code: Code) -> dict[str, Any]:
    def imports(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level or top not in code.tops:
            return builtins.__import__(name, globals, locals, fromlist, level)
        found = builtins.__import__(f"{code.package}.{name}", globals, locals, fromlist or ("__name__",), 0)
        return found if fromlist else sys.modules[f"{code.package}.{top}"]

    return {**vars(builtins), "__import__": imports}


def _shared_files(packages: Sequence[Path]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for package in packages:
        if not package.is_dir():
            raise ProjectError(f"workspace.toml names the package {package}, which is not a folder")
        files.update({f"{package.name}/{name}": path for name, path in _python_files(package)})
    return files


def _python_files(folder: Path) -> list[tuple[str, Path]]:
    found = []
    for place, inside, files in os.walk(folder):
        inside[:] = [name for name in inside if name not in _IGNORED and not name.startswith(".")]
        paths = [Path(place, name) for name in files if name.endswith(".py")]
        found += [(path.relative_to(folder).as_posix(), path) for path in paths if not path.name.startswith(".")]
    return sorted(found)


def _parents(name: str) -> list[str]:
    words = name.split(".")
    return [".".join(words[:n]) for n in range(1, len(words))]


def _blame(error: Exception, code: Code) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    place, trace = str(code.origin / "model.py"), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith(str(code.origin)):
            place = f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _shared(error: Exception, code: Code) -> str:
    """What to do about a module that is not found and lies as a folder somewhere above the project."""
    top = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if not top:
        return ""
    above = next((folder for folder in code.origin.parents if (folder / top).is_dir()), None)
    if above is None:
        return (
            f"; install it, or, if it is code of your own, put it beside model.py or name it in {FILE} under packages"
        )
    return f'; {above / top} is used when it is named in {above / FILE}: packages = ["{top}"]'


_finder = _Finder()
_lock = threading.RLock()
