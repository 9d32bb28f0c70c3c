"""The project tests itself: its versions agree, its pages lead somewhere, its files stay readable."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import outlast

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 600, 60

CATCHES_BROADLY = {
    "src/outlast/cli/__init__.py": "the outermost edge: people get a sentence, and with --debug the whole of it",
    "src/outlast/control/http.py": "the outermost edge of an operation's thread; the log has the whole of it",
    "src/outlast/bundle/ways.py": "the model and its functions are the user's and may raise anything",
    "src/outlast/data/frames.py": "a source's function is the user's and may raise anything",
    "src/outlast/features/calling.py": "it calls the user's function, which may raise anything",
    "src/outlast/features/invariance.py": "it calls the user's function on parts of rows, which may raise anything",
    "src/outlast/features/rowwise/tracing.py": "it calls the user's function, which may raise anything",
    "src/outlast/gates/compare.py": "it runs the code of two versions, which is the user's and may raise anything",
    "src/outlast/gates/judge.py": "it runs the code of two versions, which is the user's and may raise anything",
    "src/outlast/monitoring/skew.py": "computing features again runs a version's code, which may raise anything",
    "src/outlast/gates/skew.py": "it serves a version, whose code is the user's and may raise anything",
    "src/outlast/project/loader.py": "model.py is the user's and may raise anything",
    "src/outlast/retraining/tick.py": "one broken job must not stop the others; the log has the whole of it",
    "src/outlast/serving/grpc/service.py": "the outermost edge of a call; the log has the whole of it",
    "src/outlast/serving/house.py": "the outermost edge of a thread that must outlive any failure; the log has it",
    "src/outlast/serving/loading.py": "loading a version runs the user's code, which may raise anything",
    "src/outlast/serving/apart/child.py": "it runs the version's code, which may raise anything",
    "src/outlast/serving/spare/child.py": "it runs the version's code, which may raise anything, and says what",
    "src/outlast/training/compiling/proof.py": "a fitted model may refuse a spoilt row with any error",
    "src/outlast/training/fitting.py": "fit and the label's expression are the user's and may raise anything",
    "src/outlast/training/adopting/opening.py": "unpickling executes what a file says and may raise anything",
    "src/outlast/training/simpler/judging.py": "an estimator of the user's own fit may raise anything",
}
"""Files that may catch every exception, and why. A handler that raises the same exception again does not count."""


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def committed() -> list[Path]:
    """The text files that the repository holds."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in files if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


def pages() -> list[Path]:
    return [path for path in committed() if path.suffix == ".md"]


def test_versions_agree_in_pyproject_code_and_changelog() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    newest = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    assert newest is not None
    assert declared == outlast.__version__ == newest[1]


def private_places() -> re.Pattern[str]:
    """What only one machine knows: its folders and its package indexes, spelt so that this file does not hold them."""
    folders = [f"(?<![\\w.}}-])/{name}/" for name in ("work", "root", "home", "Users")]
    indexes = [
        "py" + "pi.org",
        "python" + "hosted.org",
        "--index" + "-url",
        "--extra" + "-index",
        "--find" + "-links",
    ]
    return re.compile("|".join(folders + indexes))


def test_no_committed_file_names_a_place_of_one_machine() -> None:
    places, found = private_places(), []
    for path in committed():
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            if places.search(line):
                found.append(f"{named(path)}:{number}: {line.strip()[:120]}")
    assert found == []


@pytest.mark.parametrize("text", ["see /" + "work/main", "'/" + "root/x'", "--index" + "-url=x"])
def test_a_place_of_one_machine_is_recognised(text: str) -> None:
    assert private_places().search(text)


@pytest.mark.parametrize("text", ["/network/", "a/work/b", ".github/workflows/ci.yml", "/homeless/"])
def test_other_paths_are_not_taken_for_one(text: str) -> None:
    assert not private_places().search(text)


def broad_handlers(tree: ast.AST) -> Iterator[ast.ExceptHandler]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {"Exception"}
        last = node.body[-1]
        if caught & {"Exception", "BaseException"} and not (isinstance(last, ast.Raise) and last.exc is None):
            yield node


def test_every_exception_is_caught_by_name_outside_the_edges() -> None:
    catching = {named(path) for path in SOURCES if any(broad_handlers(ast.parse(path.read_text("utf-8"))))}
    assert catching - CATCHES_BROADLY.keys() == set(), "catch by name, or say above why this file may not"
    assert CATCHES_BROADLY.keys() - catching == set(), "these no longer catch broadly: take them off the list"


def test_a_broad_handler_is_recognised() -> None:
    body = "try: pass\nexcept {}: {}"
    for caught, action, broad in [
        ("Exception", "pass", True),
        ("(ValueError, BaseException)", "pass", True),
        ("", "pass", True),
        ("ValueError", "pass", False),
        ("BaseException", "raise", False),
    ]:
        assert any(broad_handlers(ast.parse(body.format(caught, action)))) is broad


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring aside."""
    first = function.body[0]
    talk = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) and first.end_lineno else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - talk


def test_files_and_functions_stay_readable() -> None:
    long = []
    for path in SOURCES:
        text = path.read_text("utf-8")
        if (lines := len(text.splitlines())) > LONGEST_FILE:
            long.append(f"{named(path)} has {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > LONGEST_FUNCTION:
                long.append(f"{named(path)}:{node.lineno} {node.name} has {length(node)} lines")
    assert long == []


def links(page: Path) -> list[Path]:
    """The files of this repository that a page leads to."""
    prose = re.sub(r"^(`{3,}|~{3,}).*?^\1", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    inside = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]
    return [(page.parent / target).resolve() for target in inside]


def test_every_link_between_pages_leads_to_a_file() -> None:
    dead = [f"{named(page)} -> {target}" for page in pages() for target in links(page) if not target.exists()]
    assert dead == []


def test_the_map_of_the_documentation_leads_to_every_page() -> None:
    reached, ahead = set(), [ROOT / "docs" / "index.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            ahead.extend(links(page))
    written = {page for page in pages() if page.is_relative_to(ROOT / "docs")}
    assert {named(page) for page in written - reached} == set()


def test_decisions_are_numbered_without_gaps_and_say_context_choice_and_cost() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for record in records:
        headings = re.findall(r"^## (.+)$", record.read_text("utf-8"), flags=re.MULTILINE)
        assert headings == ["Context", "Choice", "Cost"], record.name


def test_make_alone_lists_every_word_with_a_sentence() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    words = dict(re.findall(r"^  make (\w+) +(\S.*)$", listed, flags=re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert phony is not None
    assert set(words) == set(phony[1].split()) - {"help"}
