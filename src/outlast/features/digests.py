"""The digest of every feature: equal digests compute the same, in this version of a model and in the next.

A lookup's column is what its expression asks of its source. A function's column is the function's source without names
of its own, comments, docstrings and annotations, with what it reads of the project and, for what it is given, the
digests of that. Who wrote it, where it stands and what else the model has is not part of it.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from outlast.data.schema import dtype_name
from outlast.features.calling import called
from outlast.features.causes import of_project
from outlast.project.declare import Lookup, Model, digest_of_part
from outlast.types import digest_of

_DEEP = 4
"""How many calls from function to function of the project are followed."""
_FEW = 8
"""Rows by which it is seen what columns a function gives."""


def feature_digests(model: Model, rows: pl.DataFrame) -> dict[str, str]:
    """The digest of each of a model's features, of rows that have them all."""
    types = {name: dtype_name(dtype) for name, dtype in rows.schema.items()}
    source = model.question.name
    found = {name: digest_of(["ask", source, name, types[name]]) for name in model.asks.names}
    for lookup in model.lookups:
        found |= {name: digest_of(["lookup", digest]) for name, digest in _columns(lookup, found)}
    given = dict(found)
    few = rows.select(list(given)).head(_FEW)
    for function in model.functions:
        does = _function(function, given)
        found |= {name: digest_of(["function", does, name, types[name]]) for name in called(function, few).columns}
    return found


def _columns(lookup: Lookup, asks: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What each column of a lookup computes, whatever it stands beside, for which asks."""
    entity = [asks[name] for name in lookup.entity]
    for name, expr in lookup.outputs:
        if lookup.kind == "latest":
            alone = Lookup(lookup.source, lookup.by, (("", expr),), max_age=lookup.max_age)
            yield name, digest_of([alone.digest, entity])
            continue
        for span in lookup.spans:
            widths = tuple(width for width in lookup.widths if width == span)
            lasts = tuple(last for last in lookup.lasts if f"last{last}" == span)
            alone = Lookup(lookup.source, lookup.by, (("", expr),), widths, lookup.max_age, lasts)
            yield f"{name}_{span}", digest_of([alone.digest, entity])


def _function(function: Callable[..., Any], given: Mapping[str, str]) -> str:
    """What a function computes: its code and the project's that it reads, and what it is given by name."""
    code, words = _read(function, set(), 0)
    everything = not words & given.keys()
    inputs = {name: digest for name, digest in given.items() if everything or name in words}
    return digest_of([code, inputs])


def _read(function: Callable[..., Any], seen: set[int], depth: int) -> tuple[list[Any], set[str]]:
    """The code of a function and of those that it calls, and every word that its code says."""
    seen.add(id(function))
    tree = _tree(function)
    if tree is None:
        code: list[Any] = [digest_of_part(function)]
        words = {one for one in function.__code__.co_consts if isinstance(one, str)} | set(function.__code__.co_names)
    else:
        code = [ast.unparse(tree)]
        words = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        words |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for name, value in sorted(_outside(function).items()):
        if not inspect.isfunction(value):
            code.append([name, _plainly(value)])
            words |= _said(value)
        elif of_project(value.__code__.co_filename) and id(value) not in seen and depth < _DEEP:
            more, others = _read(value, seen, depth + 1)
            code.append([name, more])
            words |= others
    return code, words


def _tree(function: Callable[..., Any]) -> ast.AST | None:
    """A function's source as a tree without what changes nothing; None of a lambda, or where there is no source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        return None
    tree.body[0].name = "_"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _bare(node)
        elif isinstance(node, ast.arg):
            node.annotation = None
    return tree


def _bare(node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(node.body) > 1:
        node.body = node.body[1:]
    node.returns = None


def _outside(function: Callable[..., Any]) -> dict[str, Any]:
    """What a function reads of its module, by name."""
    known = getattr(function, "__globals__", {})
    names = _names(function.__code__)
    return {name: known[name] for name in names if name in known}


def _names(code: Any) -> set[str]:
    inside = (one for one in code.co_consts if inspect.iscode(one))
    return set(code.co_names).union(*(_names(one) for one in inside))


def _plainly(value: Any) -> str:
    """A constant by its value; of a module or an object, what it is."""
    if isinstance(value, str | int | float | bool | bytes | tuple | list | type(None)):
        return repr(value)
    if isinstance(value, dict | set | frozenset):
        return repr(sorted(map(repr, value.items() if isinstance(value, dict) else value)))
    if isinstance(value, pl.Expr):
        return str(value.meta.serialize(format="json"))
    return getattr(value, "__name__", type(value).__name__)


def _said(value: Any) -> set[str]:
    """The words of a constant, which may be names of columns."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, pl.Expr):
        return set(value.meta.root_names())
    if isinstance(value, dict):
        return set().union(*(_said(one) for pair in value.items() for one in pair))
    return set().union(*(_said(one) for one in value)) if isinstance(value, tuple | list | set | frozenset) else set()
