"""What Prometheus may read from a server."""

from collections.abc import Mapping, Sequence
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from outlast.bundle.answers import Answer
from outlast.journal.strays import Strays
from outlast.serving.house import House

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64)
TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Counters and times of one server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "outlast_requests", "Requests answered, by path and status.", ["path", "status"], registry=registry
        )
        self._by_path: dict[tuple[str, int], Counter] = {}
        self._seconds = Histogram(
            "outlast_step_seconds", "Time a step of a request took.", ["step"], buckets=_SECONDS, registry=registry
        )
        self._steps = {step: self._seconds.labels(step) for step in ("decode", "wait", "predict", "journal", "request")}
        self.rows_at_once = Histogram(
            "outlast_rows_at_once", "Rows computed together.", buckets=_ROWS, registry=registry
        )
        self._answers = Counter(
            "outlast_predictions", "Predictions, by version and rung.", ["model", "version", "rung"], registry=registry
        )
        self._warned = Counter(
            "outlast_predictions_warned", "Predictions with a warning.", ["model", "version"], registry=registry
        )
        self._journal = Counter(
            "outlast_journal_records", "Records written to the journal.", ["stream"], registry=registry
        )
        self._info = Gauge(
            "outlast_model_live", "1 for each version in service.", ["model", "version", "digest"], registry=registry
        )
        self._labels = Gauge(
            "outlast_labels",
            "Labels of a model by what became of them, at the last tick.",
            ["model", "state"],
            registry=registry,
        )
        self._shadows = Counter(
            "outlast_shadow_answers",
            "What a challenger would have decided, beside what was answered.",
            ["model", "version", "decision"],
            registry=registry,
        )
        self._missed = Counter(
            "outlast_challenger_missed",
            "Rows that a challenger was to answer and did not.",
            ["model", "version", "why"],
            registry=registry,
        )
        self._beside = Gauge(
            "outlast_model_beside", "1 for each challenger.", ["model", "version", "stage"], registry=registry
        )
        self._under_way = Gauge("outlast_requests_under_way", "Requests being answered now.", registry=registry)
        self._ledger = Gauge("outlast_ledger_up", "Whether the ledger could be read last.", registry=registry)

    def step(self, name: str, since: float) -> float:
        """Note how long a step took that began at `since`; gives the moment it ended."""
        end = perf_counter()
        self._steps[name].observe(end - since)
        return end

    def request(self, path: str, status: int, begin: float) -> None:
        """Count an answer, and how long its request took that began at `begin`."""
        try:
            counter = self._by_path[path, status]
        except KeyError:
            counter = self._by_path[path, status] = self.requests.labels(path, str(status))
        counter.inc()
        self.step("request", begin)

    def answered(self, model: str, version: int, answers: Sequence[Answer]) -> None:
        """Count predictions."""
        number, warned = str(version), 0
        rungs: dict[str, int] = {}
        for one in answers:
            rungs[one.rung] = rungs.get(one.rung, 0) + 1
            warned += bool(one.warnings)
        for rung, count in rungs.items():
            self._answers.labels(model, number, rung).inc(count)
        if warned:
            self._warned.labels(model, number).inc(warned)
        self.kept("predictions", len(answers))

    def shadowed(self, model: str, version: int, same: int, other: int) -> None:
        """Count what a shadow would have decided."""
        for word, count in (("same", same), ("other", other)):
            if count:
                self._shadows.labels(model, str(version), word).inc(count)

    def missed(self, model: str, version: int, why: str, rows: int) -> None:
        """Count rows that a challenger gave no answer for."""
        self._missed.labels(model, str(version), why).inc(rows)

    def kept(self, stream: str, count: int) -> None:
        """Count records of the journal."""
        self._journal.labels(stream).inc(count)

    def text(self, house: House, labels: Mapping[str, Strays]) -> bytes:
        """Everything, in the format of Prometheus."""
        for model, found in labels.items():
            for state in ("matched", "unknown", "changed"):
                self._labels.labels(model, state).set(getattr(found, state))
        self._info.clear()
        for model, predictor in house.predictors().items():
            self._info.labels(model, str(predictor.version), predictor.digest).set(1)
        self._beside.clear()
        for model, one in house.challengers().items():
            self._beside.labels(model, str(one.seat.predictor.version), one.stage).set(1)
        self._under_way.set(house.under_way())
        self._ledger.set(0 if house.down else 1)
        return generate_latest(self._registry)
