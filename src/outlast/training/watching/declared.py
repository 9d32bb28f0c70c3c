"""The words of declared slices that are watched one by one: the most frequent of the held-out rows."""

from collections import Counter
from collections.abc import Iterable, Iterator

import polars as pl

from outlast.data.past.declared import MOST, Declared, Word, word_of
from outlast.data.profile import OTHER, Profile

_FEWEST = 50


def declared(columns: Iterable[str], rows: pl.DataFrame, mills: Iterable[int], profile: Profile) -> Declared:
    """Words of declared columns; bins of features, and words with a cell of their own, are watched as cells."""
    bins = {one.name: one for one in profile.features}
    lost, found = pl.Series("mills", mills, dtype=pl.Int64), list[Word]()
    for column in dict.fromkeys(columns):
        if column not in rows.columns or (column in bins and bins[column].kind == "number"):
            continue
        celled = set(bins[column].categories[:OTHER]) if column in bins else set()
        found += [one for one in _words(column, rows[column], lost) if one.word not in celled]
    return Declared(sorted(found, key=lambda one: (-one.rows, one.column, one.word))[:MOST])


def _words(column: str, values: pl.Series, mills: pl.Series) -> Iterator[Word]:
    """Every word that enough rows have, with their mills."""
    rows, lost = Counter[str](), Counter[str]()
    each = pl.DataFrame({"value": values, "mills": mills}).drop_nulls("value").group_by("value")
    for value, n, sum_ in each.agg(pl.len(), pl.col("mills").sum()).iter_rows():
        rows[word_of(value)] += n
        lost[word_of(value)] += sum_
    for word, n in rows.items():
        if n >= _FEWEST:
            yield Word(column, word, n, lost[word])
