"""Traces of requests, for OpenTelemetry: a span for each request and one for each of its steps, and nothing it said.

Its own variables say where they go. Where they say nothing, nothing of it is loaded.
"""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from outlast.errors import MissingExtra, SettingsError
from outlast.serving.handling import Handled

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_EXPORTER = "OTEL_TRACES_EXPORTER"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_WHOLE = "request"
_log = logging.getLogger("outlast.serving")


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether the variables ask for traces; SettingsError where they ask for what is not done here.

    >>> wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}), wanted({})
    (True, False)
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environ.get(_EXPORTER, "")
    if exporter == "none" or not (exporter or any(environ.get(name) for name in _ENDPOINTS)):
        return False
    if exporter not in ("", "otlp"):
        raise SettingsError(f"{_EXPORTER} is '{exporter}': expected otlp or none")
    for name in _PROTOCOLS:
        if environ.get(name, _PROTOCOL) not in ("", _PROTOCOL):
            raise SettingsError(f"{name} is '{environ[name]}': expected {_PROTOCOL}, or nothing")
    return True


def tracing_for(server: str, environ: Mapping[str, str] = os.environ) -> "Tracing | None":
    """What traces a server's requests; None where nothing asks for it.

    Where an address alone asks, as in a cluster that gives it to everything, a package that is missing is no reason not
    to serve.
    """
    if not wanted(environ):
        return None
    try:
        return Tracing(_provider(server))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "opentelemetry":
            raise
        missing = MissingExtra.of("otel", "opentelemetry-exporter-otlp-proto-http", "Sending traces")
        if environ.get(_EXPORTER):
            raise missing from None
        _log.warning("No traces are sent: %s", missing)
        return None


def _provider(server: str) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = Resource.create({"service.name": "outlast", "service.version": version("outlast")})
    ours = ours.merge(Resource({"service.instance.id": server})).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=ours, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


@dataclass(frozen=True)
class Trace:
    """A request's own span, while it is open."""

    span: "Span"
    offset: int
    """What `perf_counter`, in nanoseconds, lacks to the time of day."""

    def at(self, moment: float) -> int:
        """The time of day of a moment."""
        return self.offset + int(moment * 1e9)


class Tracing:
    """Traces of one server."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.propagate import extract, get_global_textmap
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

        self._provider, self._tracer = provider, provider.get_tracer("outlast", version("outlast"))
        self._extract, self._kind, self._failed = extract, SpanKind.SERVER, StatusCode.ERROR
        self._inside = set_span_in_context
        self.fields = frozenset(name.lower() for name in get_global_textmap().fields)
        """The headers in which a caller's trace comes along."""

    def begin(self, asked: Handled, name: str, carried: Mapping[str, str]) -> Trace:
        """Open a request's span, within that of its caller where one came along."""
        offset = time.time_ns() - int(time.perf_counter() * 1e9)
        span = self._tracer.start_span(name, context=self._extract(carried), kind=self._kind)
        context = span.get_span_context()
        if context.is_valid:
            asked.trace_id = f"{context.trace_id:032x}"
        if span.is_recording():
            asked.spans = []
        return Trace(span, offset)

    def end(self, trace: Trace, asked: Handled, name: str, said: Mapping[str, Any], *, failed: bool) -> None:
        """Close it, with a span for each step; `said` is what its protocol knows of it."""
        span = trace.span
        if asked.spans is not None:
            inside = self._inside(span)
            for step, begin, end in asked.spans:
                if step != _WHOLE:
                    self._tracer.start_span(step, context=inside, start_time=trace.at(begin)).end(trace.at(end))
            span.update_name(name)
            span.set_attributes({**said, **_about(asked)})
            if failed:
                span.set_status(self._failed)
        span.end()

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _about(asked: Handled) -> dict[str, Any]:
    found: dict[str, Any] = {"outlast.request_id": asked.request_id}
    predictor = asked.predictor
    if predictor is not None:
        found |= {"outlast.model": predictor.model, "outlast.version": predictor.version, "outlast.role": asked.role}
    if asked.rungs:
        found |= {"outlast.rows": len(asked.rungs), "outlast.rung": ",".join(sorted(set(asked.rungs)))}
    return found
