"""The part of `outlast doctor` that looks into a workspace: its stores, versions, servers, mirror and alerts."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from outlast.bundle.lookups import read_back
from outlast.bundle.predictor import open_bundle
from outlast.data.schema import from_json
from outlast.data.sources import shown
from outlast.errors import OutlastError
from outlast.gates.refill import refill as refill_fresh
from outlast.journal.columns import KINDS
from outlast.journal.journal import subjects
from outlast.journal.unwritten import lost
from outlast.monitoring.incidents.reading import incidents
from outlast.monitoring.telling.alerts import alerts
from outlast.monitoring.telling.routes import place, trouble
from outlast.project.workspace import Workspace
from outlast.registry import audit, rollout, served, versions
from outlast.registry.contracts import contract_of
from outlast.registry.unread import unread
from outlast.registry.versions import Version
from outlast.retraining.failing import failing
from outlast.serving.alive import dead
from outlast.storage import appendlog
from outlast.storage.ledger import grant as grant_to
from outlast.storage.ledger import migrate_ledger
from outlast.storage.ledger.schema import leases, mirror
from outlast.types import ModelRef, counted, micros, moment, now, span

Said = tuple[bool, str]
LEAST_FREE = 1 << 30
_SOON = timedelta(minutes=10)
_DAY = timedelta(days=1)


def examined(
    workspace: Workspace, *, migrate: bool, grant: str | None = None, refill: bool = False
) -> Iterator[dict[str, object]]:
    """One line per thing looked at; what hangs on the ledger is left out when that cannot be read."""
    yield _line("storage", lambda: _storage(workspace))
    yield _line("disk", lambda: _disk(workspace))
    ledger = _line("ledger", lambda: _ledger(workspace, migrate, grant))
    yield ledger
    if not ledger["ok"] or not _there(workspace):
        return
    looks: dict[str, Callable[[Workspace], Said]] = {
        "clock and ledger": _clock,
        "audit trail": _audit,
        "bundles": _bundles,
        "fresh values": partial(_fresh, refill=refill),
        "journal": _journal,
        "servers": _servers,
        "leases": _leases,
        "ticks": _ticks,
        "routes": _routes,
        "alerts": _alerts,
        "incidents": _incidents,
        "mlflow": _mirror,
    }
    for what, look in looks.items():
        yield _line(what, partial(look, workspace))


def _line(what: str, look: Callable[[], Said]) -> dict[str, object]:
    try:
        ok, says = look()
    except OutlastError as error:
        ok, says = False, error.sentence
    return {"what": what, "ok": ok, "says": says}


def _there(workspace: Workspace) -> bool:
    """Whether there is a ledger to look into; looking makes none."""
    url = workspace.ledger_url
    return not url.startswith("sqlite") or Path(url.removeprefix("sqlite:///")).exists()


def _storage(workspace: Workspace) -> Said:
    home = workspace.home if workspace.home.exists() else workspace.root
    try:
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"outlast")
    except OSError as error:
        return False, f"nothing can be written to {home} ({error}): give this account the right to, or free the disk"
    if not workspace.home.exists():
        return True, f"{workspace.home} will be made by the first training"
    bundles, tables = len(workspace.artifacts.digests()), len(workspace.tables.names())
    return True, f"{workspace.home} can be written; it holds bundles: {bundles}, tables: {tables}"


def _disk(workspace: Workspace) -> Said:
    free = shutil.disk_usage(workspace.root).free
    says = f"{free / (1 << 30):,.1f} GB free"
    return (True, says) if free >= LEAST_FREE else (False, f"{says}: free some, answers are kept before they are sent")


def _ledger(workspace: Workspace, migrate: bool, grant: str | None) -> Said:
    if not _there(workspace):
        return True, "none yet: the first training makes it"
    if migrate:
        before, after = migrate_ledger(workspace.ledger_url)
        says = f"brought from revision {before} to {after}" if before != after else f"is at revision {after} already"
        if grant is not None:
            grant_to(workspace.ledger_url, grant)
        return True, f"{shown(workspace.ledger_url)} {says}{_granted(grant)}"
    if grant is not None:
        grant_to(workspace.ledger_url, grant)
    known = versions.models(workspace.ledger)
    return True, f"{shown(workspace.ledger_url)}, models: {', '.join(known) or 'none'}{_granted(grant)}"


def _granted(role: str | None) -> str:
    return "" if role is None else f"; role {role} may use it, and change nothing of what was done and said"


def _clock(workspace: Workspace) -> Said:
    head = audit.head(workspace.ledger)
    ahead = head.at - now() if head is not None else timedelta(0)
    if ahead > timedelta(minutes=5):
        return False, f"the ledger's newest entry is {span(ahead)} ahead of this clock: set one of the two clocks"
    return True, "agree"


def _audit(workspace: Workspace) -> Said:
    found = audit.examine(workspace.ledger)
    if found.broken is not None:
        return False, f"{found.broken.sentence}; compare with a backup"
    if found.head is None:
        return True, "empty"
    says = f"{counted(found.entries, 'entry', 'entries')}, whole; the last is {found.head[:12]}"
    return not found.failed, "; ".join([says, *found.remarks, *found.failed])


def _all(workspace: Workspace) -> list[Version]:
    ledger = workspace.ledger
    return [version for model in versions.models(ledger) for version in versions.versions(ledger, model)]


def _bundles(workspace: Workspace) -> Said:
    known, broken = _all(workspace), []
    for version in known:
        try:
            open_bundle(workspace, version.digest)
        except OutlastError as error:
            broken.append(f"{version}: {error.sentence}")
    if broken:
        return False, "; ".join(broken)
    return True, f"versions: {len(known)}, every bundle is there and is what it was"


def _fresh(workspace: Workspace, *, refill: bool) -> Said:
    """Whether the file is whole and every lookup of what is live finds facts, and how old the newest known ones are."""
    did = _refilled(workspace) if refill else ""
    workspace.fresh.verify()
    newest: dict[str, datetime] = {}
    ahead: dict[str, datetime] = {}
    for state in rollout.live(workspace.ledger):
        version = versions.find(workspace.ledger, ModelRef(state.model, state.live))
        manifest = open_bundle(workspace, version.digest).manifest
        schemas = {name: from_json(kept["schema"]) for name, kept in manifest["sources"].items()}
        for kept in manifest["lookups"]:
            lookup = read_back(kept, schemas)
            name, last = lookup.lookup.source.name, workspace.fresh.newest(lookup.digest)
            at = workspace.fresh.newest(lookup.digest, until=micros(now()))
            if last is not None and last != at:
                ahead[name] = max(ahead.get(name, moment(last)), moment(last))
            if at is None:
                says = f"{version} finds no facts of '{name}'{_dated_ahead(ahead.get(name))}"
                return False, f"{says}: bring some with `outlast push {name} FILE`"
            newest[name] = max(newest.get(name, moment(at)), moment(at))
    left = _unread(workspace)
    if not newest:
        return True, f"{did}nothing live looks anything up{left}"
    says = "; ".join(
        f"{name}: newest of {at:%Y-%m-%d %H:%M} UTC, {_ago(at)}{_dated_ahead(ahead.get(name))}"
        for name, at in newest.items()
    )
    return True, f"{did}{says}{left}"


def _unread(workspace: Workspace) -> str:
    """What lies there for nobody."""
    found = unread(workspace, now=now())
    said = ""
    if found.ours:
        of = ", ".join(sorted(set(found.ours.values())))
        said += f"; {counted(len(found.ours), 'lookup')} that only {of} read, which `outlast tick` drops"
    if found.strange:
        said += (
            f"; {counted(len(found.strange), 'lookup')} that no version here ever read (another workspace of the name "
            f"'{workspace.name}'? then give one of the two another name), which stay"
        )
    return said


def _dated_ahead(last: datetime | None) -> str:
    return "" if last is None else f" (some are dated ahead, up to {last:%Y-%m-%d %H:%M} UTC, and not seen before then)"


def _refilled(workspace: Workspace) -> str:
    filled, aside = refill_fresh(workspace, now=now())
    words = ", ".join(f"{counted(count, 'fact')} of {name}" for name, count in filled.items()) or "nothing"
    return f"filled with {words}{'' if aside is None else f', the damaged file is {aside}'}; "


def _journal(workspace: Workspace) -> Said:
    unwritten = lost(workspace.ledger, since=now() - _DAY)
    if unwritten:
        return False, "; ".join(one.sentence for one in unwritten)
    waiting = [
        segment.path
        for kind in KINDS
        for subject in subjects(workspace, kind)
        for segment in appendlog.segments(workspace.log_root, kind.stream(subject))
        if segment.sealed
    ]
    ages = [now().timestamp() - path.stat().st_mtime for path in waiting if path.exists()]
    if ages and max(ages) > _DAY.total_seconds():
        return False, f"{counted(len(ages), 'file')} waited to be sealed, a day or longer: run `outlast tick` regularly"
    return True, f"{counted(len(ages), 'file')} to be sealed" if ages else "everything is sealed"


def _servers(workspace: Workspace) -> Said:
    killed = dead(workspace)
    if killed:
        last = f"{max(one.last for one in killed):%Y-%m-%d %H:%M} UTC"
        return False, f"{counted(len(killed), 'server')} killed, the last around {last}: `outlast tick` tidies up"
    stuck = [f"{one.says} ({one.server}, {one.at:%Y-%m-%d %H:%M} UTC)" for one in served.unloaded(workspace.ledger)]
    if stuck:
        return False, f"{'; '.join(stuck)}. Roll back, or mend what it says"
    return True, "none was killed"


def _leases(workspace: Workspace) -> Said:
    with workspace.ledger.read() as connection:
        rows = connection.execute(sa.select(leases)).all()
    far = [row for row in rows if row.until > now() + _DAY]
    if far:
        says = f"'{far[0].name}' is held by {far[0].holder} until {far[0].until:%Y-%m-%d %H:%M} UTC: was a clock wrong?"
        return False, f"{says} Wait, or set that clock"
    held = [row for row in rows if row.until > now()]
    left = len(rows) - len(held)
    return True, f"{len(held)} held" + (f", {left} left by killed workers, which the next tick takes" if left else "")


def _ticks(workspace: Workspace) -> Said:
    """Whether the jobs of the last ticks were done: one that fails every time is seen by whoever ticked, if at all."""
    bad = failing(workspace.ledger)
    if not bad:
        return True, "no job failed when it was last run"
    says = "; ".join(
        f"{one.job}{f' of {one.model}' if one.model else ''} fails since {one.since:%Y-%m-%d %H:%M} UTC: {one.sentence}"
        for one in bad
    )
    return False, f"{says}; mend that and run outlast tick"


def _routes(workspace: Workspace) -> Said:
    """Whether those who would be told of what is live can be: nobody is, and no other machine is asked."""
    known, wrong = dict[str, str](), list[str]()
    for state in rollout.live(workspace.ledger):
        version = versions.find(workspace.ledger, ModelRef(state.model, state.live))
        rules = contract_of(workspace, version).monitoring
        if not rules.routes:
            wrong.append(f"{state.model}: a page is told to nobody: name a route in [monitoring], then `outlast apply`")
        for route in rules.everyone:
            known.setdefault(route, state.model)
    wrong += [f"{model}: {says}" for route, model in known.items() if (says := trouble(route)) is not None]
    if wrong:
        return False, "; ".join(wrong)
    return True, f"{counted(len(known), 'way')} to tell people, each can be read" if known else "nothing is live"


def _alerts(workspace: Workspace) -> Said:
    found = alerts(workspace.ledger)
    failed = [alert for alert in found if alert.delivered_at is None and alert.attempts]
    if failed:
        reasons = dict.fromkeys(str(alert.detail.get("error") or "no reason kept") for alert in failed)
        says = f"{counted(len(failed), 'alert')} could not be delivered ({'; '.join(reasons)})"
        return False, f"{says}: mend the route, or apply another, `outlast tick` tries again"
    moved = [a for a in found if a.detail.get("moved") and a.delivered_at and a.delivered_at > now() - _DAY]
    if moved:
        places = ", ".join(sorted({place(alert.route) for alert in moved}))
        return (
            True,
            f"every alert is delivered, {len(moved)} of them elsewhere than on {places}, as the contract says now",
        )
    return True, "every alert is delivered"


def _incidents(workspace: Workspace) -> Said:
    """Pages that nobody has acknowledged are a fault; what somebody looks at is not."""
    live = incidents(workspace.ledger, live=True)
    ids = [one.id for one in live if one.state == "open" and one.urgency == "page"]
    if ids:
        more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
        says = f"nobody has acknowledged {counted(len(ids), 'incident')}, {', '.join(ids[:3])}{more}"
        return False, f"{says}: outlast incident {ids[0]}, then outlast ack {ids[0]}"
    return True, f"{counted(len(live), 'incident')} open, none of them a page that nobody looks at"


def _mirror(workspace: Workspace) -> Said:
    """What the ledger notes of its mirror in MLflow; MLflow itself is not asked."""
    if workspace.mlflow_uri == "off":
        return True, "the mirror is off (MLFLOW_TRACKING_URI=off)"
    with workspace.ledger.read() as connection:
        rows = {(row.model, row.number): row for row in connection.execute(sa.select(mirror))}
    failed = [row for row in rows.values() if row.state == "failed"]
    if failed:
        return False, f"{(failed[0].detail or {}).get('sentence')}; nothing live hangs on it, `outlast tick` retries"
    late = [str(v) for v in _all(workspace) if (v.model, v.number) not in rows and v.created_at < now() - _SOON]
    late += [
        f"alias champion of {state.model}"
        for state in rollout.live(workspace.ledger)
        if state.updated_at < now() - _SOON and not _pointed(rows, state)
    ]
    if late:
        return False, f"the mirror lacks {', '.join(late)}: run `outlast tick`"
    return True, f"versions mirrored: {sum(number > 0 for _, number in rows)}, to {shown(workspace.mlflow_uri)}"


def _pointed(rows: dict[tuple[str, int], sa.Row[tuple[object, ...]]], state: rollout.Rollout) -> bool:
    whole, live = rows.get((state.model, 0)), rows.get((state.model, state.live or 0))
    if whole is None or live is None:
        return False
    aliases: dict[str, int] = (whole.detail or {}).get("aliases", {})
    return aliases.get("champion") == (live.detail or {}).get("version")


def _ago(at: datetime) -> str:
    gone = max(now() - at, timedelta(0))
    unit = _DAY if gone >= _DAY else timedelta(hours=1) if gone >= timedelta(hours=1) else timedelta(minutes=1)
    return f"{span((gone // unit) * unit)} ago"
