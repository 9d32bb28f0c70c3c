"""A fitted model as data: steps over columns, then trees or weights, then a link to probabilities or values.

It needs neither the libraries the model was trained with nor a pickle. One row and many rows go through one arithmetic,
so a row alone has the bits that it has among others.
"""

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl

from outlast.bundle.lines import Floats, lines_of
from outlast.bundle.plan import (
    TREES,
    Code,
    Column,
    Equal,
    Fill,
    Forest,
    Number,
    Op,
    Over,
    Plan,
    Plus,
    Single,
    Times,
    Weights,
)
from outlast.errors import FeatureError, StorageError

NAN = float("nan")
_MANY = 6
"""From this many rows on, their lines are quicker made at once than one by one."""
Scalar = Callable[[Any], float]


class Compiled:
    """A plan made ready to run over rows whose values come in the order of `names`."""

    def __init__(self, plan: Plan, trees: bytes | None, names: Sequence[str]) -> None:
        self.plan = plan
        self._names = list(names)
        self._encode = encoder(plan.columns, self._names)
        self._lines = lines_of(plan.columns, self._names, lambda column: scalar(column.ops))
        self._sums = _forest(plan.model, trees) if isinstance(plan.model, Forest) else _weighted(plan.model)
        self._link = LINKS[plan.link]
        self._in_order = plan.places == tuple(range(plan.classes))

    def row(self, values: Sequence[Any]) -> list[float]:
        """The scores of one row."""
        return self._scored(self._sums([self._encode(values)])[0])

    def rows(self, rows: Sequence[Sequence[Any]]) -> list[list[float]]:
        """The scores of some rows of plain values, each with the bits it has alone."""
        lines = self._lines(rows) if len(rows) >= _MANY else [self._encode(values) for values in rows]
        return [self._scored(sums) for sums in self._sums(lines)]

    def table(self, frame: pl.DataFrame) -> Floats:
        """The scores of many rows."""
        matrix = _matrix(self.plan.columns, frame)
        return np.array([self._scored(sums) for sums in self._sums(matrix)], dtype=np.float64)

    def _scored(self, sums: list[float]) -> list[float]:
        plan = self.plan
        if plan.factor != 1.0 or plan.count != 1:
            sums = [plan.factor * one / plan.count for one in sums]
        found = self._link(sums)
        for one in found:
            if not math.isfinite(one):
                raise FeatureError(f"The model gave {one} for a row, which is no score: fill what is missing before it")
        if self._in_order or not self.plan.places:
            return found
        whole = [0.0] * self.plan.classes
        for place, one in zip(self.plan.places, found, strict=True):
            whole[place] = one
        return whole


def scalar(ops: Sequence[Op]) -> Scalar:
    """What some steps make of one value."""
    steps = [_step(op) for op in ops]
    if len(steps) == 1:
        return steps[0]

    def run(value: Any) -> float:
        for step in steps:
            value = step(value)
        return float(value)

    return run


def _step(op: Op) -> Callable[[Any], Any]:
    match op:
        case Number():
            return _number
        case Fill(value):
            return lambda given: value if given is None or given != given else given
        case Code():
            return _coded(op)
        case Equal(value):
            return lambda given: 1.0 if given == value else 0.0
        case Plus(value):
            return lambda given: given + value
        case Times(value):
            return lambda given: given * value
        case Over(value):
            return lambda given: given / value
        case Single():
            return lambda given: float(np.float32(given))


def _number(value: Any) -> float:
    return NAN if value is None else float(value)


def _coded(op: Code) -> Scalar:
    codes = {key: NAN if code is None else code for key, code in zip(op.keys, op.values, strict=True)}
    missing = NAN if op.missing is None else op.missing
    unknown = NAN if op.unknown is None else op.unknown

    def code(value: Any) -> float:
        absent = value is None or value != value
        found = None if absent else codes.get(value)
        if found is not None:
            return found
        if ("missing" if absent else "unknown") in op.refuses:
            raise FeatureError("The model was trained to refuse a category that it never saw")
        return missing if absent else unknown

    return code


def encoder(columns: Sequence[Column], names: Sequence[str]) -> Callable[[Sequence[Any]], list[float]]:
    """A function from the values of a row to its line of the matrix."""
    runs = [list(run) for _, run in groupby(columns, key=_shared)]
    if all(len(run) == 1 for run in runs):
        steps = [(names.index(column.name), scalar(column.ops)) for column in columns]
        return lambda values: [step(values[place]) for place, step in steps]
    blocks = [(names.index(run[0].name), _block(run)) for run in runs]

    def encode(values: Sequence[Any]) -> list[float]:
        line: list[float] = []
        for place, block in blocks:
            line += block(values[place])
        return line

    return encode


def _shared(column: Column) -> tuple[str, tuple[Op, ...]] | tuple[str, int]:
    """What neighbouring columns of a one-hot encoding have in common; of any other column, itself."""
    if _hot(column):
        return column.name, column.ops[: _place_of_equal(column)]
    return column.name, id(column)


def _hot(column: Column) -> bool:
    return any(isinstance(op, Equal) for op in column.ops)


def _place_of_equal(column: Column) -> int:
    return next(place for place, op in enumerate(column.ops) if isinstance(op, Equal))


def _block(run: list[Column]) -> Callable[[Any], list[float]]:
    """The columns that one value becomes; of a one-hot encoding only two numbers a column can be, worked out here."""
    if not _hot(run[0]):
        only = scalar(run[0].ops)
        return lambda value: [only(value)]
    place = _place_of_equal(run[0])
    code = scalar(run[0].ops[:place])
    tails = [scalar((Number(), *column.ops[place + 1 :])) for column in run]
    off, on = [tail(0.0) for tail in tails], [tail(1.0) for tail in tails]
    where = {column.ops[place].value: index for index, column in enumerate(run)}  # type: ignore[union-attr]

    def block(value: Any) -> list[float]:
        line = off.copy()
        index = where.get(code(value))
        if index is not None:
            line[index] = on[index]
        return line

    return block


def _matrix(columns: Sequence[Column], frame: pl.DataFrame) -> Floats:
    matrix = np.empty((frame.height, len(columns)), dtype=np.float64)
    values: dict[str, list[Any]] = {}
    for index, column in enumerate(columns):
        series = frame[column.name]
        if column.ops == (Number(),) and series.dtype.is_numeric():
            matrix[:, index] = series.cast(pl.Float64).fill_null(NAN).to_numpy()
            continue
        given = values.setdefault(column.name, series.to_list())
        step = scalar(column.ops)
        if series.dtype == pl.String:
            known = {value: step(value) for value in set(given)}
            matrix[:, index] = [known[value] for value in given]
        else:
            matrix[:, index] = [step(value) for value in given]
    return matrix


Sums = Callable[[Any], list[list[float]]]


def _forest(model: Forest, trees: bytes | None) -> Sums:
    import onnxruntime  # type: ignore[import-untyped]  # loads when a version with trees does

    if trees is None:
        raise StorageError(f"The compiled model of a bundle has no {TREES}: train it again")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # sums keep their order, workers do not fight
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(trees, options, providers=["CPUExecutionProvider"])
    dtype = np.float32 if model.single else np.float64

    def sums(lines: Any) -> list[list[float]]:
        found: list[list[float]] = session.run(None, {"x": np.asarray(lines, dtype=dtype)})[0].tolist()
        return found

    return sums


def _weighted(model: Weights) -> Sums:
    outputs = list(zip(model.weights, model.intercepts, strict=True))

    def sums(lines: Any) -> list[list[float]]:
        rows = lines.tolist() if isinstance(lines, np.ndarray) else lines
        return [[_dot(weights, line, start) for weights, start in outputs] for line in rows]

    return sums


def _dot(weights: Sequence[float], line: Sequence[float], start: float) -> float:
    total = 0.0
    for weight, value in zip(weights, line, strict=True):
        total += weight * value
    return total + start


def _exp(value: float) -> float:
    """As C has it: what is too large is infinite."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _logistic(sums: list[float]) -> list[float]:
    yes = 1.0 / (1.0 + _exp(-sums[0]))
    return [1.0 - yes, yes]


def _softmax(sums: list[float]) -> list[float]:
    top = max(sums)
    powers = [_exp(one - top) for one in sums]
    whole = sum(powers)
    return [one / whole for one in powers]


def _shares(sums: list[float]) -> list[float]:
    """Sums of votes, or of chances, as parts of one; of two classes the second alone is summed."""
    if len(sums) == 1:
        return [1.0 - sums[0], sums[0]]
    whole = sum(sums)
    return [one / whole for one in sums]


LINKS: dict[str, Callable[[list[float]], list[float]]] = {
    "identity": lambda sums: sums,
    "exp": lambda sums: [_exp(one) for one in sums],
    "logistic": _logistic,
    "softmax": _softmax,
    "shares": _shares,
}
