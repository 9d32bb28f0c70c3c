"""Pictures and sentences of an evaluation, from the summary alone."""

import json
import re
import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from outlast.project.contract import parse_contract
from outlast.registry.pictures import draw, save, specs, undrawn
from outlast.registry.sentences import evaluated
from outlast.training.evaluation.report import evaluation
from outlast.training.evaluation.value import Scored

CONTRACT = (
    "[value]\ncurrency = 'EUR'\ncapacity = 20\npayoff = { call = { yes = 10, no = -4 }, wait = { yes = 0, no = 0 } }\n"
    '[gate]\nslices = ["shop"]\n'
)


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    """What a version keeps of an evaluation: chances too bold, and worthless in the west."""
    rng = np.random.default_rng(0)
    shop, odds = rng.choice(["north", "west"], 3000), rng.normal(-1, 1.2, 3000)
    chance = 1 / (1 + np.exp(-odds * 2))
    y = (rng.random(3000) < np.where(shop == "west", 0.3, 1 / (1 + np.exp(-odds)))).astype(np.int64)
    rows = pl.DataFrame({"shop": shop, "odds": odds})
    scored = Scored(
        parse_contract(CONTRACT), "binary", ["no", "yes"], rows.select("shop"), np.column_stack([1 - chance, chance]), y
    )

    def score(x: pl.DataFrame) -> Any:
        found = 1 / (1 + np.exp(-2 * x["odds"].to_numpy()))
        return np.column_stack([1 - found, found])

    at = np.arange(3000) * 86_400_000_000 / 100
    found = evaluation(scored, rows, score, at=at, share=1.0, seed=0)
    trials = [{"parameters": {"depth": depth}, "value": depth / 10, "step": ""} for depth in (1, 2)]
    search = {
        "metric": "roc_auc",
        "rows": {"train": 80, "judge": 20},
        "trials": trials,
        "best": 1,
        "chosen": {"depth": 2},
    }
    told = {"evaluation": found, "value": {"currency": "EUR"}, "search": search}
    return json.loads(json.dumps(told))  # as the ledger keeps it


def test_a_version_has_four_pictures_in_two_kinds_that_fit_a_page(summary: dict[str, Any], tmp_path: Path) -> None:
    files = save(summary, tmp_path / "new" / "folder")
    names = ("calibration", "importance", "slices", "thresholds")
    assert [file.name for file in files] == [f"{name}.{kind}" for name in names for kind in ("png", "svg")]
    for file in files:
        if file.suffix == ".svg":
            assert float(ET.fromstring(file.read_text()).attrib["width"]) == 800
        else:
            assert struct.unpack(">I", file.read_bytes()[16:20]) == (1600,)


def test_pictures_say_what_is_seen(summary: dict[str, Any]) -> None:
    drawn = {name: svg.decode() for name, svg in draw(summary).items()}
    for name, words in {
        "calibration": ["Chances are off by", "chance that was said", "share that came true"],
        "thresholds": ["EUR a decision above the baseline", "best by what the rows earned", "at most 20 a day"],
        "slices": [
            "1 slice found that is surely worse than the whole",
            "shop = west",
            "found as weak, confirmed",
            "all rows: 0.",
        ],
        "importance": ["The model rests most on odds", "fall of roc_auc when it is shuffled"],
    }.items():
        for said in words:
            assert said in drawn[name]


def test_the_same_summary_gives_the_same_pictures(summary: dict[str, Any]) -> None:
    assert specs(summary) == specs(summary)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_lines_have_room_of_their_own(summary: dict[str, Any], count: int) -> None:
    whole = summary["evaluation"]
    lines = [one for one in whole["slices"]["slices"] if one["metric"] is not None] * 3
    features = [{**whole["importance"]["features"][0], "feature": f"feature {n}"} for n in range(count)]
    slices = [{**one, "says": f"shop {n}"} for n, one in enumerate(lines[:count])]
    few = {"slices": {**whole["slices"], "slices": slices}, "importance": {**whole["importance"], "features": features}}
    for name, svg in draw({"evaluation": few}).items():
        inside = re.search(rb'class="background"[^>]* d="M[0-9.]+,[0-9.]+h[0-9.]+v([0-9.]+)h', svg)
        assert inside is not None
        assert float(inside[1]) >= 18 * count, name


def test_what_a_version_has_no_figures_for_is_not_drawn(summary: dict[str, Any]) -> None:
    few = {**summary["evaluation"], "calibration": None, "thresholds": None}
    few["slices"] = {**few["slices"], "slices": [one for one in few["slices"]["slices"] if one["metric"] is None]}
    assert list(specs({"evaluation": few})) == ["importance"]
    assert specs({}) == {}
    assert list(undrawn({"evaluation": few})) == ["calibration", "thresholds", "slices"]


def test_a_picture_that_is_not_drawn_says_why(summary: dict[str, Any]) -> None:
    assert undrawn(summary) == {}
    whole = summary["evaluation"]
    few = {"columns": ["shop"], "says": "shop = east", "rows": 7, "metric": None, "reason": "7 rows, too few to say"}
    for slices, says in (
        ([few], "the largest, shop = east, has 7 rows, too few to say"),
        ([], "the contract declares none"),
    ):
        told = {"evaluation": {**whole, "slices": {**whole["slices"], "slices": slices}}}
        assert undrawn(told)["slices"].startswith(says)


def test_a_loss_rises_and_another_metric_falls_without_a_feature(summary: dict[str, Any]) -> None:
    told = {"evaluation": {"importance": {**summary["evaluation"]["importance"], "metric": "log_loss"}}}
    assert dict(evaluated(told))["rests on"].endswith("by how much log_loss rises when one is shuffled")
    assert b"rise of log_loss when it is shuffled" in draw(told)["importance"]
    assert dict(evaluated(summary))["rests on"].endswith("what roc_auc loses when one is shuffled")


def test_the_evaluation_is_told_in_lines(summary: dict[str, Any]) -> None:
    said = dict(evaluated(summary))
    assert said["calibrated"].startswith("chances are off by")
    assert said["weak where"].startswith("shop = west: roc_auc 0.")
    assert "29% by the payoffs" in said["threshold"]
    assert said["capacity"].startswith("at most 20 a day from")
    assert said["rests on"].startswith("odds (")
    assert said["search"] == "depth=2: the best of 2 trials by roc_auc (0.2) on 20 of the rows to train"
    assert dict(evaluated({"metrics": {}})) == {}


def test_a_capacity_that_means_nothing_says_why(summary: dict[str, Any]) -> None:
    told = {"evaluation": {"capacity": {"a_day": 5, "reason": "the questions have no time"}}}
    assert dict(evaluated(told)) == {"capacity": "5 a day: the questions have no time"}
