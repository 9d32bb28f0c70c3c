"""What stands where at the moment somebody reads the metrics; nothing is counted for it in between."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

from outlast.errors import StorageError
from outlast.journal.strays import Strays
from outlast.serving.house import House
from outlast.serving.workers.station import Load
from outlast.types import micros, now


@dataclass(frozen=True)
class Seen:
    """What was looked up for it."""

    labels: Mapping[str, Strays]
    ages: Mapping[tuple[str, str], float]
    load: Load

    @classmethod
    def at(cls, house: House, load: Load) -> "Seen":
        """What can be seen now; of what cannot be read, nothing."""
        ages: dict[tuple[str, str], float] = {}
        at = micros(now())
        for model, one in house.predictors().items():
            try:
                ages |= {(model, source): age for source, age in one.ages(at).items()}
            except StorageError:  # the ladder and outlast_fresh_up say so
                continue
        return cls(house.labels(), ages, load)


class Levels:
    """The gauges."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._info = self._gauge("model_live", "1 for each version in service.", "model", "version", "digest")
        self._beside = self._gauge("model_beside", "1 for each challenger.", "model", "version", "stage")
        self._refused = self._gauge("model_refused", "1 where the live version could not be loaded.", "model")
        self._labels = self._gauge(
            "labels", "Labels of a model by what became of them, at the last tick.", "model", "state"
        )
        self._under_way = self._gauge("requests_under_way", "Requests being answered now.")
        self._waiting = self._gauge("rows_waiting", "Rows that wait to be computed now.")
        self._ledger = self._gauge("ledger_up", "Whether the ledger could be read last.")
        self._fresh = self._gauge("fresh_up", "Whether fresh values could be read last.")
        self._ages = self._gauge(
            "newest_fact_age_seconds",
            "Age of the newest fact of a source in fresh values; +Inf where there is none.",
            "model",
            "source",
        )

    def set(self, house: House, seen: Seen) -> None:
        """Take what is seen."""
        for model, strays in seen.labels.items():
            for state in ("matched", "unknown", "changed"):
                self._labels.labels(model, state).set(getattr(strays, state))
        self._info.clear()
        for model, predictor in house.predictors().items():
            self._info.labels(model, str(predictor.version), predictor.digest).set(1)
        self._beside.clear()
        for model, one in house.challengers().items():
            self._beside.labels(model, str(one.seat.predictor.version), one.stage).set(1)
        self._refused.clear()
        for model in list(house.refused):
            self._refused.labels(model).set(1)
        self._under_way.set(seen.load.under_way)
        self._waiting.set(seen.load.waiting)
        self._ledger.set(0 if house.down else 1)
        self._fresh.set(0 if house.unread else 1)
        self._ages.clear()
        for (model, source), age in seen.ages.items():
            self._ages.labels(model, source).set(age)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"outlast_{name}", says, labels, registry=self._registry)
