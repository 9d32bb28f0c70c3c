"""What Prometheus may read from a server."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric

from outlast.bundle.answers import Answer
from outlast.bundle.predictor import Predictor
from outlast.bundle.steps import STEPS, Marks
from outlast.serving.handling import Handled, Span, handled
from outlast.serving.house import House
from outlast.serving.levels import Levels, Seen
from outlast.serving.times import Times
from outlast.serving.workers.counts import Counts
from outlast.serving.workers.station import Station

SECONDS = ("decode", "validate", "wait", *STEPS, "journal", "explain", "encode", "request")
"""The steps of a request, and the whole."""
_ROWS = (1, 2, 4, 8, 16, 32, 64)
TYPE = CONTENT_TYPE_LATEST


def _by_cause(registry: CollectorRegistry) -> tuple[Counter, Counter]:
    """Answers that were not the full model's, and rows that got none, by what led there."""
    fell, refused = (
        "Why predictions were not the full model's: a row may have several causes.",
        "Rows that got no answer.",
    )
    names = ["model", "version", "cause", "about"]
    return (
        Counter("outlast_predictions_fell", fell, [*names, "rung"], registry=registry),
        Counter("outlast_rows_refused", refused, names, registry=registry),
    )


class Metrics:
    """Counters and times of one server; of all its processes, where there are several.

    A counter or histogram is summed over them, a gauge is what the process says that is asked.
    """

    def __init__(self, station: Station | None = None) -> None:
        self._counts = Counts(station.counts, station.slot) if station is not None and station.counts else None
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "outlast_requests", "Requests answered, by path and status.", ["path", "status"], registry=registry
        )
        self._by_path: dict[tuple[str, int], Counter] = {}
        says, shared = "Time a step of a request, or of a batch, took.", self._counts.block if self._counts else None
        self._seconds = Times("outlast_step_seconds", says, SECONDS, shared)
        registry.register(self._seconds)
        self.traced = False
        """Whether steps are noted for traces as well."""
        self.rows_at_once = Histogram(
            "outlast_rows_at_once", "Rows computed together.", buckets=_ROWS, registry=registry
        )
        self._answers = Counter(
            "outlast_predictions",
            "Predictions, by version, rung, and what the version is to its model.",
            ["model", "version", "rung", "role"],
            registry=registry,
        )
        self._fell, self._refused = _by_cause(registry)
        self._warned = Counter(
            "outlast_predictions_warned", "Predictions with a warning.", ["model", "version"], registry=registry
        )
        self._journal = Counter(
            "outlast_journal_records", "Records written to the journal.", ["stream"], registry=registry
        )

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(name, says, labels, registry=registry)

        names = ("model", "version")
        says = "What a challenger would have decided, beside what was answered."
        self._shadows = counter("outlast_shadow_answers", says, *names, "decision")
        says = "Rows that a challenger was to answer and did not."
        self._missed = counter("outlast_challenger_missed", says, *names, "why")
        self._levels = Levels(registry)
        left_out = Counter(
            "outlast_requests_left_out",
            "Requests not computed: too many waited (busy), their time had run out (late), the caller had left (gone).",
            ["why"],
            registry=registry,
        )
        self.left_out = {why: left_out.labels(why) for why in ("busy", "late", "gone")}
        says = "Versions tried in a spare process, by how that ended."
        self._trials = counter("outlast_version_trials", says, "model", "result")
        says = "Answers given that could not be written to the journal."
        self._unwritten = counter("outlast_journal_lost", says, "model")
        self._cache = counter("outlast_cache", "Rows looked for among answers just given.", "model", "result")
        self._repeats = counter("outlast_requests_repeated", "Requests under an id that was there before.", "what")

    def cached(self, model: str, found: int, not_found: int) -> None:
        """Count rows that were asked a moment ago, and those that were not."""
        for result, count in (("hit", found), ("miss", not_found)):
            if count:
                self._cache.labels(model, result).inc(count)

    def step(self, name: str, since: float, one: Handled | None = None) -> float:
        """Note how long a step took that began at `since`, for one request or all handled now; gives its end."""
        end = perf_counter()
        self._seconds.add(name, end - since)
        if self.traced:
            _trace((name, since, end), handled() if one is None else [one])
        return end

    def request(self, path: str, status: int, begin: float) -> None:
        """Count an answer, and how long its request took that began at `begin`."""
        try:
            counter = self._by_path[path, status]
        except KeyError:
            counter = self._by_path[path, status] = self.requests.labels(path, str(status))
        counter.inc()
        self.step("request", begin)

    def steps(self, marks: Marks) -> None:
        """Note the steps of a batch by when each ended."""
        self._seconds.add_all(marks)
        if self.traced:
            for (_, since), (name, end) in pairwise(marks):
                _trace((name, since, end), handled())

    def answered(self, predictor: Predictor, found: Sequence[tuple[Sequence[Answer], Handled]]) -> None:
        """Count the predictions that a version gave to some requests."""
        model, number, warned = predictor.model, str(predictor.version), 0
        rungs: dict[tuple[str, str], int] = {}
        for answers, asked in found:
            for one in answers:
                rungs[one.rung, asked.role] = rungs.get((one.rung, asked.role), 0) + 1
                warned += bool(one.warnings)
            if asked.spans is not None:
                asked.rungs = [one.rung for one in answers]
        for (rung, role), count in rungs.items():
            self._answers.labels(model, number, rung, role).inc(count)
        if any(rung != "full" for rung, _ in rungs):
            self._count_causes(model, number, [one for answers, _ in found for one in answers])
        if warned:
            self._warned.labels(model, number).inc(warned)
        self.kept("predictions", sum(rungs.values()))

    def refused(self, predictor: Predictor, cause: str, rows: int) -> None:
        """Count rows that got no answer."""
        what, _, about = cause.partition(":")
        self._refused.labels(predictor.model, str(predictor.version), what, about).inc(rows)

    def _count_causes(self, model: str, version: str, answers: Sequence[Answer]) -> None:
        for one in answers:
            for cause in dict.fromkeys(one.causes):
                what, _, about = cause.partition(":")
                self._fell.labels(model, version, what, about, one.rung).inc()

    def shadowed(self, predictor: Predictor, found: Sequence[Answer], heard: Sequence[Answer]) -> None:
        """Count what a shadow answered, and whether it would have decided what was."""
        model, number = predictor.model, str(predictor.version)
        same = sum(one.decision == other.decision for one, other in zip(found, heard, strict=True))
        for word, count in (("same", same), ("other", len(found) - same)):
            if count:
                self._shadows.labels(model, number, word).inc(count)
        for rung in {one.rung for one in found}:
            count = sum(one.rung == rung for one in found)
            self._answers.labels(model, number, rung, "shadow").inc(count)

    def missed(self, model: str, version: int, why: str, rows: int) -> None:
        """Count rows that a challenger gave no answer for."""
        self._missed.labels(model, str(version), why).inc(rows)

    def tried(self, model: str, result: str) -> None:
        """Count a trial in a spare process."""
        self._trials.labels(model, result).inc()

    def unwritten(self, model: str, answers: int) -> None:
        """Count answers that were given and are not in the journal."""
        self._unwritten.labels(model).inc(answers)

    def repeated(self, what: str) -> None:
        """Count a request under an id that was there before."""
        self._repeats.labels(what).inc()

    def kept(self, stream: str, count: int) -> None:
        """Count records of the journal."""
        self._journal.labels(stream).inc(count)

    def text(self, house: House, seen: Seen) -> bytes:
        """Everything, in the format of Prometheus."""
        self._levels.set(house, seen)
        return generate_latest(self)

    def collect(self) -> Iterable[Metric]:
        """What Prometheus's own text is made of."""
        return self._registry.collect() if self._counts is None else self._counts.collected(self._registry)

    def close(self) -> None:
        """Count no more for the others."""
        if self._counts is not None:
            self._counts.close()


def _trace(span: Span, requests: Iterable[Handled]) -> None:
    for one in requests:
        if one.spans is not None:
            one.spans.append(span)
