"""Which files a model's code consists of: those its import statements can reach, also the ones inside functions."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath


def reachable(files: Mapping[str, bytes], start: str = "model.py") -> dict[str, bytes]:
    """The files reached from one by import statements, by name.

    >>> sorted(reachable({"model.py": b"from a import b", "a/b.py": b"", "script.py": b""}))
    ['a/b.py', 'model.py']
    """
    found: dict[str, bytes] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in found or name not in files:
            continue
        found[name] = files[name]
        for module in _imported(name, files[name]):
            waiting.extend(_files_of(module))
    return dict(sorted(found.items()))


def _imported(name: str, source: bytes) -> Iterator[str]:
    """The dotted names a file's import statements may mean, whichever of them exist."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # importing it will say what is wrong, with the line
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(part for part in (_above(name, node.level), node.module or "") if part)
            yield base
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _above(name: str, level: int) -> str:
    """The package that a relative import starts from."""
    if level == 0:
        return ""
    parts = PurePosixPath(name).parts
    return ".".join(parts[: len(parts) - level])


def _files_of(module: str) -> Iterator[str]:
    """A module's possible files, and those of the packages around it."""
    words = [word for word in module.split(".") if word]
    for depth in range(1, len(words) + 1):
        path = "/".join(words[:depth])
        yield f"{path}.py"
        yield f"{path}/__init__.py"
