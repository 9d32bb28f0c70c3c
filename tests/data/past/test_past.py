"""The past of a reference: its counts add up to the rows, its bytes are the same twice, older bundles have none."""

import zlib
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from outlast.data.past import (
    HOUR,
    HarmTree,
    LossScale,
    Pairs,
    Past,
    Reference,
    blocks_of,
    from_bytes,
    past_of,
    to_bytes,
)
from outlast.data.past.blocks import HOURS
from outlast.data.past.declared import Declared, Word
from outlast.data.profile import CELLS
from outlast.errors import StorageError

ROWS = 6_000
TREE = HarmTree((0, -1, -1), (0b1111, 0, 0), (1, -1, -1), (2, -1, -1), (0, 0, 1))
PAIRS = Pairs([(0, 1, 2, 3), (0, 2, 1, 4)])


def reference(rows: int = ROWS) -> Reference:
    rng = np.random.default_rng(3)
    at = np.sort(rng.integers(0, 90 * HOUR, rows)) + 17_000 * 24 * HOUR
    cells = rng.integers(0, CELLS, (rows, 3)).astype(np.uint8)
    sides = rng.integers(0, 2, rows)
    return Reference(
        at, cells, rng.integers(0, 16, rows).astype(np.uint8), rng.random(rows), sides.astype(np.float64),
        rng.integers(0, 2, rows), sides, rng.integers(0, 1001, rows),
    )  # fmt: skip


def made(rows: Reference) -> Past:
    learnt = LossScale("error", ["no", "yes"]), TREE, PAIRS
    return past_of(("a", "b", "c"), rows, learnt, every=lambda: (rows.at, rows.cells), seed=1)


def test_every_table_adds_up_to_the_rows() -> None:
    rows = reference()
    past = made(rows)
    blocks, totals = past.blocks, past.totals
    assert past.rows == blocks.rows.sum() == ROWS
    assert (blocks.cells.sum(axis=2) == blocks.rows[:, None]).all()
    assert (blocks.outcomes.sum(axis=2) == blocks.scores).all()
    assert (blocks.leaves.sum(axis=1) == blocks.rows).all()
    assert blocks.mills.sum() == rows.mills.sum() == totals.by_leaf[..., 1].sum() == totals.by_outcome[..., 1].sum()
    assert blocks.squares.sum() == (rows.mills**2).sum()
    assert (totals.by_cell[..., 0].sum(axis=1) == ROWS).all()
    hit = PAIRS.hits(rows.cells)
    assert totals.by_pair.tolist() == [[int(hit[:, p].sum()), int(rows.mills[hit[:, p]].sum())] for p in (0, 1)]


def test_an_hour_counts_the_rows_that_were_decided_in_it() -> None:
    rows = reference()
    blocks = made(rows).blocks
    chosen = rows.at // HOUR * HOUR == blocks.starts[5]
    assert blocks.rows[5] == chosen.sum()
    assert blocks.cells[5, 1].tolist() == np.bincount(rows.cells[chosen, 1], minlength=CELLS).tolist()
    assert blocks.mills[5] == rows.mills[chosen].sum()


def test_decisions_without_a_time_are_one_block() -> None:
    blocks = blocks_of(np.zeros(7, np.int64), np.zeros((7, 2), np.uint8))
    assert (blocks.hours, blocks.rows.tolist(), blocks.mills.tolist()) == (1, [7], [0])


def test_of_many_hours_the_newest_are_kept() -> None:
    at = np.arange(HOURS + 10) * HOUR
    blocks = blocks_of(at, np.zeros((len(at), 1), np.uint8))
    assert (blocks.hours, blocks.starts[0], blocks.rows.sum()) == (HOURS, 10 * HOUR, HOURS)


def test_what_is_usual_of_features_is_said_by_all_rows_where_few_are_held_out() -> None:
    rows = reference()
    past = made(rows)
    assert past.wide is not None
    assert past.usual.rows.sum() == ROWS
    months = reference(24_000)
    spread = Reference(**{**vars(months), "at": np.linspace(0, 29 * 24 * HOUR, 24_000).astype(np.int64)})
    enough = made(spread)
    assert enough.usual is enough.blocks
    assert enough.course is enough.wide, "how features move is told by as long a time as there is"
    assert replace(enough, wide=None).course is enough.blocks


def test_the_sample_is_some_of_the_rows_in_order_and_the_same_twice() -> None:
    rows = reference()
    one, other = made(rows).sample, made(rows).sample
    assert len(one.at) == 5_000
    assert (np.diff(one.at) >= 0).all()
    assert all((a == b).all() for a, b in zip(vars(one).values(), vars(other).values(), strict=True))
    assert {(a, m) for a, m in zip(one.at.tolist(), one.mills.tolist(), strict=True)} <= {
        (a, m) for a, m in zip(rows.at.tolist(), rows.mills.tolist(), strict=True)
    }


def test_a_past_is_read_back_as_it_was_written_and_written_the_same_twice() -> None:
    rows = reference(900)
    data = to_bytes(made(rows))
    assert data == to_bytes(made(rows))
    again = from_bytes(data)
    assert again is not None
    assert to_bytes(again) == data
    assert again.blocks.cells.dtype == np.int64
    assert again.sample.cells.dtype == np.uint8
    assert (again.sample.scores == made(rows).sample.scores).all()
    assert (again.tree, again.pairs, again.scale, again.features) == (TREE, PAIRS, made(rows).scale, ("a", "b", "c"))
    assert again.declared == Declared()
    kept = replace(again, declared=Declared([Word("desk", "north", 500, 4_000), Word("desk", "south", 400, 900)]))
    read = from_bytes(to_bytes(kept))
    assert read is not None
    assert read.declared == kept.declared
    assert read.declared.totals.tolist() == [[500, 4_000], [400, 900]]


def test_bundles_of_before_have_no_past() -> None:
    assert from_bytes(None) is None


def test_a_past_of_a_later_format_or_a_broken_one_is_refused() -> None:
    kept = msgspec.msgpack.decode(zlib.decompress(to_bytes(made(reference(100)))))
    later = zlib.compress(msgspec.msgpack.encode({**kept, "format": 99}))
    with pytest.raises(StorageError, match="format 99"):
        from_bytes(later)
    with pytest.raises(StorageError, match="cannot be read"):
        from_bytes(later[:-9])
