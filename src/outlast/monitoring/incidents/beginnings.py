"""When what incidents are made of began: a check is no window, and what it found is kept with its incident alone."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from outlast.monitoring.counting.windows import Window
from outlast.monitoring.incidents.incident import Found, Incident
from outlast.monitoring.incidents.reading import incidents
from outlast.registry.rollout import Transition, transitions
from outlast.storage.ledger import Ledger


def begun(ledger: Ledger, model: str, windows: Sequence[Window]) -> list[tuple[dict[str, Any], ...]]:
    """For each window of one version, oldest first: its own findings, and what was first found in it by checks."""
    lines, starts = [list(window.findings) for window in windows], [window.starts_at for window in windows]
    history = transitions(ledger, model)
    for incident in incidents(ledger, model):
        for found in incident.found:
            place = bisect_right(starts, found.first) - 1
            if place < 0 or found.first >= windows[place].ends_at:
                continue
            known = {(one["kind"], one["column"]) for one in windows[place].findings}
            if windows[place].version == _whose(incident, found, history) and (found.kind, found.column) not in known:
                lines[place].append(_plain(incident, found))
    return [tuple(line) for line in lines]


def _whose(incident: Incident, found: Found, history: Sequence[Transition]) -> int:
    """The version that a finding is of: an incident may go on over several, and takes in what is live then."""
    if found.first == incident.found[0].first:
        return incident.version
    live = [one.to_version for one in history if one.at <= found.first]
    return incident.version if not live or live[-1] is None else live[-1]


def _plain(incident: Incident, found: Found) -> dict[str, Any]:
    said = {name: getattr(found, name) for name in ("kind", "column", "severity", "sentence")}
    return {"scale": "check", **said, "deviation": None, "incident": incident.id}
