"""Which libraries a model's code loads wherever it is served, although only training needs them."""

import ast
from collections.abc import Iterator

from outlast.features.functions import wants_pandas
from outlast.project.loader import Project

_TRAINING = ("catboost", "lightgbm", "matplotlib", "scipy", "seaborn", "sklearn", "statsmodels", "torch", "xgboost")


def loaded_in_vain(project: Project) -> dict[str, list[str]]:
    """What its files import at their tops and a server of a compiled version has no use for, for a summary."""
    found: set[str] = set()
    for content in project.code.files.values():
        found |= {name.partition(".")[0] for name in _imported(ast.parse(content).body)}
    wanted = set(_TRAINING)
    if not any(wants_pandas(function) for function in project.model.functions):
        wanted.add("pandas")
    vain = sorted(found & wanted - project.code.tops)
    return {"in_vain": vain} if vain else {}


def _imported(body: list[ast.stmt]) -> Iterator[str]:
    """The modules imported when a file is executed, in whatever block outside of functions and classes."""
    for one in body:
        if isinstance(one, ast.Import):
            yield from (alias.name for alias in one.names)
        elif isinstance(one, ast.ImportFrom) and one.level == 0:
            yield one.module or ""
        elif isinstance(one, ast.If) and not _for_types(one.test):
            yield from _imported([*one.body, *one.orelse])
        elif isinstance(one, ast.Try):
            yield from _imported([*one.body, *one.orelse, *one.finalbody])
        elif isinstance(one, ast.With):
            yield from _imported(one.body)


def _for_types(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"
