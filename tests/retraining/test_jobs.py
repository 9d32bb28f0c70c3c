"""Single jobs of a tick."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import sqlalchemy as sa
from watched import DAY, MODEL, START, made, predict, through_the_day

from outlast.bundle.format import pack
from outlast.bundle.ingest import MARGIN
from outlast.bundle.lookups import written
from outlast.clock import telling
from outlast.data.schema import infer, to_json
from outlast.features.online import NOBODY
from outlast.monitoring.subject import Subject
from outlast.project import position
from outlast.project.declare import Lookup, Source, latest, window
from outlast.project.workspace import Workspace
from outlast.registry.versions import register
from outlast.retraining.jobs import Shared, keep, prune, seal
from outlast.storage.fresh import Fact
from outlast.storage.ledger.schema import rollouts
from outlast.types import micros

NOW = datetime(2013, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LANDINGS = Source("landings", "x", key="id", time="at")


def live(workspace: Workspace, origin: Subject, lookup: Lookup) -> None:
    """A version that reads one lookup over landings."""
    facts = pl.DataFrame({"id": [1], "plane": ["a"], "at": [NOW], "delay": [1.0]})
    manifest = {
        "lookups": [written(lookup)],
        "sources": {"landings": {"schema": to_json(infer(facts.lazy())).decode()}},
    }
    contract = msgspec.json.encode(origin.contract.model_dump(mode="json"))
    digest = workspace.artifacts.put(pack(manifest, {"contract.json": contract}))
    made_of = {"code_digest": None, "task": "binary", "summary": {}, "lineage": {}, "by": "ada", "at": NOW}
    version = register(workspace.ledger, MODEL, digest=digest, **made_of)
    with workspace.ledger.write() as connection:
        row = {"model": MODEL, "live": version.number, "previous": None, "sequence": 1, "updated_at": NOW}
        connection.execute(sa.insert(rollouts).values(row))


def test_facts_that_no_live_lookup_can_reach_are_forgotten(tmp_path: Path) -> None:
    workspace, origin = made(tmp_path)
    day = window(LANDINGS, by="plane", over=["6h", "1d"], delay=pl.col("delay").mean())
    live(workspace, origin, day)
    known = [NOW - timedelta(days=days) - HOUR * late for days, late in ((0, 0), (1, 0), (3, -1), (3, 1), (9, 0))]
    facts_of = [Fact("a", str(index), micros(at), b"") for index, at in enumerate(known)]
    workspace.fresh.ingest(day.digest, facts_of)
    workspace.fresh.ingest("of no live version", facts_of)

    shared = Shared(workspace, NOW + timedelta(days=900))  # the feed stood still: nothing more is forgotten for it
    assert timedelta(days=1) + MARGIN == timedelta(days=3)
    assert prune(shared, "", lambda: None) == (True, "forgot 1 fact that no lookup can reach")
    left = workspace.fresh.window(day.digest, "a", 0, micros(NOW) + 1)
    assert [key for _, key, _ in left] == ["3", "2", "1", "0"]  # the newest before the limit stays
    assert workspace.fresh.count("of no live version") == 5
    assert prune(shared, "", lambda: None) == (False, "nothing to forget")


def test_a_withdrawn_fact_brings_back_the_one_before_it(tmp_path: Path) -> None:
    workspace, origin = made(tmp_path)
    newest = latest(LANDINGS, "delay", by="plane")
    live(workspace, origin, newest)
    known = [micros(NOW - timedelta(days=days)) for days in (50, 40, 30, 20, 0)]
    workspace.fresh.ingest(newest.digest, [Fact("a", str(at), at, b"") for at in known])
    workspace.fresh.ingest(newest.digest, [Fact("b", "now", micros(NOW), b"")])
    prune(Shared(workspace, NOW), "", lambda: None)
    later = micros(NOW + HOUR)
    for gone, stands in ((known[4], known[3]), (known[3], known[2]), (known[2], known[1])):
        workspace.fresh.ingest(newest.digest, [Fact(NOBODY, str(gone), later - 1, b"")])
        assert workspace.fresh.latest(newest.digest, "a", later) == (stands, str(stands), b"")


def test_a_story_is_not_taken_out_by_the_clock_of_the_machine(tmp_path: Path) -> None:
    workspace, origin = made(tmp_path, {"journal": {"keep": "30d"}})
    predict(workspace, origin, through_the_day(40))
    position.keep(workspace, position.Position(MODEL, START, START + DAY))
    today = START + 900 * DAY

    def kept(now: datetime) -> tuple[bool, str]:
        shared = Shared(workspace, now)
        seal(shared, "", lambda: None)
        return keep(shared, MODEL, lambda: None)

    did, says = kept(today)
    assert not did
    assert says.startswith(
        "nothing is taken out, though 30d is kept: a replay told the story of 2013-07-01 to 2013-07-02 here, and the "
        f"machine's clock would end it at once; set OUTLAST_CLOCK={workspace.home / 'clock'} to go on with it"
    )
    predict(workspace, origin, through_the_day(20, today), seed=3)
    assert not kept(today + 29 * DAY)[0]
    assert kept(today + 31 * DAY)[1].startswith("took out what is older than 30d: 60 of predictions/late")


def test_a_story_that_goes_on_is_taken_out_by_its_own_clock(tmp_path: Path) -> None:
    workspace, origin = made(tmp_path, {"journal": {"keep": "30d"}})
    predict(workspace, origin, through_the_day(40))
    position.keep(workspace, position.Position(MODEL, START, START + DAY))
    later = START + 40 * DAY
    with telling(position.clock_file(workspace), later):
        shared = Shared(workspace, later)
        seal(shared, "", lambda: None)
        assert keep(shared, MODEL, lambda: None)[0]
