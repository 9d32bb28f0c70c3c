"""Lookups written down in a manifest and read back without executing the project's code."""

import io
from typing import Any

import polars as pl

from outlast.data.schema import Schema, types
from outlast.errors import StorageError
from outlast.features.compiled import CompiledLookup, compile_lookup
from outlast.project.declare import Lookup, Source, spelling


def written(lookup: Lookup) -> dict[str, Any]:
    """A lookup as plain values."""
    kept = {
        "digest": lookup.digest,
        "source": lookup.source.declared(),
        "by": [list(pair) for pair in lookup.by],
        "outputs": [[name, spelling(expr)] for name, expr in lookup.outputs],
        "over": list(lookup.widths),
        "max_age": lookup.max_age,
    }
    return {**kept, "last": list(lookup.lasts)} if lookup.lasts else kept


def read_back(kept: dict[str, Any], schemas: dict[str, Schema]) -> CompiledLookup:
    """The lookup again, bound to the source's types as they were in training.

    The digest is the one written down: it names the store's values, whatever a later Polars calls an expression.
    """
    declared = kept["source"]
    times = {name: declared[name] for name in ("time", "lag", "event") if name in declared}
    source = Source(declared["name"], "", key=declared["key"], **times)
    lookup = Lookup(
        source=source,
        by=tuple((asked, fact) for asked, fact in kept["by"]),
        outputs=tuple((name, _expression(text)) for name, text in kept["outputs"]),
        widths=tuple(kept["over"]),
        max_age=kept["max_age"],
        lasts=tuple(kept.get("last", ())),
    )
    vars(lookup)["digest"] = kept["digest"]
    return compile_lookup(lookup, types(schemas[source.name]))


def _expression(text: str) -> pl.Expr:
    try:
        return pl.Expr.deserialize(io.StringIO(text), format="json")
    except pl.exceptions.PolarsError as error:
        raise StorageError(
            f"An expression of this version cannot be read by Polars {pl.__version__} ({error}): "
            "serve it with the versions in its environment.txt, or train it again"
        ) from error
