"""Fitted transformers as steps over columns: what a scikit-learn encoder does to each value."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from outlast.bundle.plan import Code, Column, Equal, Fill, Number, Op, Over, Plus, Single, Times, Word
from outlast.training.compiling.refusal import NotCompiled

Columns = list[Column]


def transformed(transformer: Any, columns: Columns) -> Columns:
    """The columns that a fitted transformer makes of these."""
    if transformer is None or isinstance(transformer, str):
        return _by_word(transformer, columns)
    kind = type(transformer).__name__
    if kind not in _KNOWN or not type(transformer).__module__.startswith("sklearn."):
        raise NotCompiled(f"the step {kind} has no compiled form")
    return _KNOWN[kind](transformer, columns)


def then(column: Column, *ops: Op) -> Column:
    """A column with more done to it."""
    return replace(column, ops=(*column.ops, *ops))


def as_number(column: Column) -> Column:
    """A column that is certainly a number."""
    return column if any(isinstance(op, Number | Code) for op in column.ops) else then(column, Number())


def single(columns: Iterable[Column]) -> Columns:
    """Columns rounded to 32 bits, as scikit-learn's plain trees read them."""
    return [then(as_number(column), Single()) for column in columns]


def _by_word(word: str | None, columns: Columns) -> Columns:
    return [] if word == "drop" else columns


def _pipeline(pipeline: Any, columns: Columns) -> Columns:
    for _, step in pipeline.steps:
        columns = transformed(step, columns)
    return columns


def _column_transformer(transformer: Any, columns: Columns) -> Columns:
    found: Columns = []
    for name, inner, _ in transformer.transformers_:
        taken = [columns[place] for place in transformer._transformer_to_input_indices[name]]
        found += transformed(inner, taken)
    return found


def _function(transformer: Any, columns: Columns) -> Columns:
    function = transformer.func
    if function is None or getattr(getattr(function, "func", None), "__name__", "") == "check_array":
        return columns
    raise NotCompiled(f"the function {getattr(function, '__name__', function)} of a FunctionTransformer is not data")


def _ordinal(encoder: Any, columns: Columns) -> Columns:
    _nothing_infrequent(encoder)
    strict = encoder.handle_unknown == "error"
    unknown = None if strict else _code(encoder.unknown_value)
    found = []
    for column, categories in zip(columns, encoder.categories_, strict=True):
        codes = {_word(one): float(index) for index, one in enumerate(categories) if not _absent(one)}
        absent = [index for index, one in enumerate(categories) if _absent(one)]
        missing = _missing_code(encoder, categories, absent) if absent else unknown
        found.append(then(column, _coded(codes, unknown, missing, strict=strict, there=bool(absent))))
    return found


def _missing_code(encoder: Any, categories: Any, absent: list[int]) -> float | None:
    """To the encoder, null is a category among others, and NaN is what is missing."""
    null = categories[absent[0]] is None
    return float(absent[0]) if null else _code(encoder.encoded_missing_value)


def _one_hot(encoder: Any, columns: Columns) -> Columns:
    _nothing_infrequent(encoder)
    strict = encoder.handle_unknown == "error"
    found = []
    drops = encoder.drop_idx_ if encoder.drop_idx_ is not None else [None] * len(columns)
    for column, categories, drop in zip(columns, encoder.categories_, drops, strict=True):
        codes = {_word(one): float(index) for index, one in enumerate(categories) if not _absent(one)}
        absent = next((float(index) for index, one in enumerate(categories) if _absent(one)), -1.0)
        coded = then(column, _coded(codes, -1.0, absent, strict=strict, there=absent >= 0))
        found += [then(coded, Equal(float(index))) for index in range(len(categories)) if index != drop]
    return found


def _target(encoder: Any, columns: Columns) -> Columns:
    if encoder.target_type_ == "multiclass":
        raise NotCompiled("a TargetEncoder of several classes has no compiled form")
    mean = float(encoder.target_mean_)
    found = []
    for column, categories, values in zip(columns, encoder.categories_, encoder.encodings_, strict=True):
        codes = {_word(one): float(value) for one, value in zip(categories, values, strict=True) if not _absent(one)}
        absent = [float(value) for one, value in zip(categories, values, strict=True) if _absent(one)]
        found.append(then(column, _coded(codes, mean, absent[0] if absent else mean, strict=False, there=True)))
    return found


def _imputer(imputer: Any, columns: Columns) -> Columns:
    if imputer.add_indicator or not (imputer.missing_values is None or _absent(imputer.missing_values)):
        raise NotCompiled(
            "a SimpleImputer that marks what it filled, or fills other than null and NaN, has no such form"
        )
    filled = zip(columns, imputer.statistics_, strict=True)
    return [then(column, Fill(_word(value))) for column, value in filled if not _absent(value)]


def _standard(scaler: Any, columns: Columns) -> Columns:
    return _scaled(columns, minus=scaler.mean_ if scaler.with_mean else None, over=scaler.scale_)


def _robust(scaler: Any, columns: Columns) -> Columns:
    return _scaled(columns, minus=scaler.center_, over=scaler.scale_)


def _greatest(scaler: Any, columns: Columns) -> Columns:
    return _scaled(columns, minus=None, over=scaler.scale_)


def _between(scaler: Any, columns: Columns) -> Columns:
    if scaler.clip:
        raise NotCompiled("a MinMaxScaler that clips has no compiled form")
    pairs = zip(columns, scaler.scale_, scaler.min_, strict=True)
    return [then(as_number(column), Times(float(scale)), Plus(float(least))) for column, scale, least in pairs]


def _scaled(columns: Columns, *, minus: Sequence[float] | None, over: Sequence[float] | None) -> Columns:
    found = []
    for index, column in enumerate(columns):
        ops: list[Op] = []
        if minus is not None:
            ops.append(Plus(-float(minus[index])))
        if over is not None:
            ops.append(Over(float(over[index])))
        found.append(then(as_number(column), *ops))
    return found


def _nothing_infrequent(encoder: Any) -> None:
    if getattr(encoder, "_infrequent_enabled", False):
        raise NotCompiled(f"a {type(encoder).__name__} that joins rare categories has no compiled form")


def _coded(
    codes: dict[Word, float], unknown: float | None, missing: float | None, *, strict: bool, there: bool
) -> Code:
    refuses = () if not strict else ("unknown",) if there else ("unknown", "missing")
    return Code(tuple(codes), tuple(codes.values()), unknown, missing, refuses)  # type: ignore[arg-type]


def _code(value: Any) -> float | None:
    """A number that JSON can carry: None for NaN."""
    return None if value is None or math.isnan(value) else float(value)


def _absent(value: Any) -> bool:
    return value is None or bool(value != value)


def _word(value: Any) -> Word:
    """A category as a row of plain values has it."""
    plain = value.item() if hasattr(value, "item") else value
    if not isinstance(plain, str | int | float | bool):
        raise NotCompiled(f"a category is a {type(plain).__name__}, neither text nor a number")
    return plain


_KNOWN: dict[str, Callable[[Any, Columns], Columns]] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "FunctionTransformer": _function,
    "OrdinalEncoder": _ordinal,
    "OneHotEncoder": _one_hot,
    "TargetEncoder": _target,
    "SimpleImputer": _imputer,
    "StandardScaler": _standard,
    "RobustScaler": _robust,
    "MaxAbsScaler": _greatest,
    "MinMaxScaler": _between,
}
