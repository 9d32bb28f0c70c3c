"""A replay through a real server: everything told once, in the order of time, whatever interrupts it."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from replayed import BEGIN, DAY, Shop, command, copied, played

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import open_predictor
from outlast.clock import telling
from outlast.errors import DataError, StorageError
from outlast.journal import reading
from outlast.journal.journal import Journal
from outlast.journal.sources import Sources
from outlast.journal.spelling import from_text
from outlast.monitoring.counting.windows import stored
from outlast.monitoring.skew import audit
from outlast.project import position
from outlast.project.loader import Project
from outlast.registry.versions import find
from outlast.replaying.faults import Fault
from outlast.replaying.growing import grow
from outlast.replaying.run import Listeners, Told
from outlast.replaying.strangers import refuse_strangers
from outlast.retraining import jobs
from outlast.retraining.tick import Done
from outlast.types import ModelRef, micros

HOUR = timedelta(hours=1)


def orders(shop: Shop, until: datetime = BEGIN + 2 * DAY) -> pl.DataFrame:
    """What was ordered from BEGIN on."""
    table = pl.read_csv(shop.folder / "data" / "orders.csv", try_parse_dates=True)
    at = pl.col("placed_at").dt.replace_time_zone("UTC")
    return table.with_columns(at).filter(at.is_between(BEGIN, until, closed="left"))


def journal(project: Project) -> pl.DataFrame:
    return reading.joined(project.workspace, "shop").collect().sort("decide_at", "key")


def answers(project: Project) -> list[dict[str, Any]]:
    """What was answered, without what a server makes anew each time."""
    return journal(project).select("key", "decide_at", "at", "features", "score", "decision", "value").to_dicts()


def test_every_question_is_asked_once_at_its_moment_and_labels_come_when_they_land(shop: Shop) -> None:
    project = shop.project()
    told = played(project)
    kept, asked = journal(project), orders(shop)
    assert kept["key"].to_list() == asked.sort("placed_at", "order_id")["order_id"].to_list()
    assert (kept["at"] == kept["decide_at"]).all(), "answers are given at the story's moment"
    assert told.questions == kept.height == told.rungs["full"]
    delivered = pl.read_csv(shop.folder / "data" / "deliveries.csv", try_parse_dates=True)
    known = delivered.with_columns(at=pl.col("delivered_at").dt.replace_time_zone("UTC") + HOUR)
    landed = known.filter(pl.col("at") < BEGIN + 2 * DAY).join(asked, on="order_id", how="semi")
    labelled = kept.drop_nulls("value")
    assert sorted(labelled["key"]) == sorted(landed["order_id"])
    assert 0 < labelled.height < kept.height
    assert told.labels == labelled.height
    assert (labelled["labelled_at"] == labelled["known_at"]).all()


def test_what_is_served_is_what_the_facts_known_then_give(shop: Shop) -> None:
    project = shop.project()
    played(project, step=HOUR)
    found = audit(project.workspace, "shop", sample=100)
    assert (found.looked_at, found.differ, found.unread) == (orders(shop).height, 0, ())


def test_a_fact_of_a_batch_comes_after_it_happened_and_on_time(shop: Shop) -> None:
    project = shop.project()
    played(project, step=HOUR)
    arrived = reading.facts(project.workspace, "deliveries").collect()
    happened = [from_text(row)["delivered_at"].replace(tzinfo=UTC) for row in arrived["row"]]
    waited = [at - one for at, one in zip(arrived["at"], happened, strict=True)]
    assert len(waited) > 20
    assert timedelta(0) <= min(waited) <= max(waited) <= HOUR
    assert len(set(arrived["at"])) < len(waited) / 1.2, "several come together"


def test_a_tick_sees_what_came_before_it(shop: Shop) -> None:
    """The server keeps its segment for minutes; halting the story makes it hand over what it has."""
    project, seen = shop.project(), []

    def ticked(at: datetime, done: list[Done]) -> None:
        assert not [one for one in done if one.failed]
        windows = stored(project.workspace.ledger, "shop")
        seen.append((at, sum(one.counts.rows for one in windows)))

    told = played(project, every=DAY, listeners=Listeners(ticked=ticked))
    expected = [(BEGIN + n * DAY, orders(shop, BEGIN + n * DAY).height) for n in (1, 2)]
    assert seen == expected
    assert told.ticks == 2


def test_a_replay_that_is_interrupted_goes_on_where_it_came_to(shop: Shop, tmp_path: Path) -> None:
    broken, whole = copied(shop, tmp_path / "broken").project(), shop.project()
    played(whole, step=HOUR)

    def interrupt(told: Told) -> None:
        if told.questions > 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        played(broken, step=HOUR, listeners=Listeners(interrupt))
    came = position.find(broken.workspace, "shop")
    assert came is not None
    assert BEGIN + DAY < came.until < BEGIN + 2 * DAY
    told = played(broken, step=HOUR)
    assert told.questions == orders(shop).height - came.questions
    assert answers(broken) == answers(whole)
    assert played(broken, step=HOUR).questions == 0, "the same stretch is not told twice"


def test_what_was_told_and_not_noted_is_not_answered_twice(shop: Shop) -> None:
    """A kill loses the note of what was told since the last tick; the same requests get the same answers."""
    project = shop.project()
    played(project, until=BEGIN + DAY)
    before = answers(project)
    position._file(project.workspace, "shop").unlink()
    told = played(project, until=BEGIN + DAY)
    assert told.questions == len(before)
    assert answers(project) == before


def test_a_question_that_is_refused_costs_the_others_nothing(shop: Shop) -> None:
    project = shop.project()
    fault = Fault(name="no scale", source="orders", columns=["weight_kg"], null=True, share=0.5, since=BEGIN + DAY)
    told = played(project, step=6 * HOUR, faults=[fault])
    after = orders(shop).height - orders(shop, BEGIN + DAY).height
    assert told.rungs == {"full": orders(shop).height - after // 2, "refused": after // 2}
    assert journal(project).height == told.rungs["full"]


def test_facts_told_otherwise_than_they_lie_at_their_place_are_found_and_say_what_it_takes(shop: Shop) -> None:
    project = shop.project()
    fault = Fault(name="dozens", source="backlog", columns=["open_orders"], scale=0.5, since=BEGIN)
    played(project, step=6 * HOUR, until=BEGIN + DAY, faults=[fault])
    (found,) = Sources(project).violations({})["backlog"]
    assert "counted_at=2025-05-24 00:00:00" in found.sentence
    assert "datetime" not in found.sentence
    assert "of 'backlog' came by push and are read beside those at its place; what a replay tells" in found.sentence
    assert "needs --history" in found.sentence


def test_a_story_can_be_slowed_down(shop: Shop) -> None:
    waited: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("outlast.replaying.run.time.sleep", waited.append)
        played(shop.project(), until=BEGIN + HOUR, speed=60.0, every=None)
    assert 0 < max(waited) <= 60.0


def test_a_server_on_another_clock_is_noticed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.replaying.handing._PATIENCE", 0.2)
    monkeypatch.setattr("outlast.serving.server.halts", lambda: None)
    with pytest.raises(Exception, match="does not hand its journal over, so it goes by another clock"):
        played(shop.project(), until=BEGIN + DAY, every=DAY)


def test_the_command_starts_a_server_tells_and_says(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    until = f"{BEGIN + DAY:%Y-%m-%d}"
    assert command(shop.folder, "replay", "--since", f"{BEGIN:%Y-%m-%d}", "--until", until, "--every", "12h") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"and asked {orders(shop, BEGIN + DAY).height} questions, with 2 ticks, up to {until} 00:00" in said
    assert command(shop.folder, "replay", "--until", until) == 2
    assert "after its end: give a later --until" in capsys.readouterr().err


@pytest.mark.parametrize(("end", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
@pytest.mark.parametrize("begun", [True, False])
def test_who_stops_it_is_told_up_to_where_it_came(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    end: BaseException, code: int, begun: bool,
) -> None:  # fmt: skip
    if begun:
        played(shop.project(), until=BEGIN + 6 * HOUR)

    def ends(*_: Any, **__: Any) -> None:
        raise end

    monkeypatch.setattr("outlast.replaying.run.replay", ends)
    until = f"{BEGIN + DAY:%Y-%m-%d}"
    assert command(shop.folder, "replay", "--since", f"{BEGIN:%Y-%m-%d}", "--until", until) == code
    said = " ".join(capsys.readouterr().out.split())
    where = f"at {BEGIN + 6 * HOUR:%Y-%m-%d %H:%M} of the story" if begun else "before the story began"
    assert f"Stopped {where}: the same command goes on from there" in said


def test_a_replay_whose_ticks_failed_leaves_with_1(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> tuple[bool, str]:
        raise StorageError("The disk is gone: put it back")

    monkeypatch.setitem(jobs.PER_MODEL, "watch", broken)
    until = f"{BEGIN + DAY:%Y-%m-%d}"
    assert command(shop.folder, "replay", "--since", f"{BEGIN:%Y-%m-%d}", "--until", until) == 1
    assert "watch shop: The disk is gone: put it back" in " ".join(capsys.readouterr().out.split())


def test_a_story_is_not_mixed_with_answers_that_no_replay_told(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    project = shop.project()
    refuse_strangers(project.workspace, "shop")
    played(project, until=BEGIN + 6 * HOUR)
    refuse_strangers(project.workspace, "shop")
    predictor = open_predictor(project.workspace, find(project.workspace.ledger, ModelRef("shop")).digest, 1)
    at = micros(BEGIN)
    answer = Answer("p1", None, at, at, {}, {}, 0.5, None, None, "full", [], [], b"")
    with Journal(project.workspace) as kept:
        kept.predictions([answer], predictor, request_id="r1", server="s1")
    assert command(shop.folder, "replay", "--until", f"{BEGIN + DAY:%Y-%m-%d}") == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "holds 1 answer that no replay told" in said
    assert "replay in a copy of the project without its .outlast, or set OUTLAST_CLOCK=" in said
    with telling(position.clock_file(project.workspace), BEGIN):
        refuse_strangers(project.workspace, "shop")


def test_what_is_asked_is_added_to_the_questions_once(shop: Shop, tmp_path: Path) -> None:
    """For successors to be trained on; the places of the sources held only what was known when the story begins."""
    past, whole = shop.folder / "data", tmp_path / "whole"
    shutil.copytree(past, whole)
    table = pl.read_csv(whole / "orders.csv", try_parse_dates=True)
    before = table.filter(pl.col("placed_at").dt.replace_time_zone("UTC") < BEGIN)
    for folder, rows in ((whole, table), (past, before)):
        rows.write_parquet(folder / "orders.parquet")
    model = shop.folder / "model.py"
    model.write_text(model.read_text().replace("data/orders.csv", "data/orders.parquet"))
    project = shop.project()
    fault = Fault(name="no scale", source="orders", columns=["weight_kg"], null=True, since=BEGIN + DAY)
    for _ in range(2):
        grow(project, BEGIN, BEGIN + 2 * DAY, folder=whole, faults=[fault])
        grown = pl.read_parquet(past / "orders.parquet")
        assert sorted(grown["order_id"]) == sorted([*before["order_id"], *orders(shop)["order_id"]])
        assert grown.columns == table.columns
        assert grown["weight_kg"].null_count() == orders(shop).height - orders(shop, BEGIN + DAY).height
    with pytest.raises(DataError, match=r"lies in .* itself, with the whole past in it"):
        grow(project, BEGIN, BEGIN + DAY, folder=past, faults=[])
