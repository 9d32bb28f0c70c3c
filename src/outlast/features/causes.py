"""Why a function may give a row other values among other rows: what its source says, and what to do instead."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

_OURS = Path(__file__).parents[1]
_DEEP = 4
"""How many calls from function to function of the project are followed."""


@dataclass(frozen=True)
class Kind:
    """A usual cause: the words of source that give it away, what it does, what to do instead."""

    words: frozenset[str]
    does: str
    instead: str


@dataclass(frozen=True)
class Cause:
    """A cause found in a function's source: the word, its line, and the kind it is of."""

    word: str
    file: str
    line: int
    kind: Kind

    def __str__(self) -> str:
        return f"'{self.word}' in {self.file}, line {self.line}, {self.kind.does}"


_FIT = "do it in fit, inside the model's pipeline, which learns it once and keeps it with the version"
CLOCK = Kind(
    frozenset({"now", "today", "utcnow", "time", "time_ns", "perf_counter", "monotonic", "localtime", "gmtime"}),
    "reads the clock", "ask for the moment of decision and reckon from that",
)  # fmt: skip
CHANCE = Kind(
    frozenset({"random", "randint", "rand", "randn", "uniform", "normal", "choice", "shuffle", "sample", "uuid4"}),
    "is chance", "leave it out, or derive it from the row, for example with pl.col(key).hash()",
)  # fmt: skip
STATE = Kind(
    frozenset({"global", "nonlocal", "next", "fit", "partial_fit", "fit_transform"}),
    "changes what the next call sees", f"keep nothing between calls; what is learnt from rows: {_FIT}",
)  # fmt: skip
WORDS = Kind(
    frozenset({"get_dummies", "to_dummies", "pivot", "unstack", "crosstab"}),
    "makes a column for each value that happens to be there", "let a OneHotEncoder in fit's pipeline learn the values",
)  # fmt: skip
CODES = Kind(
    frozenset({"codes", "factorize", "to_physical", "LabelEncoder", "Categorical", "OrdinalEncoder", "rle_id"}),
    "numbers values in the order or the set in which they are there",
    "give the text itself and let an OrdinalEncoder in fit's pipeline number it, or map it by a table in the code",
)  # fmt: skip
NEIGHBOURS = Kind(
    frozenset({"shift", "diff", "pct_change", "cumsum", "cum_sum", "cum_count", "cumcount", "cum_max", "cum_min",
               "rolling", "rolling_mean", "rolling_sum", "ewm", "ewm_mean", "ffill", "bfill", "forward_fill",
               "backward_fill", "interpolate", "iloc", "head", "tail", "first", "last", "rolling_mean_by"}),
    "looks at the rows beside a row", "declare latest(…) or window(…) over a source: they look at what was known",
)  # fmt: skip
GROUPS = Kind(
    frozenset({"over", "group_by", "groupby", "transform", "value_counts", "duplicated", "is_duplicated", "is_unique",
               "n_unique", "nunique", "unique"}),
    "counts or averages within the rows it is given", "declare window(…) over a source: it counts what was known",
)  # fmt: skip
PLACES = Kind(
    frozenset({"with_row_index", "with_row_count", "int_range", "arange", "index", "row_index", "cut", "qcut", "hist",
               "sort", "sort_values", "sort_by", "argsort", "arg_sort", "reverse"}),
    "hangs on where a row stands among the others", "use what the row itself says, or fixed edges written in the code",
)  # fmt: skip
FIGURES = Kind(
    frozenset({"mean", "std", "var", "median", "quantile", "min", "max", "sum", "rank", "mode", "average", "percentile",
               "nanmean", "nanstd", "zscore", "describe", "len", "height", "count"}),
    "is a figure of all rows that are given at once", f"{_FIT}; of facts of the past, declare window(…)",
)  # fmt: skip

ROWS = (WORDS, CODES, NEIGHBOURS, GROUPS, PLACES, FIGURES, STATE, CHANCE, CLOCK)
"""Kinds in the order in which they explain values that hang on the rows around."""
CALLS = (CLOCK, CHANCE, STATE)
"""Kinds in the order in which they explain values that differ from call to call."""
UNKNOWN = "let each row's values follow from that row alone; what is learnt from many rows belongs in fit's pipeline"


def cause_of(function: Callable[..., Any], kinds: tuple[Kind, ...]) -> Cause | None:
    """The likeliest cause among these kinds that the function's source, or what it calls of the project, shows."""
    seen = list(_words(function, set(), 0))
    for kind in kinds:
        for word, file, line in seen:
            if word in kind.words:
                return Cause(word, file, line, kind)
    return None


def clock_read(function: Callable[..., Any], call: Callable[[], object]) -> str | None:
    """What of the clock a function's own code reads while it is called, which need not show within a day."""
    found: list[str] = []

    def watch(frame: Any, event: str, called: Any) -> None:
        if event == "c_call" and called.__name__ in CLOCK.words and of_project(frame.f_code.co_filename):
            module = getattr(called, "__module__", None) or getattr(called.__self__, "__module__", "")
            if module in ("time", "datetime"):
                found.append(f"{module}.{called.__name__}")

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(before)
    if found:
        return found[0]
    return next((w for w, _, _ in _words(function, set(), 0) if w in ("Timestamp.now", "Timestamp.today")), None)


def _words(function: Callable[..., Any], seen: set[int], depth: int) -> Iterator[tuple[str, str, int]]:
    """The names a function's source uses, with file and line, and after them those of the project's it calls."""
    code = getattr(function, "__code__", None)
    if code is None or id(code) in seen or depth > _DEEP or not of_project(code.co_filename):
        return
    seen.add(id(code))
    for word, line in _parsed(function):
        yield word, Path(code.co_filename).name, line
    for name in code.co_names:
        called = getattr(function, "__globals__", {}).get(name)
        if callable(called):
            yield from _words(called, seen, depth + 1)


def _parsed(function: Callable[..., Any]) -> Iterator[tuple[str, int]]:
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return  # a lambda within a call, or no source: the values alone have to tell
    for node in ast.walk(tree):
        line = first + getattr(node, "lineno", 1) - 1
        if isinstance(node, ast.Attribute):
            yield node.attr, line
            if isinstance(node.value, ast.Attribute | ast.Name):
                owner = node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id
                yield f"{owner}.{node.attr}", line
        elif isinstance(node, ast.Name):
            yield node.id, line
        elif isinstance(node, ast.Global | ast.Nonlocal):
            yield type(node).__name__.lower(), line
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and _outer(node, function):
            yield "global", line


def _outer(node: ast.Subscript, function: Callable[..., Any]) -> bool:
    """Whether what is written into is the module's, not the function's own."""
    code = getattr(function, "__code__", None)
    return isinstance(node.value, ast.Name) and code is not None and node.value.id in code.co_names


_STANDARD = Path(inspect.__file__).parent
_POLARS = Path(pl.__file__).parents[1]


def of_project(file: str) -> bool:
    """Whether a file is the project's own: not a library's, and not ours."""
    path = Path(file)
    return not any(path.is_relative_to(place) for place in (_STANDARD, _POLARS, _OURS)) and "site-packages" not in file
