"""What each model's contract says of telling people; one that cannot be used stops nobody else's alerts."""

from collections.abc import Callable
from datetime import datetime, timedelta

from outlast.errors import ContractError, OutlastError
from outlast.monitoring.telling.quiet import is_quiet
from outlast.project.contract import MonitoringSection
from outlast.types import duration

Rules = Callable[[str], MonitoringSection]


def unusable(model: str, error: OutlastError) -> str:
    return f"the contract of {model} cannot be used, so its alerts wait for nothing: {error.sentence}"


class Known:
    """The rules of each model, asked once; where they cannot be used, `wrong` says why and nothing waits for them."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._asked: dict[str, MonitoringSection | None] = {}
        self.wrong: dict[str, str] = {}

    def of(self, model: str) -> MonitoringSection | None:
        if model not in self._asked:
            try:
                self._asked[model] = self._rules(model)
            except OutlastError as error:
                self._asked[model] = None
                self.wrong[model] = unusable(model, error)
        return self._asked[model]

    def quiet(self, model: str, now: datetime) -> bool:
        rules = self.of(model)
        try:
            return rules is not None and is_quiet(rules.quiet, now)
        except ContractError as error:
            self.wrong[model] = unusable(model, error)
            return False

    def digest(self, model: str) -> timedelta | None:
        """How long tickets are gathered; None where nobody asked for that."""
        rules = self.of(model)
        return None if rules is None or rules.digest is None else duration(rules.digest) or None
