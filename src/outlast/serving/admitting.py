"""Which versions may be loaded: those that the ledger says are live, where the trail bears it out."""

import logging
import time
from collections.abc import Callable, Collection

from outlast.errors import NotFound, OutlastError, Refused
from outlast.project.workspace import Workspace
from outlast.registry import rollout, trust
from outlast.serving.memory import Known

AGAIN = 10.0
"""Seconds until what was refused is tried again."""
Challenger = tuple[Known, rollout.Rollout]
_log = logging.getLogger("outlast.serving")


class Admission:
    """Asks the ledger what is live, and remembers of what has not changed whether it may be."""

    def __init__(
        self, workspace: Workspace, only: Collection[str] | None, doubt: Callable[[str, OutlastError], None]
    ) -> None:
        self._workspace, self._only, self._doubt_it = workspace, only, doubt
        self._trusted: dict[str, tuple[rollout.Rollout, str, str | None]] = {}
        self._doubted: dict[str, tuple[rollout.Rollout | None, float]] = {}

    def wanted(self, served: Collection[str]) -> tuple[dict[str, Known], dict[str, Challenger]]:
        """What is live and may be, and who stands beside it: what the trail does not bear out is refused, and leaves
        what is served."""
        found, beside = {}, {}
        live = {one.model: one for one in rollout.live(self._workspace.ledger) if self.asked_for(one.model)}
        for model, one in live.items():
            trusted = self._trust(one)
            if trusted is None:
                continue
            digest, other = trusted
            if one.live is not None:
                found[model] = Known(model, one.live, digest, one.advice)
            if one.challenger is not None and other is not None:
                beside[model] = (Known(model, one.challenger, other), one)
        for model in served - live.keys():
            self._require_ended(model)
        return found, beside

    def was_let_out(self, known: Known) -> bool:
        """Whether a version that is no longer what is live was, with these bytes, by an approved transition."""
        try:
            return trust.let_out(self._workspace.ledger, known.model, known.version) == known.digest
        except (Refused, NotFound):
            return False

    def asked_for(self, model: str) -> bool:
        """Whether this server is to serve a model at all."""
        return self._only is None or model in self._only

    def doubts(self, model: str) -> bool:
        """Whether what the ledger says of a model is refused."""
        return model in self._doubted

    def _trust(self, one: rollout.Rollout) -> tuple[str, str | None] | None:
        """The digests that may be loaded, of what is live and of its challenger; None where nobody let them out."""
        kept, doubted = self._trusted.get(one.model), self._doubted.get(one.model)
        if kept is not None and kept[0] == one:
            return kept[1:]
        if doubted is not None and doubted[0] == one and time.monotonic() - doubted[1] < AGAIN:
            return None
        try:
            digest, beside = trust.admitted(self._workspace.ledger, one)
        except (Refused, NotFound) as error:
            self._doubt(one.model, one, error)
            return None
        assert digest is not None, "what is live has bytes"
        self._trusted[one.model] = one, digest, beside
        self._doubted.pop(one.model, None)
        return digest, beside

    def _require_ended(self, model: str) -> None:
        """Whether nothing is live of a model because somebody retired it, and not because a row is gone."""
        doubted = self._doubted.get(model)
        if doubted is not None and doubted[0] is None and time.monotonic() - doubted[1] < AGAIN:
            return
        try:
            trust.standing(self._workspace.ledger, model)
        except (Refused, NotFound) as error:
            self._doubt(model, None, error)
        else:
            self._doubted.pop(model, None)

    def _doubt(self, model: str, one: rollout.Rollout | None, error: OutlastError) -> None:
        if model not in self._doubted or self._doubted[model][0] != one:
            _log.error("What the ledger says is live of %s is refused: %s", model, error)
        self._doubted[model] = one, time.monotonic()
        self._doubt_it(model, error)
