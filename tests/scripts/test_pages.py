"""The runner of the pages' examples says no whenever a page shows something that is not so."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
FENCE = "`" * 3


def write(page: Path, *blocks: str) -> None:
    """A page made of these blocks, each written as 'info / body'."""
    page.write_text("# A page\n\n" + "\n\n".join(f"{FENCE}{block}\n{FENCE}" for block in blocks) + "\n", "utf-8")


def pages(folder: Path, *options: str) -> tuple[int, str]:
    """The status and words of running the pages of a folder."""
    plugins = ["-p", "scripts.pages", "-p", "pytest_timeout", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plugins, "-c", "pyproject.toml", "--rootdir", str(folder), *options]
    found = sorted(str(page) for page in folder.glob("*.md"))
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, *found], cwd=ROOT, env=alone, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout


def run(folder: Path, *blocks: str) -> tuple[int, str]:
    """The status and words of running one page made of these blocks."""
    write(folder / "page.md", *blocks)
    return pages(folder)


def test_blocks_of_a_page_share_names_folder_and_shell(tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        "toml file=project/settings.toml\nanswer = 42",
        "console\n$ cd project\n$ export WORD=hello\n$ ls\nsettings.toml",
        "python\nfrom pathlib import Path\ntext = Path('settings.toml').read_text()",
        "python\n>>> text\n'answer = 42\\n'",
        "console\n$ echo $WORD, \\\n> world\nhello, world",
        "text\nonly looked at",
    )
    assert status == 0, said
    assert "5 blocks ran on 1 pages, 1 are only shown" in said


FAILING = [
    ("python\nassert 1 == 2", "AssertionError"),
    ("python\nimport warnings\nwarnings.warn('careful')", "careful"),
    ("python\n>>> 1 + 1\n3", "Expected:"),
    ("console\n$ false", "'false' ended with 1, not 0"),
    ("console exit=2\n$ true", "'true' ended with 0, not 2"),
    ("console\n$ false\n$ true", "'false' ended with 1, not 0"),
    ("console\n$ echo one\ntwo", "'echo one' does not say 'two'"),
    ("console\n$ echo 'never closed", "unexpected EOF"),
    ("console\n$ exit 0", "ended the page's shell"),
    ("console\nno command here", "a console block starts with a command"),
    ("bash\ntrue", "neither runs nor is data"),
    ("\ntrue", "neither runs nor is data"),
    ("python no-run\nboom()", "no-run needs a reason"),
    ("python sometimes\nboom()", "'sometimes' means nothing here"),
]


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What one run says of a page for each of these blocks, by what failed on the page."""
    folder = tmp_path_factory.mktemp("failing")
    for number, (block, _) in enumerate(FAILING):
        write(folder / f"page{number}.md", block)
    report = folder / "report.xml"
    status, said = pages(folder, "--continue-on-collection-errors", f"--junitxml={report}")
    assert status == 1, said
    found = [""] * len(FAILING)
    for case in ElementTree.parse(report).iter("testcase"):
        names = case.get("classname", "") + case.get("name", "")
        (number,) = set(re.findall(r"page(\d+)", names))
        found[int(number)] += "".join(one.text or "" for one in case if one.tag in ("failure", "error"))
    return found


@pytest.mark.parametrize("number", range(len(FAILING)), ids=[block for block, _ in FAILING])
def test_a_page_fails_when(failing: list[str], number: int) -> None:
    assert FAILING[number][1] in failing[number]


@pytest.mark.parametrize(("block", "expected"), [("console\n$ false", 1), ("bash\ntrue", 2)])
def test_a_page_that_fails_ends_the_run_with(tmp_path: Path, block: str, expected: int) -> None:
    assert run(tmp_path, block)[0] == expected


def test_blocks_after_a_failed_one_do_not_run(tmp_path: Path) -> None:
    status, said = run(tmp_path, "python\n1 / 0", f"python\nopen({str(tmp_path / 'ran')!r}, 'w').close()")
    assert status == 1
    assert "did not run, because page.md line 4 (python) failed before it" in said
    assert "pages: 0 blocks ran" in said
    assert not (tmp_path / "ran").exists()


def test_a_block_that_never_closes_fails(tmp_path: Path) -> None:
    status, said = run(tmp_path, f"python\npass\n{FENCE}\n\n{FENCE}{FENCE}python\npass")
    assert status == 2
    assert "the block is never closed" in said


def test_a_reason_keeps_a_block_from_running(tmp_path: Path) -> None:
    status, said = run(tmp_path, "python no-run: needs a server of your own\nboom()", "python\npass")
    assert status == 0, said
    assert "1 blocks ran on 1 pages, 1 are only shown" in said


def runs(process: Path) -> bool:
    """Whether a process is there and not merely waiting for its parent to notice its end."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc, which is Linux's")
def test_what_a_page_starts_ends_with_the_page(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    status, said = run(tmp_path, f"console\n$ sleep 600 &\n$ echo $! > {mark}\n$ kill -0 $(cat {mark})")
    assert status == 0, said
    process, deadline = Path("/proc") / mark.read_text().strip(), time.monotonic() + 10
    while runs(process):
        assert time.monotonic() < deadline, f"{process} outlived its page"


def test_figures_may_differ_and_words_may_not(tmp_path: Path) -> None:
    shown = "console\n$ echo 'cost   1,204.50 per day'\ncost 980 per day"
    assert run(tmp_path, shown)[0] == 0
    assert run(tmp_path, shown.replace("980 per day", "980 per week"))[0] == 1
