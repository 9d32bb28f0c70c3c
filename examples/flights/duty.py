"""The person on duty, as a script: once a week somebody reads what is open, and says what it is.

A machine cannot know whether the provider of a feed has changed its units or the summer has come. Who asks knows.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from outlast.monitoring.incidents.acting import accept, acknowledge, resolve
from outlast.monitoring.incidents.incident import Incident
from outlast.monitoring.incidents.reading import incidents
from outlast.project.workspace import Workspace
from outlast.replaying.faults import Fault

BY = "duty@example.com"
WEEK = timedelta(days=7)
DATA = ("source ", "column ", "data")
"""How causes begin that are about data."""


class Duty:
    """What was done with incidents so far."""

    def __init__(self, workspace: Workspace, model: str, faults: Sequence[Fault]) -> None:
        self._ledger, self._model, self._faults = workspace.ledger, model, faults
        self.done: Counter[str] = Counter()
        self._last: datetime | None = None

    def look(self, at: datetime) -> None:
        """Read what is open, a week after the last time."""
        if self._last is not None and at - self._last < WEEK:
            return
        self._last = at
        for one in incidents(self._ledger, self._model, live=True):
            self._treat(one, at)

    def _treat(self, one: Incident, at: datetime) -> None:
        if one.calm_since is not None:
            self._say("resolved", one, at, "it is over")
        elif one.cause.startswith(DATA) and self._broken(at):
            if one.state != "acknowledged":
                self._say("acknowledged", one, at, "the provider was called and mends it")
        elif one.cause.startswith(DATA):
            self._say("accepted", one, at, "the source is whole: this is what the world is like now")

    def _broken(self, at: datetime) -> bool:
        """Whether a provider would say that something is broken, or was until the day before yesterday."""
        late = timedelta(days=2)
        return any(one.since <= at and (one.until is None or at < one.until + late) for one in self._faults)

    def _say(self, what: str, one: Incident, at: datetime, reason: str) -> None:
        act = {"resolved": resolve, "acknowledged": acknowledge, "accepted": accept}[what]
        act(self._ledger, one, by=BY, reason=reason, at=at)
        self.done[what] += 1
