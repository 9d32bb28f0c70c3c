"""Lines of a log."""

import json
import logging
from contextvars import copy_context

import pytest

from outlast.errors import FeatureError, SettingsError, StorageError, Unavailable
from outlast.serving.handling import Handled, current, handle, handled, usable
from outlast.serving.logs import Json, Text, log_to_stderr, said_of


def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
    raised = None if error is None else (type(error), error, error.__traceback__)
    found = logging.LogRecord("outlast.serving", logging.ERROR, "here.py", 1, "%s", (message,), raised)
    found.created = 1372680000.25
    return found


def raised() -> BaseException:
    try:
        try:
            raise KeyError("a secret")
        except KeyError as error:
            raise ValueError("another secret") from error
    except ValueError as error:
        return error


def asked(name: str, trace: str | None = None) -> Handled:
    found = Handled()
    found.request_id, found.trace_id = name, trace
    return found


def written(formatter: logging.Formatter, record: logging.LogRecord, *requests: Handled) -> str:
    def write() -> str:
        handle(*requests)
        return formatter.format(record)

    return copy_context().run(write)


@pytest.mark.parametrize(
    ("requests", "line", "about"),
    [
        ([], "", {}),
        ([asked("a")], " (request_id=a)", {"request_id": "a"}),
        ([asked("a", "f00")], " (request_id=a trace_id=f00)", {"request_id": "a", "trace_id": "f00"}),
        (
            [asked("a", "f00"), asked("b"), asked("c", "ba4")],
            " (request_ids=a,b,c trace_ids=f00,ba4)",
            {"request_ids": ["a", "b", "c"], "trace_ids": ["f00", "ba4"]},
        ),
    ],
)
def test_a_line_names_the_requests_it_is_about(requests: list[Handled], line: str, about: dict[str, object]) -> None:
    said = record('It "failed"\nhere')
    assert written(Text(), said, *requests) == f'2013-07-01T12:00:00.250Z ERROR It "failed"\nhere{line}'
    assert json.loads(written(Json(), said, *requests)) == {
        "time": "2013-07-01T12:00:00.250Z",
        "level": "ERROR",
        "logger": "outlast.serving",
        "message": 'It "failed"\nhere',
        **about,
    }


@pytest.mark.parametrize("formatter", [Text(), Json()])
def test_of_an_exception_is_said_what_it_is_and_where_and_not_its_words(formatter: logging.Formatter) -> None:
    line = written(formatter, record("It failed", raised()))
    assert "secret" not in line.replace('raise KeyError("a secret")', "").replace(
        'raise ValueError("another secret") from error', ""
    ).replace('raise KeyError(\\"a secret\\")', "").replace('raise ValueError(\\"another secret\\") from error', "")
    assert "ValueError at" in line
    assert "which came from KeyError at" in line
    assert "test_logs.py" in line


def test_text_that_is_no_unicode_is_one_line_of_json_all_the_same() -> None:
    line = written(Json(), record("\ud800"))
    assert json.loads(line)["message"] == "\ud800"
    assert line.isascii()


def test_an_error_is_quoted_where_it_is_about_our_own_places_only() -> None:
    assert said_of(StorageError("The disk is full")) == "The disk is full"
    assert said_of(FeatureError("Function f raised on 7")) == "FeatureError"
    error = Unavailable("late@1 cannot answer (7)")
    error.__cause__ = raised()
    assert said_of(error) == "Unavailable, from ValueError, from KeyError"


def test_another_form_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(SettingsError, match=r"OUTLAST_LOG_FORMAT is 'jsno': did you mean 'json'\?"):
        log_to_stderr("jsno")


def test_a_request_without_a_name_gets_one_once_and_a_callers_own_counts() -> None:
    assert (one := Handled()).request_id == one.request_id
    assert Handled(lambda: "mine").request_id == "mine"
    assert Handled().known_id is None
    assert [usable(name) for name in ("a b", "", "x" * 128, "x" * 129, "é", "a\n")] == [
        True,
        False,
        True,
        False,
        False,
        False,
    ]


def test_of_several_requests_none_is_the_current_one() -> None:
    def several() -> tuple[int, str | None]:
        handle(asked("a"), asked("b"))
        return len(handled()), current().known_id

    assert copy_context().run(several) == (2, None)
