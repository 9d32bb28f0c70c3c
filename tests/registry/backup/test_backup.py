"""A workspace copied and put back: whole or not at all, between SQLite and PostgreSQL, and over nothing."""

import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from outlast.errors import NotFound, Refused, StorageError
from outlast.project.workspace import Declaration, Environment, Storage, Workspace
from outlast.registry import audit, rollout, served, verdicts
from outlast.registry.backup import putting
from outlast.registry.backup.putting import place_for, restore
from outlast.registry.backup.taking import backup, last
from outlast.registry.versions import register, versions
from outlast.settings import Settings
from outlast.storage.fresh import FreshValues
from outlast.storage.fresh.store import Fact
from outlast.storage.ledger import leases, schema

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


@pytest.fixture
def filled(tmp_path: Path) -> Workspace:
    """A workspace with something of every kind in it, and a segment that no table has yet."""
    workspace = Workspace(tmp_path / "old")
    fill(workspace)
    return workspace


def fill(workspace: Workspace) -> None:
    bundle = workspace.artifacts.put(b"a bundle")
    told = {"summary": {"metrics": {"rmse": 0.1 + 0.2}}, "lineage": {"by": "añä"}}
    given = {"digest": bundle, "code_digest": None, "task": "regression", "by": "ada", "at": NOON}
    register(workspace.ledger, "late", **given, **told)
    with workspace.ledger.write() as connection:
        verdict = verdicts.write(connection, "late", 1, NOON, [{"name": "floors", "passed": True}])
    rollout.transition(
        workspace.ledger, "late", action="promote", to=1, by="ada", at=NOON, reason="first", verdict=verdict
    )
    served.taking(workspace.ledger, "late", 1, bundle, "host-1", NOON)
    leases.acquire(workspace.ledger, "seal/*", "host-1", 60, NOON)
    with workspace.ledger.write() as connection:
        counted = {"model": "late", "version": 1, "slice": "", "at": NOON, "counts": bytes(range(256))}
        connection.execute(sa.insert(schema.profiles).values(**counted))
        connection.execute(sa.insert(schema.sealed).values(stream="labels/late", segment="one", at=NOON))
    workspace.tables.append("predictions/late", pl.DataFrame({"n": [1, 2]}), once="one")
    workspace.tables.append("predictions/late", pl.DataFrame({"n": [3], "more": ["x"]}))
    workspace.fresh.ingest("d", [Fact("jfk", "1", 5, b"wind")])
    with workspace.log("labels/late") as log:
        log.append([b"said"])


def elsewhere(folder: Path, url: str | None = None) -> Workspace:
    storage = Storage() if url is None else Storage(ledger=url)
    return Workspace(folder, Declaration(storage=storage))


def content(workspace: Workspace) -> dict[str, list[tuple[object, ...]]]:
    with workspace.ledger.read() as connection:
        tables = [table for table in schema.metadata.sorted_tables if table.name not in ("leases", "meta", "marks")]
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in tables
        }


@pytest.mark.parametrize("kind", ["b.tar", "b"])
def test_what_was_kept_is_put_back(filled: Workspace, tmp_path: Path, kind: str) -> None:
    before = content(filled)
    taken = backup(filled, tmp_path / kind, by="ada", now=NOON)
    found = elsewhere(tmp_path / "new")
    told = restore(found, tmp_path / kind, by="bob", now=LATER)
    assert (told.models, told.of, told.notes, told.digest) == (["late"], NOON, [], taken.digest)
    after = content(found)
    assert after.pop("audit")[:-1] == before.pop("audit")
    spans = after.pop("served")
    assert [row[:-3] for row in spans] == [row[:-3] for row in before.pop("served")]
    assert spans[0][-3] == NOON  # nothing serves what was just put back
    assert after == before
    newest = audit.head(found.ledger)
    assert newest is not None
    assert (newest.action, newest.actor, newest.detail["digest"]) == ("restore", "bob", taken.digest)
    assert audit.verify(found.ledger) is None
    assert found.artifacts.get(versions(found.ledger, "late")[0].digest) == b"a bundle"
    assert sorted(found.tables.scan("predictions/late").collect()["n"]) == [1, 2, 3]
    assert found.tables.took("predictions/late", "one")
    assert found.fresh.latest("d", "jfk", 9) == (5, "1", b"wind")
    (segment,) = (found.log_root / "labels" / "late").glob("*.log")
    (original,) = (filled.log_root / "labels" / "late").glob("*.log")
    assert segment.name == original.name  # a table takes the rows of a segment once, by its name
    assert segment.read_bytes() == original.read_bytes()
    with found.ledger.read() as connection:
        assert connection.scalars(sa.select(schema.leases.c.name)).all() == []


def test_sqlite_goes_to_postgresql_and_back(filled: Workspace, tmp_path: Path, postgres_url: str) -> None:
    before = content(filled)
    backup(filled, tmp_path / "one.tar", by="ada", now=NOON)
    team = elsewhere(tmp_path / "team", postgres_url)
    restore(team, tmp_path / "one.tar", by="bob", now=LATER)
    rollout.transition(team.ledger, "late", action="retire", by="bob", at=LATER, reason="numbers go on")
    backup(team, tmp_path / "two.tar", by="bob", now=LATER)
    home = elsewhere(tmp_path / "home")
    restore(home, tmp_path / "two.tar", by="ada", now=LATER)
    after = content(home)
    assert after["versions"] == before["versions"]
    assert after["audit"][: len(before["audit"])] == before["audit"]
    assert [row[0] for row in after["transitions"]] == [1, 2]
    assert audit.verify(home.ledger) is None
    team.ledger.dispose()


def test_a_backup_is_noted_and_audited(filled: Workspace, tmp_path: Path) -> None:
    assert last(filled.ledger) is None
    for name in ("a.tar", "b.tar"):
        taken = backup(filled, tmp_path / name, by="ada", now=NOON)
    noted = last(filled.ledger)
    assert noted is not None
    assert (noted["digest"], noted["target"]) == (taken.digest, str(tmp_path / "b.tar"))
    assert [entry.action for entry in audit.entries(filled.ledger, limit=2)] == ["backup", "backup"]
    assert audit.verify(filled.ledger) is None
    assert (tmp_path / "a.tar").stat().st_mode & 0o077 == 0


def test_a_backup_replaces_nothing(filled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_text("mine")
    with pytest.raises(StorageError, match=r"b\.tar is there already, and a backup replaces nothing: choose another"):
        backup(filled, tmp_path / "b.tar", by="ada", now=NOON)
    assert (tmp_path / "b.tar").read_text() == "mine"


def test_a_backup_that_fails_leaves_nothing_behind(filled: Workspace, tmp_path: Path) -> None:
    (bundle,) = (tmp_path / "old" / ".outlast" / "artifacts").glob("??/*")
    bundle.chmod(0o600)
    bundle.write_bytes(b"damaged")
    with pytest.raises(StorageError, match="is damaged"):
        backup(filled, tmp_path / "to" / "b.tar", by="ada", now=NOON)
    assert list((tmp_path / "to").iterdir()) == []
    assert last(filled.ledger) is None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20_000])


def one_byte(path: Path) -> None:
    data = path.read_bytes()
    place = data.index(b"a bundle")
    path.write_bytes(data[:place] + b"A" + data[place + 1 :])


def another_file(path: Path) -> None:
    path.write_text("a letter")


def empty(path: Path) -> None:
    with tarfile.open(path, "w"):
        pass


def of_later(path: Path) -> None:
    with tarfile.open(path, "w") as made:
        about = tarfile.TarInfo("manifest.json")
        about.size = len(said := b'{"format": 2}')
        made.addfile(about, io.BytesIO(said))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (cut, "cannot be read as a backup"),
        (one_byte, r"'artifacts/[0-9a-f]{64}' in the backup .*b\.tar is not what was put in: nothing was restored"),
        (another_file, "cannot be read as a backup"),
        (empty, "cannot be read as a backup"),
        (of_later, "has format 2, this release reads format 1: restore it with the release"),
    ],
)
def test_a_spoilt_backup_is_refused_before_anything_is_put_back(
    filled: Workspace, tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    backup(filled, tmp_path / "b.tar", by="ada", now=NOON)
    spoil(tmp_path / "b.tar")
    with pytest.raises(StorageError, match=says):
        restore(elsewhere(tmp_path / "new"), tmp_path / "b.tar", by="bob", now=LATER)
    assert not (tmp_path / "new").exists()


def test_an_absent_backup_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is no backup .*gone\.tar: give the archive or the folder"):
        restore(elsewhere(tmp_path / "new"), tmp_path / "gone.tar", by="bob", now=LATER)


def test_a_workspace_with_content_is_refused_and_moved_aside_by_force(filled: Workspace, tmp_path: Path) -> None:
    backup(filled, tmp_path / "b.tar", by="ada", now=NOON)
    filled.tables.append("predictions/late", pl.DataFrame({"n": [4]}))
    with pytest.raises(Refused, match=r"is not empty, it has a ledger with entries, 1 table, a log, fresh values:"):
        restore(filled, tmp_path / "b.tar", by="bob", now=LATER)
    told = restore(filled, tmp_path / "b.tar", by="bob", now=LATER, force=True)
    assert told.aside is not None
    aside = Path(told.aside)
    assert {"ledger.db", "tables", "artifacts", "log", "fresh.db"} <= {path.name for path in aside.iterdir()}
    assert filled.tables.scan("predictions/late").collect().height == 3
    assert [entry.action for entry in audit.entries(filled.ledger)][-1] == "restore"
    assert audit.verify(filled.ledger) is None


def test_a_served_workspace_is_never_replaced(filled: Workspace, tmp_path: Path) -> None:
    backup(filled, tmp_path / "b.tar", by="ada", now=NOON)
    with pytest.raises(Refused, match="is being served by host-1: stop that, then restore"):
        restore(filled, tmp_path / "b.tar", by="bob", now=LATER, force=True, served_by=["host-1"])


def test_other_environments_stay_where_they_are(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "old", Declaration(environments={"production": Environment()}))
    fill(workspace)
    backup(workspace, tmp_path / "b.tar", by="ada", now=NOON)
    production = replace(workspace, settings=Settings(environment="production"))
    fill(production)
    restore(workspace, tmp_path / "b.tar", by="bob", now=LATER, force=True)
    assert len(versions(production.ledger, "late")) == 1
    assert [entry.action for entry in audit.entries(production.ledger)][-1] != "restore"


def test_a_database_that_cannot_be_moved_is_left_alone(filled: Workspace, tmp_path: Path, postgres_url: str) -> None:
    backup(filled, tmp_path / "b.tar", by="ada", now=NOON)
    team = elsewhere(tmp_path / "team", postgres_url)
    restore(team, tmp_path / "b.tar", by="bob", now=LATER)
    before = content(team)
    with pytest.raises(Refused, match=r"cannot be moved aside: name an empty database and empty storage"):
        restore(team, tmp_path / "b.tar", by="bob", now=LATER, force=True)
    assert content(team) == before
    team.ledger.dispose()


class Killed(BaseException):
    """What nothing here catches: as a kill, it leaves all as it is."""


@pytest.mark.parametrize("stage", ["_begin", "_artifacts", "_tables", "_log", "_fresh", "_ledger"])
def test_a_killed_restore_is_run_again(
    filled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    backup(filled, tmp_path / "b.tar", by="ada", now=NOON)
    run = getattr(putting, stage)

    def dies(*words: object) -> object:
        run(*words)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(putting, stage, dies)
        with pytest.raises(Killed):
            restore(elsewhere(tmp_path / "new"), tmp_path / "b.tar", by="bob", now=LATER)
    found = elsewhere(tmp_path / "new")
    assert restore(found, tmp_path / "b.tar", by="bob", now=LATER).models == ["late"]
    assert audit.verify(found.ledger) is None
    assert found.tables.scan("predictions/late").collect().height == 3
    assert [entry.action for entry in audit.entries(found.ledger)].count("restore") == 1
    assert not (tmp_path / "new" / ".outlast" / putting.NOTE).exists()


def test_a_broken_trail_is_told_of(filled: Workspace, tmp_path: Path) -> None:
    with filled.ledger.write() as connection:
        for what in ("update", "delete"):
            connection.execute(sa.text(f"DROP TRIGGER IF EXISTS audit_no_{what}"))
        connection.execute(sa.update(schema.audit).where(schema.audit.c.seq == 1).values(actor="eve"))
    backup(filled, tmp_path / "b.tar", by="ada", now=NOON)
    told = restore(elsewhere(tmp_path / "new"), tmp_path / "b.tar", by="bob", now=LATER)
    assert [note for note in told.notes if "Audit entry 1" in note and "was broken when the backup was taken" in note]


def test_a_folder_of_its_own_is_never_the_workspace_around_it(filled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "workspace.toml").write_text('name = "around"\n')
    found = place_for(tmp_path / "inner", Settings())
    assert (found.root, found.name) == (tmp_path / "inner", "inner")
    named = place_for(tmp_path / "other", Settings(environment="production"))
    assert named.environment == Environment()


def test_fresh_values_kept_elsewhere_are_to_be_filled(filled: Workspace, tmp_path: Path, redis_url: str) -> None:
    backup(filled, tmp_path / "b.tar", by="ada", now=NOON)
    found = Workspace(tmp_path / "new", Declaration(storage=Storage(fresh=redis_url)))
    assert restore(found, tmp_path / "b.tar", by="bob", now=LATER).notes == [
        "fill fresh values: outlast doctor --refill"
    ]
    backup(found, tmp_path / "c.tar", by="ada", now=LATER)
    home = elsewhere(tmp_path / "home")
    assert len(restore(home, tmp_path / "c.tar", by="bob", now=LATER).notes) == 1
    assert isinstance(home.fresh, FreshValues)
    found.fresh.close()


def test_steps_are_told(filled: Workspace, tmp_path: Path) -> None:
    class Told:
        steps: list[str] = []

        def begins(self, step: str) -> None:
            self.steps.append(step)

        def ends(self, step: str, seconds: float) -> None:
            assert self.steps[-1] == step

    backup(filled, tmp_path / "b.tar", by="ada", now=NOON, watcher=Told())
    assert Told.steps == ["ledger", "fresh values", "log", "tables", "artifacts"]
