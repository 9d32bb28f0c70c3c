"""The jobs of a tick. Each says whether it changed anything, and a sentence about it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import polars as pl

from outlast.clock import VARIABLE, halts
from outlast.errors import StorageError
from outlast.journal import journal, keeping, reading, sealing, strays
from outlast.monitoring import silence, unwritten
from outlast.monitoring.audits import audit_due
from outlast.monitoring.checking.check import judge_checks
from outlast.monitoring.checking.nightly import judge_days
from outlast.monitoring.checking.plans import Watch, watch_of
from outlast.monitoring.counting.refreshing import refresh
from outlast.monitoring.counting.windows import Hold
from outlast.monitoring.feeds.watching import watch_feeds
from outlast.monitoring.incidents.tending import tend
from outlast.monitoring.refusals import judge_refusals
from outlast.monitoring.subject import Subject, open_subject
from outlast.monitoring.telling.delivery import Delivered, deliver
from outlast.monitoring.watch import judge_pending
from outlast.project import position
from outlast.project.contract import Contract
from outlast.project.workspace import Workspace
from outlast.registry.versions import find, versions
from outlast.retraining.fresh import forget
from outlast.retraining.labelling import label_due
from outlast.retraining.loop import retrain_due, roll_out
from outlast.retraining.scoring import score_due
from outlast.serving.alive import close_dead
from outlast.types import ModelRef, clock_from, counted, duration


@dataclass
class Shared:
    """What the jobs of one tick share: the workspace, the moment, and versions that were opened already."""

    workspace: Workspace
    now: datetime
    _subjects: dict[tuple[str, int], Subject] = field(default_factory=dict)
    _watches: dict[tuple[str, int], Watch | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = clock_from(self.now)

    def subject(self, model: str, version: int) -> Subject:
        key = (model, version)
        if key not in self._subjects:
            self._subjects[key] = open_subject(self.workspace, model, version)
        return self._subjects[key]

    def watch(self, model: str, version: int, hold: Hold) -> Watch | None:
        """What a version is watched by; None of one that keeps no past."""
        key = (model, version)
        if key not in self._watches:
            self._watches[key] = watch_of(self.workspace, self.subject(model, version), self.now, hold)
        return self._watches[key]

    def main(self, model: str) -> Subject:
        """The live version, else the latest."""
        return self.subject(model, find(self.workspace.ledger, ModelRef(model)).number)


Job = Callable[[Shared, str, Hold], tuple[bool, str]]


def seal(shared: Shared, _: str, hold: Hold) -> tuple[bool, str]:
    """Move what the journal has finished into its tables."""
    hold()
    moved = journal.seal(shared.workspace)
    sealing.adopt_restored(shared.workspace)
    words = ", ".join(f"{count} of {stream}" for stream, count in sorted(moved.items()))
    return bool(moved), f"sealed {words}" if moved else "nothing to seal"


def keep(shared: Shared, model: str, hold: Hold) -> tuple[bool, str]:
    """Take out of the journal what is older than the model's contract keeps."""
    if not versions(shared.workspace.ledger, model):
        return False, "no version yet"
    for_ = shared.main(model).contract.journal.keep
    if for_ is None:
        return False, "what was answered is kept for good"
    hold()
    story = _story(shared, model, duration(for_))
    if story is not None:
        return False, f"nothing is taken out, though {for_} is kept: {story}"
    gone = keeping.expire(shared.workspace, model, duration(for_), by="tick", now=shared.now)
    words = ", ".join(f"{count} of {table}" for table, count in gone.items())
    return bool(gone), f"took out what is older than {for_}: {words}" if gone else f"nothing is older than {for_}"


def _story(shared: Shared, model: str, keep: timedelta) -> str | None:
    """Why a story that was told here is not old by the machine's clock: it has answers of that one, for so long."""
    told = position.find(shared.workspace, model)
    if told is None or halts() is not None:
        return None
    later = reading.predictions(shared.workspace, model, told.until, clock="at")
    first = later.select(pl.col("at").min()).collect().item()
    if first is not None and shared.now - first >= keep:
        return None
    return (
        f"a replay told the story of {told.begun:%Y-%m-%d} to {told.until:%Y-%m-%d} here, and the machine's clock "
        f"would end it at once; set {VARIABLE}={position.clock_file(shared.workspace)} to go on with it. "
        "Otherwise it is kept until answers by the machine's clock are as old"
    )


def compact(shared: Shared, _: str, hold: Hold) -> tuple[bool, str]:
    """Join small files of the journal's tables."""
    hold()
    done = keeping.compact(shared.workspace)
    return bool(done), f"joined the files of {', '.join(done)}" if done else "no table has many small files"


def close_servers(shared: Shared, _: str, hold: Hold) -> tuple[bool, str]:
    """Close what killed servers left open in the history of what was served."""
    hold()
    closed = close_dead(shared.workspace)
    return closed > 0, f"closed {closed} spans of servers that were killed" if closed else "no server was killed"


def labels(shared: Shared, model: str, hold: Hold) -> tuple[bool, str]:
    """Turn what came into the label's own source into labels."""
    if not versions(shared.workspace.ledger, model):
        return False, "no version yet"
    main = shared.main(model)
    version = find(shared.workspace.ledger, ModelRef(model, main.version))
    return label_due(shared.workspace, version, main.cadence, now=shared.now, hold=hold)


def watch(shared: Shared, model: str, hold: Hold) -> tuple[bool, str]:
    """Count the windows that changed, judge them, and raise what is found."""
    if not versions(shared.workspace.ledger, model):
        return False, "no version yet"
    subject = partial(shared.subject, model)
    main = shared.main(model)
    slices = main.contract.monitoring.slices
    seen = refresh(shared.workspace, model, main.cadence, now=shared.now, subject=subject, hold=hold, slices=slices)
    judged, raised = judge_pending(shared.workspace, model, now=shared.now, subject=subject, hold=hold)
    hold()
    watched = shared.watch(model, main.version, hold)
    checked, alarmed = judge_checks(shared.workspace, main, watched, subject=subject, now=shared.now, hold=hold)
    raised += alarmed + judge_days(shared.workspace, main, now=shared.now, hold=hold)
    hold()
    raised += unwritten.tell(shared.workspace.ledger, shared.main(model), shared.now)
    raised += silence.tell(shared.workspace, shared.main(model), shared.now)
    raised += judge_refusals(shared.workspace, model, shared.main(model), now=shared.now, subject=subject)
    found = strays.count(shared.workspace, model, now=shared.now)
    told = f"; of {counted(found.labels, 'label')} {found.sentence}" if found is not None and found.sentence else ""
    if not seen and not judged and not checked and not raised and found is None:
        return False, "nothing new"
    did = f"counted {counted(seen, 'window')}, judged {judged} and {counted(checked, 'check')}"
    return True, f"{did}, raised {counted(raised, 'alert')}{told}"


def skew(shared: Shared, model: str, hold: Hold) -> tuple[bool, str]:
    """Compute features of a day's answers again, once for each day, and raise what was served otherwise."""
    if not versions(shared.workspace.ledger, model):
        return False, "no version yet"
    subject = partial(shared.subject, model)
    done = audit_due(shared.workspace, model, now=shared.now, subject=subject, hold=hold)
    if not done:
        return False, "no day to audit"
    raised = counted(sum(alerts for _, alerts in done), "alert")
    return True, f"audited {counted(len(done), 'day')}, raised {raised}; the last: {done[-1][0].sentence(model)}"


def feeds(shared: Shared, model: str, hold: Hold) -> tuple[bool, str]:
    """Look at the sources that a model declared, and raise what is wrong with them."""
    if not versions(shared.workspace.ledger, model):
        return False, "no version yet"
    looked, raised = watch_feeds(shared.workspace, shared.main(model), now=shared.now, hold=hold)
    return raised > 0, f"looked at {counted(looked, 'source')}, raised {counted(raised, 'alert')}"


def score(shared: Shared, model: str, hold: Hold) -> tuple[bool, str]:
    """Score the model's table, if its contract says when and that has come."""
    return score_due(shared.workspace, model, now=shared.now, hold=hold)


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
    """Forget fresh values that no question asked from now on can need, and lookups that no version reads any more."""
    done = forget(shared.workspace, clock=shared.clock, hold=hold)
    return bool(done.facts or done.dropped), done.sentence


def alerts(shared: Shared, _: str, hold: Hold) -> tuple[bool, str]:
    """See to what people have not, and deliver what waits."""

    def contract(model: str) -> Contract:
        return shared.main(model).contract

    tended = tend(shared.workspace.ledger, contract, now=shared.now)
    hold()
    done = deliver(shared.workspace.ledger, now=shared.now, rules=lambda model: contract(model).monitoring, hold=hold)
    unread = dict.fromkeys([*tended.unread, *done.unread])
    if done.failures or unread:
        failed = ["others not: " + "; ".join(done.failures)] if done.failures else []
        raise StorageError("; ".join([f"{counted(done.sent, 'alert')} delivered", *failed, *unread, *done.moved]))
    said = "; ".join([_delivered(done), *([tended.sentence] if tended.did else []), *done.moved])
    return bool(done.sent or done.moved or tended.did), said


def _delivered(done: Delivered) -> str:
    waits = f", {done.quiet} wait for the end of quiet hours" if done.quiet else ""
    waits += f", {done.later} to be gathered" if done.later else ""
    waits += f", {done.stranded} for a route, of which the contract names none" if done.stranded else ""
    return (f"delivered {counted(done.sent, 'alert')}" if done.sent else "no alert to deliver") + waits


def retrain(shared: Shared, model: str, hold: Hold) -> tuple[bool, str]:
    """Look after a training under way, or decide on one; it runs in a process of its own."""
    return retrain_due(shared.workspace, model, now=shared.now, hold=hold)


def rollout(shared: Shared, model: str, hold: Hold) -> tuple[bool, str]:
    """Judge who stands beside what is live, and what is live itself."""
    return roll_out(shared.workspace, model, now=shared.now, hold=hold)


FIRST: dict[str, Job] = {"seal": seal, "servers": close_servers}
PER_MODEL: dict[str, Job] = {
    "labels": labels,
    "watch": watch,
    "skew": skew,
    "feeds": feeds,
    "keep": keep,
    "mirror": mirror,
    "score": score,
}
LAST: dict[str, Job] = {"alerts": alerts, "prune": prune, "compact": compact}
LOOP: dict[str, Job] = {"rollout": rollout, "retrain": retrain}
"""Jobs in the order of a tick: alerts come after what raises them, and the loop after them, so that no page waits for
it; what the loop itself has to tell, the next tick does."""
