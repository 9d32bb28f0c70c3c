"""A feature that computes what it did keeps its bins, while they still tell its values apart."""

import numpy as np
import polars as pl

from outlast.data.profile import Bins, build
from outlast.registry.bins import Frozen, Origin
from outlast.training.watching.bins import kept_on, lineage_of_bins

OLD = Origin(1, "d" * 64)
DIGESTS = {"x": "x1", "word": "w1"}


def frame(shift: float = 0.0, scale: float = 1.0, words: str = "abcd", seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame({"x": rng.normal(shift, scale, 4000), "word": rng.choice(list(words), 4000)})


def frozen(rows: pl.DataFrame) -> Frozen:
    bins = {DIGESTS[one.name]: one for one in build(rows).features}
    return Frozen(bins, dict.fromkeys(bins, OLD))


def taken(
    rows: pl.DataFrame, before: Frozen, digests: dict[str, str] = DIGESTS
) -> tuple[list[Bins], dict[str, Origin]]:
    return kept_on(build(rows).features, before, digests, rows)


def test_an_equal_feature_keeps_its_edges_and_counts_the_new_reference() -> None:
    before, rows = frozen(frame()), frame(0.2, seed=2)
    bins, origins = taken(rows, before)
    assert bins[0].edges == before.bins["x1"].edges
    assert bins[0].counts != before.bins["x1"].counts
    assert sum(bins[0].counts) == rows.height
    assert origins["x"] == OLD


def test_bins_that_the_rows_would_have_given_anyway_are_not_said_to_be_taken() -> None:
    rows = frame()
    bins, origins = taken(rows, frozen(rows))
    assert (bins, origins) == (build(rows).features, {})


def test_another_digest_or_another_kind_gets_bins_of_its_own() -> None:
    rows = frame(0.2, seed=2)
    assert taken(rows, frozen(frame()), {"x": "x2", "word": "w2"}) == (build(rows).features, {})
    words = Frozen({"x1": frozen(frame()).bins["w1"]}, {"x1": OLD})
    assert taken(rows, words)[0][0].kind == "number"


def test_bins_that_no_longer_tell_values_apart_are_made_anew() -> None:
    before = frozen(frame())
    for rows in (frame(8.0), frame(0.0, 0.01), frame(words="wxyz")):
        bins, origins = taken(rows, before)
        anew = "word" if rows["word"][0] in "wxyz" else "x"
        assert anew not in origins
        assert next(one for one in bins if one.name == anew) in build(rows).features


def test_a_feature_under_another_name_keeps_its_bins() -> None:
    rows = frame(0.2, seed=2).rename({"x": "y"})
    bins, origins = taken(rows, frozen(frame()), {"y": "x1", "word": "w1"})
    assert (bins[0].name, origins["y"]) == ("y", OLD)


def test_the_lineage_names_each_version_once_with_its_features() -> None:
    newer = Origin(3, "e" * 64)
    said = lineage_of_bins({"x": newer, "word": OLD, "z": newer})
    assert [(one["version"], one["features"]) for one in said["bins"]] == [(1, ["word"]), (3, ["x", "z"])]
    assert lineage_of_bins({}) == {}
