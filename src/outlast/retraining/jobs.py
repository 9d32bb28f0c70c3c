"""The jobs of a tick. Each says whether it changed anything, and a sentence about it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from outlast.bundle.format import unpack
from outlast.bundle.ingest import MARGIN
from outlast.bundle.lookups import read_back
from outlast.data.schema import from_json
from outlast.errors import StorageError
from outlast.journal import journal, strays
from outlast.monitoring.delivery import deliver
from outlast.monitoring.subject import Subject, open_subject
from outlast.monitoring.watch import judge_pending
from outlast.monitoring.windows import Hold, refresh
from outlast.project.workspace import Workspace
from outlast.registry import rollout
from outlast.registry.versions import find, versions
from outlast.serving.alive import close_dead
from outlast.types import ModelRef, counted, micros, moment


@dataclass
class Shared:
    """What the jobs of one tick share: the workspace, the moment, and versions that were opened already."""

    workspace: Workspace
    now: datetime
    _subjects: dict[tuple[str, int], Subject] = field(default_factory=dict)

    def subject(self, model: str, version: int) -> Subject:
        key = (model, version)
        if key not in self._subjects:
            self._subjects[key] = open_subject(self.workspace, model, version)
        return self._subjects[key]

    def main(self, model: str) -> Subject:
        """The live version, else the latest."""
        return self.subject(model, find(self.workspace.ledger, ModelRef(model)).number)


Job = Callable[[Shared, str, Hold], tuple[bool, str]]


def seal(shared: Shared, _: str, hold: Hold) -> tuple[bool, str]:
    """Move what the journal has finished into its tables."""
    hold()
    moved = journal.seal(shared.workspace)
    words = ", ".join(f"{count} of {stream}" for stream, count in sorted(moved.items()))
    return bool(moved), f"sealed {words}" if moved else "nothing to seal"


def close_servers(shared: Shared, _: str, hold: Hold) -> tuple[bool, str]:
    """Close what killed servers left open in the history of what was served."""
    hold()
    closed = close_dead(shared.workspace)
    return closed > 0, f"closed {closed} spans of servers that were killed" if closed else "no server was killed"


def watch(shared: Shared, model: str, hold: Hold) -> tuple[bool, str]:
    """Count the windows that changed, judge them, and raise what is found."""
    if not versions(shared.workspace.ledger, model):
        return False, "no version yet"

    def subject(version: int) -> Subject:
        return shared.subject(model, version)

    cadence = shared.main(model).cadence
    seen = refresh(shared.workspace, model, cadence, now=shared.now, subject=subject, hold=hold)
    judged, raised = judge_pending(shared.workspace, model, now=shared.now, subject=subject, hold=hold)
    hold()
    found = strays.count(shared.workspace, model, now=shared.now)
    told = f"; of {counted(found.labels, 'label')} {found.sentence}" if found is not None and found.sentence else ""
    if not seen and not judged and found is None:
        return False, "nothing new"
    return True, f"counted {counted(seen, 'window')}, judged {judged}, raised {counted(raised, 'alert')}{told}"


def mirror(shared: Shared, model: str, hold: Hold) -> tuple[bool, str]:
    """Bring MLflow up to the ledger."""
    from outlast.registry.mirror import mirror as bring  # mlflow takes seconds to import

    hold()
    found = bring(shared.workspace, model)
    failed = [one.sentence for one in found if one.did == "failed"]
    if failed:
        raise StorageError("; ".join(failed))
    did = any(one.did != "waited" for one in found)
    return did, "; ".join(one.sentence for one in found) or "the mirror is up to date"


def prune(shared: Shared, _: str, hold: Hold) -> tuple[bool, str]:
    """Forget fresh values that no question asked from now on can need; each entity keeps its newest facts."""
    gone, fresh = 0, shared.workspace.fresh
    for digest, (reach, rows) in _reaches(shared.workspace).items():
        hold()
        newest = fresh.newest(digest, until=micros(shared.now))
        if newest is not None:
            # Counted from the newest fact, not from the clock: a feed that stands still loses nothing. A fact dated in
            # the future, by a wrong clock, does not push the others out.
            gone += fresh.prune(digest, micros(moment(newest) - reach - MARGIN), rows)
    return gone > 0, f"forgot {counted(gone, 'fact')} that no lookup can reach" if gone else "nothing to forget"


def alerts(shared: Shared, _: str, hold: Hold) -> tuple[bool, str]:
    """Deliver what waits."""

    def quiet(model: str) -> list[str]:
        return shared.main(model).contract.monitoring.quiet

    done = deliver(shared.workspace.ledger, now=shared.now, quiet=quiet, hold=hold)
    if done.failures:
        raise StorageError(f"{counted(done.sent, 'alert')} delivered, others not: " + "; ".join(done.failures))
    waits = f", {done.quiet} wait for the end of quiet hours" if done.quiet else ""
    return done.sent > 0, (f"delivered {counted(done.sent, 'alert')}" if done.sent else "no alert to deliver") + waits


def _reaches(workspace: Workspace) -> dict[str, tuple[timedelta, int]]:
    """How far back each lookup of a version in service looks, and how many of an entity's newest facts stay anyway."""
    found: dict[str, tuple[timedelta, int]] = {}
    for state in rollout.live(workspace.ledger):
        for number in (state.live, state.previous):
            if number is None:
                continue
            version = find(workspace.ledger, ModelRef(state.model, number))
            manifest = unpack(workspace.artifacts.get(version.digest), f"Bundle {version.digest[:12]}").manifest
            schemas = {name: from_json(kept["schema"]) for name, kept in manifest["sources"].items()}
            for one in (read_back(kept, schemas) for kept in manifest["lookups"]):
                found[one.digest] = (one.widest if one.reach is None else one.reach, one.rows)
    return found


FIRST: dict[str, Job] = {"seal": seal, "servers": close_servers}
PER_MODEL: dict[str, Job] = {"watch": watch, "mirror": mirror}
LAST: dict[str, Job] = {"alerts": alerts, "prune": prune}
"""Jobs in the order of a tick: alerts come after what raises them."""
