"""Runs what the pages show: pytest -p scripts.pages README.md docs"""

from scripts.pages.plugin import (
    pytest_collect_file,
    pytest_configure,
    pytest_ignore_collect,
    pytest_terminal_summary,
)

__all__ = ["pytest_collect_file", "pytest_configure", "pytest_ignore_collect", "pytest_terminal_summary"]
