"""How wide what commands print is."""

import pytest

from outlast.cli import screen


@pytest.mark.parametrize(("columns", "most"), [(None, screen.WIDTH), ("60", 60)])
def test_lines_in_a_pipe_are_a_page_wide_or_as_columns_says(
    columns: str | None, most: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    screen.sentence("word " * 50)
    screen.line("name", "word " * 50)
    lines = capsys.readouterr().out.splitlines()
    assert most - 5 < max(len(line) for line in lines) <= most
