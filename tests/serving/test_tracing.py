"""Whether traces are sent."""

import logging
import sys
from collections.abc import Mapping

import pytest

from outlast.errors import MissingExtra, SettingsError
from outlast.serving.tracing import tracing_for, wanted

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
    ],
)
def test_the_variables_of_opentelemetry_say_so(environ: Mapping[str, str], expected: bool) -> None:
    assert wanted(environ) is expected
    if not expected:
        assert tracing_for("here", environ) is None


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin': expected otlp or none"),
        (
            {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc': expected http/protobuf, or nothing",
        ),
    ],
)
def test_what_is_not_done_here_is_refused(environ: Mapping[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        wanted(environ)


def test_a_missing_package_is_an_error_where_traces_were_asked_for_by_name_and_else_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(MissingExtra, match=r"pip install 'outlast\[otel\]'"):
        tracing_for("here", {"OTEL_TRACES_EXPORTER": "otlp"})
    with caplog.at_level(logging.WARNING):
        assert tracing_for("here", ENDPOINT) is None
    assert "No traces are sent" in caplog.text
