"""A version moved to another environment: whole, once, with its evidence, and not live there by that."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from outlast.bundle.format import pack
from outlast.errors import Conflict, SettingsError, StorageError
from outlast.project.workspace import Workspace
from outlast.registry import audit, verdicts
from outlast.registry.approvals import Rules, approvals, decide
from outlast.registry.declarations import declare, declared
from outlast.registry.rollout import current
from outlast.registry.transfer import transfer
from outlast.registry.versions import Version, register, versions
from outlast.settings import Settings
from outlast.types import ModelRef

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
LATE = ModelRef("late", 1)
DECLARED = '[environments.staging]\n[environments.same.storage]\nledger = "sqlite:///.outlast/ledger.db"\n'
SOURCE = {"keys": ["id"], "lag": "5m"}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Workspace]:
    """One version with a training set, a build, a verdict and an approval."""
    (tmp_path / "workspace.toml").write_text(DECLARED)
    place = Workspace.find(tmp_path, Settings())
    manifest = {"model": "late", "sources": {"orders": {}}, "sets": [{"name": "history"}], "lookups": []}
    digest = place.artifacts.put(pack(manifest, {"model/native.pkl": b"never read"}))
    build = {"outlast": {"artifact": place.artifacts.put(b"a wheel")}}
    place.tables.append("snapshots/late/abc", pl.DataFrame({"x": [1, 2, 3]}))
    for kind, name, meaning in (("model", "late", {"folder": "late"}), ("source", "orders", SOURCE),
                                ("set", "history", {"digest": "d", "package": None})):  # fmt: skip
        declare(place.ledger, kind, name, "late", meaning, by="ada", at=NOON)
    version = register(place.ledger, "late", digest=digest, code_digest="c", task="binary",
                       summary={"snapshot": "snapshots/late/abc", "rows": 3}, lineage={"builds": build}, by="ada",
                       at=NOON)  # fmt: skip
    with place.ledger.write() as connection:
        verdicts.write(connection, "late", 1, NOON, [{"name": "floors", "passed": True, "says": "", "evidence": {}}])
    decide(place.ledger, version, "approve", by="bob", reason="sound", at=NOON, rules=Rules(1, True))
    yield place
    place.ledger.dispose()


@pytest.fixture
def there(here: Workspace) -> Iterator[Workspace]:
    """Staging, where another version has number 1."""
    place = here.at("staging")
    register(place.ledger, "late", digest="other", code_digest=None, task="binary", summary={}, lineage={}, by="eve",
             at=NOON)  # fmt: skip
    yield place
    place.ledger.dispose()


def moved(here: Workspace, minutes: int = 0) -> Version:
    return transfer(here, LATE, to="staging", by="cy", at=NOON + timedelta(minutes=minutes)).there


def test_a_version_arrives_whole_and_is_not_live_by_that(here: Workspace, there: Workspace) -> None:
    version = moved(here)
    (original,) = versions(here.ledger, "late")
    assert (version.number, version.digest, version.created_by) == (2, original.digest, "ada")
    assert version.summary == original.summary
    assert version.lineage["transferred"] == {
        "environment": "dev", "number": 1, "by": "cy", "at": NOON.isoformat(),
    }  # fmt: skip
    assert there.artifacts.get(version.digest) == here.artifacts.get(version.digest)
    assert there.artifacts.get(version.lineage["builds"]["outlast"]["artifact"]) == b"a wheel"
    assert there.tables.scan("snapshots/late/abc").collect().sort("x")["x"].to_list() == [1, 2, 3]
    assert declared(there.ledger, "source", "orders") == SOURCE
    with there.ledger.read() as connection:
        (verdict,) = verdicts.about(connection, "late", 2)
    assert (verdict.whole, verdict.passed, verdict.checks[0]["evidence"]["from"]["number"]) == (True, True, 1)
    (said,) = approvals(there.ledger, version)
    assert (said.by, said.reason, said.verdict_digest) == ("bob", "sound", verdict.digest)
    assert said.identity == "unverified in dev"
    assert current(there.ledger, "late").live is None
    for place in (here, there):
        assert audit.verify(place.ledger) is None
    assert audit.head(here.ledger).detail["to"] == {"environment": "staging", "number": 2}  # type: ignore[union-attr]
    assert audit.head(there.ledger).detail["from"] == {"environment": "dev", "number": 1}  # type: ignore[union-attr]


def test_again_changes_nothing_and_brings_what_was_said_since(here: Workspace, there: Workspace) -> None:
    first = moved(here)
    trails = [audit.head(place.ledger) for place in (here, there)]
    assert moved(here, 5) == first
    assert [audit.head(place.ledger) for place in (here, there)] == trails
    (version,) = versions(here.ledger, "late")
    decide(here.ledger, version, "reject", by="dan", reason="no", at=NOON, rules=Rules(1, True))
    moved(here, 6)
    assert [one.by for one in approvals(there.ledger, first)] == ["bob", "dan"]
    assert audit.verify(there.ledger) is None


@pytest.mark.parametrize(
    ("to", "kind", "sentence"),
    [
        ("dev", SettingsError, "is the environment that this command works in"),
        ("stagin", SettingsError, "did you mean 'staging'"),
        ("same", SettingsError, "have the same ledger"),
    ],
)
def test_an_environment_that_is_none_to_go_to_says_so(here: Workspace, to: str, kind: type, sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        transfer(here, LATE, to=to, by="cy", at=NOON)


def test_a_name_that_means_something_else_there_stops_it_before_the_version_is_there(
    here: Workspace, there: Workspace
) -> None:
    declare(there.ledger, "source", "orders", "other", {"keys": ["id"], "lag": "1h"}, by="eve", at=NOON)
    with pytest.raises(Conflict, match="lag is '5m' here and '1h' there"):
        moved(here)
    assert len(versions(there.ledger, "late")) == 1


def test_bytes_that_were_changed_do_not_leave(here: Workspace, there: Workspace) -> None:
    (version,) = versions(here.ledger, "late")
    file = here.artifacts.path(version.digest)
    file.chmod(0o644)
    file.write_bytes(b"something else")
    with pytest.raises(StorageError):
        moved(here)
    assert len(versions(there.ledger, "late")) == 1


DYING = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from outlast.project.workspace import Workspace
from outlast.registry import transfer as module
from outlast.settings import Settings
from outlast.types import ModelRef
step = sys.argv[2]
done = getattr(module, step)
def die(*given, **more):
    if not step.startswith("_note"):
        done(*given, **more)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(module, step, die)
place = Workspace.find(Path(sys.argv[1]), Settings())
module.transfer(place, ModelRef("late", 1), to="staging", by="cy", at=datetime(2024, 3, 1, 13, tzinfo=UTC))
"""


@pytest.mark.parametrize("step", ["_copy_artifacts", "_copy_training_set", "_claim_names", "_note_departure"])
def test_a_transfer_that_was_killed_is_completed_by_asking_again(here: Workspace, there: Workspace, step: str) -> None:
    done = subprocess.run([sys.executable, "-c", DYING, str(here.root), step], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert audit.verify(there.ledger) is None
    version = moved(here)
    assert [one.number for one in versions(there.ledger, "late")] == [1, 2]
    assert there.tables.scan("snapshots/late/abc").select(pl.len()).collect().item() == 3
    assert [one.by for one in approvals(there.ledger, version)] == ["bob"]
    assert [one.action for one in audit.entries(here.ledger)].count("transfer") == 1
    for place in (here, there):
        assert audit.verify(place.ledger) is None
    assert os.path.exists(here.root)
