"""Fresh values stay what history says: while versions come, go and come back, and whoever is killed meanwhile."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outlast.bundle.predictor import open_bundle
from outlast.errors import NotFound
from outlast.features.offline import look_up
from outlast.features.online import frame_of, reader
from outlast.gates import promote as gate
from outlast.gates.promote import promote, roll_back
from outlast.gates.refill import backfill
from outlast.journal.ingest import Ingest, Ingested
from outlast.journal.journal import Journal
from outlast.journal.sources import sources_of
from outlast.project.loader import load_project
from outlast.project.workspace import Workspace
from outlast.registry import served
from outlast.registry.letting_out import SECONDS
from outlast.registry.rollout import current, transition
from outlast.registry.servable import LATELY, lookups_of
from outlast.registry.unread import unread
from outlast.registry.versions import Version, find
from outlast.retraining.fresh import Forgotten, forget
from outlast.storage.fresh import Fact
from outlast.training.run import train
from outlast.types import ModelRef, clock_from, micros

NOW = datetime(2024, 6, 1, tzinfo=UTC)
NAME = "late-orders"
SHOPS = ["north", "south", "east"]
PRIVATE = (
    'history = Features("shop-history", [window(deliveries, by="shop", over=["1d", "3d"], late=pl.col("late").mean())])'
)
SHARED = f"""
import polars as pl
from outlast import Features, Source, window

deliveries = Source("deliveries", "data/deliveries.csv", key="order_id", time="delivered_at", lag="5m")
{PRIVATE}
"""


def prepare(root: Path, template: Path) -> None:
    """Two models of one workspace that share a set."""
    (root / "common").mkdir()
    (root / "common" / "shops.py").write_text(SHARED)
    for name in (NAME, "second"):
        shutil.copytree(template, root / name)
        model = root / name / "model.py"
        text = model.read_text()
        assert PRIVATE in text
        text = text.replace(PRIVATE, "from common.shops import history").replace(f'"{NAME}"', f'"{name}"')
        model.write_text(text.replace(', max_age="2d"', ""))


WIDTHS = ([], ["5d"], ["5d", "6d"])
BOTH = pytest.mark.parametrize("place", ["sqlite", "redis"], indirect=True)


@pytest.fixture(scope="module")
def fresh_start(orders_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of two models, the first of which has a version; nothing is live."""
    root = tmp_path_factory.mktemp("one")
    prepare(root, orders_template)
    (root / "workspace.toml").write_text('packages = ["common"]\n')
    place = Workspace.find(root)
    trained(place)
    place.ledger.dispose()
    return root


@pytest.fixture(scope="module")
def wider_start(fresh_start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after the set has become wider twice, and the first model has a version of each width."""
    root = tmp_path_factory.mktemp("three") / "wide"
    place = Workspace.find(shutil.copytree(fresh_start, root))
    for widths in WIDTHS[1:]:
        widen(place, *widths)
        trained(place)
    place.ledger.dispose()
    return root


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of `wider_start` where a test asks for `three` versions, else of `fresh_start`."""
    start = "wider_start" if "three" in request.fixturenames else "fresh_start"
    shutil.copytree(request.getfixturevalue(start), tmp_path, dirs_exist_ok=True)
    declared = f'name = "{tmp_path.name}-{request.node.name}"\npackages = ["common"]\n'
    if getattr(request, "param", "sqlite") == "redis":
        declared += f'[storage]\nfresh = "{request.getfixturevalue("redis_url")}"\n'
    (tmp_path / "workspace.toml").write_text(declared)
    found = Workspace.find(tmp_path)
    yield found
    for digest in found.fresh.digests():
        found.fresh.drop(digest)
    found.fresh.close()
    found.ledger.dispose()


@pytest.fixture
def first(place: Workspace) -> Version:
    """The first model's first version."""
    return find(place.ledger, ModelRef(NAME, 1))


@pytest.fixture
def three(place: Workspace) -> list[Version]:
    """The first model's versions, each with a wider set than the one before; the last one was trained last."""
    return [find(place.ledger, ModelRef(NAME, number)) for number in (1, 2, 3)]


def widen(place: Workspace, *widths: str) -> None:
    """The shared set means something else from now on."""
    spelled = ", ".join(f'"{width}"' for width in ("1d", "3d", *widths))
    (place.root / "common" / "shops.py").write_text(SHARED.replace('"1d", "3d"', spelled))


def trained(place: Workspace, model: str = NAME) -> Version:
    return train(load_project(place.root / model, place), by="ada", now=NOW).version


def let_out(place: Workspace, version: Version, now: datetime = NOW) -> None:
    promote(place, ModelRef(version.model, version.number), by="bob", reason="tested", now=now)


def push(place: Workspace, hours: float, shop: str = "north", order: int = 10**6, *, late: bool = True) -> Ingested:
    fact = {"order_id": order, "shop": shop, "delivered_at": NOW + timedelta(hours=hours), "late": late}
    with Journal(place) as journal:
        return Ingest(place, journal).take("deliveries", pl.DataFrame([fact]), at=NOW + timedelta(hours=hours))


def differs(place: Workspace, version: Version) -> list[str]:
    """The lookups of a version whose fresh values are not what history says, for questions of some moments."""
    sources, found = sources_of(place, open_bundle(place, version.digest)), []
    times = [micros(NOW + timedelta(hours=hours)) for hours in (2, 10, 40, 100) for _ in SHOPS]
    asks = pl.DataFrame({"shop": SHOPS * 4})
    for lookup in lookups_of(place, version.digest):
        read = reader(lookup, place.fresh)
        online = frame_of(lookup.schema, [read(shop, at) for shop, at in zip(asks["shop"], times, strict=True)])
        history = sources.frame(sources.named(lookup.lookup.source.name))
        offline = look_up(lookup, history, asks, pl.Series(times))
        if not online.equals(offline, null_equal=True):
            found.append(f"{lookup.lookup.kind}: {online.to_dicts()}, not {offline.to_dicts()}")
    return found


def tick(place: Workspace, hours: float) -> Forgotten:
    return forget(place, clock=clock_from(NOW + timedelta(hours=hours)), hold=lambda: None)


def digests(place: Workspace, version: Version) -> set[str]:
    return {lookup.digest for lookup in lookups_of(place, version.digest)}


@pytest.mark.parametrize("place", ["sqlite", pytest.param("redis", marks=pytest.mark.slow)], indirect=True)
def test_versions_of_a_shared_set_are_side_by_side_until_the_last_user_of_the_old_retires(
    place: Workspace, first: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = trained(place, "second")
    for version in (first, other):
        let_out(place, version)
    assert digests(place, first) == digests(place, other) == set(place.fresh.digests())
    wrote: list[str] = []
    ingest_many = type(place.fresh).ingest_many

    def spied(self: Any, items: Any) -> int:
        told = list(items)
        wrote.extend(digest for digest, _ in told)
        return ingest_many(self, told)

    monkeypatch.setattr(type(place.fresh), "ingest_many", spied)
    assert push(place, 1).lookups == len(wrote) == 2, "each lookup once, though two models read it"
    monkeypatch.undo()

    widen(place, "5d")
    wider = trained(place, "second")
    let_out(place, wider)
    assert len(digests(place, first) | digests(place, wider)) == 3
    assert push(place, 2, "south", 10**6 + 1).lookups == 3
    assert [differs(place, version) for version in (first, other, wider)] == [[], [], []]
    assert tick(place, 3).dropped == {}

    transition(place.ledger, NAME, action="retire", by="eve", at=NOW + timedelta(hours=3))
    let_out(place, trained(place), NOW + timedelta(hours=4))  # with the wider set
    for hour in (5, 6):  # as long as what was live before can be brought back, or another model has it
        assert tick(place, hour).dropped == {}
        assert push(place, hour, order=10**6 + hour).lookups == 3
    assert differs(place, first) == []
    for model in (NAME, "second"):
        again = train(load_project(place.root / model, place), by="ada", now=NOW, seed=2).version
        let_out(place, again, NOW + timedelta(hours=7))
    assert unread(place, now=NOW + timedelta(hours=9)).ours.keys() == digests(place, first) - digests(place, wider)
    done = tick(place, 9)
    assert done.dropped.keys() == digests(place, first) - digests(place, wider)
    assert done.sentence.startswith("dropped 1 lookup with ")
    assert done.sentence.endswith(" that only late-orders@1 read")
    assert set(place.fresh.digests()) == digests(place, wider)
    assert tick(place, 9).sentence == "nothing to forget"
    assert differs(place, wider) == []


def test_what_no_version_here_ever_read_is_told_and_stays(place: Workspace, first: Version) -> None:
    let_out(place, first)
    place.fresh.ingest("another's", [Fact("north", "k", 1, b"")])
    assert tick(place, 9).dropped == {}
    found = unread(place, now=NOW + timedelta(hours=9))
    assert (found.ours, found.strange) == ({}, ["another's"])
    assert place.fresh.count("another's") == 1


@pytest.mark.parametrize("moment", ["before the journal", "after the journal", "between fill and transition"])
def test_a_fact_pushed_while_a_version_is_let_out_is_among_its_fresh_values(
    place: Workspace, three: list[Version], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    old, new, _ = three  # what is let out is not what was trained last, which is written anyhow
    let_out(place, old)
    go, went = threading.Event(), threading.Event()
    fill, facts = gate.fill_fresh, Journal.facts

    def promotes() -> None:
        try:
            let_out(place, new)
        finally:
            went.set()

    thread = threading.Thread(target=promotes)

    def filled(*given: Any, **more: Any) -> Any:
        done = fill(*given, **more)
        if moment == "between fill and transition":
            went.set()
            assert go.wait(60)
        return done

    def kept(self: Journal, *given: Any, **more: Any) -> None:
        if moment == "after the journal":
            facts(self, *given, **more)
        if moment != "between fill and transition":
            thread.start()
            assert went.wait(60)
        if moment != "after the journal":
            facts(self, *given, **more)

    monkeypatch.setattr(gate, "fill_fresh", filled)
    monkeypatch.setattr(Journal, "facts", kept)
    if moment == "between fill and transition":
        thread.start()
        assert went.wait(60)
    push(place, 0.1)
    go.set()
    thread.join(60)
    assert current(place.ledger, NAME).live == new.number
    assert [differs(place, version) for version in (old, new)] == [[], []]
    read = [one for one in lookups_of(place, new.digest) if one.reach is None]
    assert reader(read[0], place.fresh)("north", micros(NOW + timedelta(hours=2))) == [True]


KILLED = """
import sys
from datetime import datetime
from pathlib import Path
from outlast.gates import promote as gate
from outlast.gates.judge import CHECKS
from outlast.project.workspace import Workspace
from outlast.types import ModelRef
for costly in ("latency", "reproducible"):
    del CHECKS[costly]
fill = gate.fill_fresh
def filled(*given, **more):
    done = fill(*given, **more)
    print("filled", flush=True)
    sys.stdin.read()
    return done
gate.fill_fresh = filled
ref, now = ModelRef(sys.argv[2], int(sys.argv[3])), datetime.fromisoformat(sys.argv[4])
gate.promote(Workspace.find(Path(sys.argv[1])), ref, by="bob", reason="tested", now=now)
"""


def test_what_a_killed_promotion_has_filled_is_kept_for_a_while_then_dropped_and_filled_again(
    place: Workspace, three: list[Version]
) -> None:
    old, new, _ = three
    let_out(place, old)
    command = [sys.executable, "-c", KILLED, str(place.root), NAME, str(new.number), NOW.isoformat()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "filled\n"
        process.kill()
    own = digests(place, new) - digests(place, old)
    assert tick(place, 0).dropped == {}
    push(place, 0.02)
    assert differs(place, new) == []
    assert current(place.ledger, NAME).live == old.number
    later = SECONDS / 3600 + 1
    assert tick(place, later).dropped.keys() == own
    push(place, later, "south", late=False)  # the fact is another shop's: nobody wrote that for `new`
    let_out(place, new, NOW + timedelta(hours=later))
    assert differs(place, new) == []


def test_a_rollback_past_what_was_kept_up_fills_again(place: Workspace, three: list[Version]) -> None:
    for version in three:
        let_out(place, version)
    first, second, third = three
    hours = LATELY / timedelta(hours=1) + 1
    push(place, hours)  # the first is neither live nor next
    push(place, hours + 1, "south", late=False)
    assert differs(place, first) != []

    def back(hours: float) -> None:
        roll_back(place, NAME, by="bob", reason="worse", now=NOW + timedelta(hours=hours))

    back(hours + 2)
    assert current(place.ledger, NAME).live == second.number
    assert differs(place, second) == []
    back(hours + 3)
    assert current(place.ledger, NAME).live == first.number
    assert differs(place, first) == []
    for version in (third, second):  # promoted again, after facts went by
        push(place, hours + 30, "east", 10**6 + version.number)
        push(place, hours + 31, "north", 10**6 + version.number)
        let_out(place, version, NOW + timedelta(hours=hours + 40))
        assert differs(place, version) == []


def test_what_a_server_still_answers_with_is_written_and_kept(place: Workspace, three: list[Version]) -> None:
    for version in three:
        let_out(place, version)
    span = served.taking(place.ledger, NAME, 1, three[0].digest, "host-1-a", NOW)
    assert push(place, 5).lookups == 4
    assert tick(place, 6).dropped == {}
    assert differs(place, three[0]) == []
    served.released(place.ledger, span, NOW + timedelta(hours=6))
    assert len(tick(place, 6).dropped) == 1


def test_one_that_is_let_out_while_its_lookup_is_dropped_ends_with_all_its_facts(
    place: Workspace, three: list[Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever drops stood still for so long that its note ran out, and the version was filled and live before it."""
    for version in three:
        let_out(place, version)
    first = three[0]
    push(place, 0.1)
    assert digests(place, first) - digests(place, find(place.ledger, ModelRef(NAME)))
    drop, later = type(place.fresh).drop, NOW + timedelta(hours=9)

    def stood_still(self: Any, digest: str) -> None:
        let_out(place, first, later + timedelta(seconds=100))
        drop(self, digest)

    monkeypatch.setattr(type(place.fresh), "drop", stood_still)
    tick(place, 9)
    monkeypatch.undo()
    assert current(place.ledger, NAME).live == first.number
    assert differs(place, first) == []


def test_a_fill_says_of_which_source_it_is_and_takes_a_shared_lookup_once(place: Workspace, first: Version) -> None:
    again = train(load_project(place.root / NAME, place), by="ada", now=NOW, seed=2).version
    for version in (first, again):
        let_out(place, version)
    told: list[tuple[int | None, str]] = []

    class Watcher:
        done = 0

        def total(self, rows: int | None, of: str = "rows") -> None:
            told.append((rows, of))

        def advance(self, rows: int) -> None:
            self.done += rows

    watcher = Watcher()
    filled = backfill(place, NAME, now=NOW, watcher=watcher)
    assert [of for _, of in told] == ["deliveries"] * 4, "two lookups: counted, then so many"
    assert [rows is None for rows, _ in told] == [True, False] * 2
    assert filled == {"deliveries": watcher.done}
    with pytest.raises(NotFound, match="There is no model 'late-order' in the ledger: did you mean 'late-orders'"):
        backfill(place, "late-order", now=NOW)


@BOTH
def test_two_fills_at_once_one_killed_and_a_push_between_lose_and_double_nothing(
    place: Workspace, first: Version
) -> None:
    let_out(place, first)
    counts = {digest: place.fresh.count(digest) for digest in digests(place, first)}
    for digest in counts:
        place.fresh.drop(digest)
    code = (
        "import sys; from datetime import datetime; from pathlib import Path\n"
        "from outlast.gates.refill import backfill; from outlast.project.workspace import Workspace\n"
        "place = Workspace.find(Path(sys.argv[1])); type(place.fresh).at_once = 7\n"
        "class Watcher:\n"
        "    def total(self, rows, of='rows'): pass\n"
        "    def advance(self, rows):\n"
        "        print('part', flush=True)\n"
        "        if sys.argv[3] == 'stops': sys.stdin.read()\n"
        "backfill(place, 'late-orders', now=datetime.fromisoformat(sys.argv[2]), watcher=Watcher())\n"
    )

    def begun(how: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, str(place.root), NOW.isoformat(), how]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with begun("stops") as one, begun("goes on") as two:
        assert one.stdout is not None
        assert one.stdout.readline() == "part\n"
        one.kill()
        push(place, 1)
        assert two.communicate()[0].startswith("part\n")
        assert two.returncode == 0
    assert differs(place, first) == []
    assert {digest: place.fresh.count(digest) for digest in counts} == {d: count + 1 for d, count in counts.items()}
