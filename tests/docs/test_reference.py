"""The reference pages say what the code says."""

import pytest

from outlast.settings import VARIABLES
from scripts.reference import contract, pages, settings


@pytest.fixture(autouse=True)
def _a_plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TERMINAL_WIDTH"):
        monkeypatch.delenv(name, raising=False)


def test_no_page_is_behind_the_code():
    assert pages.behind() == []


def test_every_writer_has_a_place_on_a_page():
    assert pages.written_by() == set(pages.WRITERS)


def test_every_key_of_the_contract_has_a_meaning_and_every_meaning_a_key():
    assert contract.unmatched() == []


def test_every_key_of_the_workspace_and_every_variable_has_a_meaning():
    assert settings.workspace_keys() == set(settings._WORKSPACE)
    assert set(VARIABLES.values()) == set(settings._MEANINGS)


def test_a_page_that_is_behind_is_found_and_mended(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    page = tmp_path / "settings.md"
    page.write_text("# Mine\n\n<!-- generated: variables -->\nout of date\n<!-- /generated -->\n\nAfter.\n")
    assert pages.behind() == ["settings.md"]
    assert pages.refresh() == ["settings.md"]
    text = page.read_text()
    assert "OUTLAST_ENV" in text
    assert "out of date" not in text
    assert text.startswith("# Mine\n")
    assert text.endswith("\nAfter.\n")
    assert pages.behind() == []
