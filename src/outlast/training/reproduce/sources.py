"""Whether today's sources still give a version's training set, and what moved where they do not."""

from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from outlast.bundle.format import open_bundle
from outlast.data.fingerprint import rows_digest
from outlast.data.schema import dtype_name
from outlast.journal.sources import Sources, project_of
from outlast.project.period import Period
from outlast.project.workspace import Workspace
from outlast.training.dataset import AT, KEY, LABEL, LABEL_AT, build_dataset, cutoff_of
from outlast.training.reproduce.inputs import Kept, TrainingSet
from outlast.training.snapshot import ROW, TEST, TRAIN, TRUTH, given_names, laid_out
from outlast.training.splitting import split_rows
from outlast.types import counted

_NAMES = {LABEL: "the label", LABEL_AT: "the moment the label was known", TRUTH: "the label", TRAIN: "the split",
          TEST: "the split", AT: "the moment of decision", KEY: "the key"}  # fmt: skip
_SHOWN = 6
_FEW = 3


@dataclass(frozen=True)
class Moved:
    """Rows that only one of two training sets has, and in how many of the others each column has another value."""

    gone: int
    new: int
    columns: dict[str, int]
    keys: dict[str, list[str]]
    """Of columns that moved in a few rows, the keys of these."""

    @property
    def sentence(self) -> str:
        said = [f"{counted(self.gone, 'row')} gone"] if self.gone else []
        said += [f"{counted(self.new, 'row')} new"] if self.new else []
        words: dict[str, int] = {}
        for name, rows in self.columns.items():
            word = _word(name)
            words[word] = max(words.get(word, 0), rows)
        most = sorted(words.items(), key=lambda item: -item[1])
        where = {_word(name): f" ({', '.join(keys)})" for name, keys in self.keys.items()}
        said += [f"{word} moved in {counted(rows, 'row')}{where.get(word, '')}" for word, rows in most[:_SHOWN]]
        said += [f"{len(most) - _SHOWN} more columns moved"] if len(most) > _SHOWN else []
        return ", ".join(said) or "the same rows in another order"


def today(workspace: Workspace, kept: Kept) -> TrainingSet:
    """The training set that today's sources give, as known at the version's cutoff. This executes the bundle's code."""
    version = kept.version
    project = project_of(workspace, open_bundle(workspace, version.digest))
    if "period" in version.lineage:
        project = replace(project, period=Period.from_json(version.lineage["period"]))
    dataset = build_dataset(project, Sources(project), cutoff_of(project, version.created_at))
    rows = laid_out(version.model, dataset, split_rows(project, dataset, version.lineage["seed"]))
    given = {name: dtype_name(dataset.rows.schema[name]) for name in given_names(project.model)}
    return TrainingSet(rows, given, rows_digest(rows.lazy(), ordered=True))


def sources_now(workspace: Workspace, kept: Kept) -> dict[str, dict[str, Any]]:
    """Each source by its digest then and now. This executes the bundle's code, which says where they are."""
    project = project_of(workspace, open_bundle(workspace, kept.version.digest))
    prints, then = Sources(project).fingerprints(), kept.version.summary["sources"]
    return {
        name: {"then": then[name]["digest"], "now": one["digest"], "rows_then": then[name]["rows"], "rows": one["rows"]}
        for name, one in prints.items()
    }


def rows_moved(kept: TrainingSet, other: TrainingSet) -> Moved:
    """How one training set differs from another, row by row of the same question."""
    then, now = (_numbered(one.rows) for one in (kept, other))
    on = [KEY, AT, _TURN]
    both = then.join(now, on=on, how="inner", suffix=_NOW, maintain_order="left")
    columns: dict[str, int] = {}
    keys: dict[str, list[str]] = {}
    for name in dict.fromkeys([*then.columns, *now.columns]):
        if name in (*on, ROW):
            continue
        if name not in then.columns or name not in now.columns:
            columns[name] = both.height
            continue
        was, is_now = both[name], both[f"{name}{_NOW}"]
        same_type = is_now if was.dtype == is_now.dtype else is_now.cast(was.dtype, strict=False)
        other_value = was.ne_missing(same_type)
        columns[name] = int(other_value.sum())
        if 0 < columns[name] <= _FEW:
            keys[name] = [str(key) for key in both[KEY].filter(other_value)]
    moved = {name: rows for name, rows in columns.items() if rows}
    return Moved(then.height - both.height, now.height - both.height, moved, keys)


_TURN, _NOW = "__turn", "__now"


def _word(name: str) -> str:
    return _NAMES.get(name, f"'{name}'")


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a number that tells those of one key and moment apart."""
    return rows.with_columns(pl.int_range(pl.len()).over(KEY, AT).alias(_TURN))
