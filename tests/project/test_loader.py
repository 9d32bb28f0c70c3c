"""Loading model.py: its own folder, helpers, late imports, two versions side by side, faults with their place."""

import pickle
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from outlast.errors import ContractError, NotFound, ProjectError
from outlast.project.loader import Code, Lease, load_model, load_module, load_project, read_code, uninstall

MODEL = """
from outlast import Model, Source
from words import GREETING

rows = Source("rows", "rows.csv", key="id")

class Box:
    greeting = GREETING

def late():
    from deep.inner import VALUE
    import words
    return VALUE, words.GREETING

def fit(x, y):
    return None

model = Model("m", asks=rows["a"], label=rows["b"], fit=fit)
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(name: str, **files: str) -> Path:
        folder = tmp_path / name
        for file, text in files.items():
            path = folder / (file.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        (folder / "outlast.toml").write_text("[model]\n")
        return folder

    return make


def test_helpers_and_late_imports_come_from_the_models_own_folder(write: Write) -> None:
    folder = write("p", model=MODEL, words="GREETING = 'hello'", deep__inner="VALUE = 1")
    module = load_module(read_code(folder), "model")
    assert module.Box.greeting == "hello"
    assert module.late() == (1, "hello")
    assert "words" not in sys.modules


def test_two_versions_of_one_project_live_side_by_side(write: Write) -> None:
    one = read_code(write("one", model=MODEL, words="GREETING = 'one'", deep__inner="VALUE = 1"))
    two = read_code(write("two", model=MODEL, words="GREETING = 'two'", deep__inner="VALUE = 2"))
    first, second = load_module(one, "model"), load_module(two, "model")
    assert (first.late(), second.late(), first.late()) == ((1, "one"), (2, "two"), (1, "one"))
    assert first.Box is not second.Box


def test_a_pickle_finds_its_class_again_after_the_module_was_forgotten(write: Write) -> None:
    code = read_code(write("p", model=MODEL, words="GREETING = 'kept'", deep__inner="VALUE = 1"))
    data = pickle.dumps(load_module(code, "model").Box())
    uninstall(code)
    with pytest.raises(ModuleNotFoundError):
        pickle.loads(data)
    load_model(Code(dict(code.files), Path("<bundle>")))
    assert pickle.loads(data).greeting == "kept"


def test_the_same_files_elsewhere_are_the_same_code(write: Write) -> None:
    one = read_code(write("a", model=MODEL, words="GREETING = 1"))
    two = read_code(write("b", model=MODEL, words="GREETING = 1"))
    assert one.digest == two.digest


def test_only_what_the_model_imports_is_its_code(write: Write) -> None:
    folder = write("p", model=MODEL, words="GREETING = 1", deep__inner="from . import near", deep__near="", script="")
    before = read_code(folder)
    assert sorted(before.files) == ["deep/inner.py", "deep/near.py", "model.py", "words.py"]
    (folder / "script.py").write_text("changed = True")
    assert read_code(folder).digest == before.digest
    (folder / "deep" / "near.py").write_text("changed = True")
    assert read_code(folder).digest != before.digest


def test_a_local_module_wins_over_the_standard_library_in_its_own_project_only(write: Write) -> None:
    code = read_code(write("p", model="import calendar\nVALUE = calendar.VALUE", calendar="VALUE = 7"))
    import calendar

    assert load_module(code, "model").VALUE == 7
    assert not hasattr(calendar, "VALUE")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nowhere_to_be_found", "line 1: ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("x = (1,\n", "model.py, line 1: SyntaxError"),
        ("\n\n1 / 0", "line 3: ZeroDivisionError"),
        ("x = 1", "declares no model"),
        ("from outlast import Source\nSource('a b', 'x.csv')", "cannot be a name"),
    ],
)
def test_a_fault_in_model_py_names_its_place(write: Write, text: str, says: str) -> None:
    code = read_code(write("p", model=text))
    with pytest.raises(ProjectError, match=r".*") as caught:
        load_model(code)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_under_another_name_is_found_and_two_are_refused(write: Write) -> None:
    renamed = MODEL.replace("model = Model(", "mine = Model(")
    assert load_model(read_code(write("p", model=renamed, words="GREETING=1"))).name == "m"
    twice = renamed + '\nother = Model("n", asks=rows["a"], label=rows["b"], fit=fit)\n'
    with pytest.raises(ProjectError, match="declares 2 models"):
        load_model(read_code(write("q", model=twice, words="GREETING=1")))


def test_a_folder_without_a_contract_or_a_model_says_so(tmp_path: Path, write: Write) -> None:
    with pytest.raises(NotFound, match="outlast init"):
        load_project(tmp_path)
    folder = write("p", other="")
    with pytest.raises(ProjectError, match=r"no model\.py"):
        load_project(folder)
    (folder / "outlast.toml").write_text("[model]\nonwer = 'x'")
    with pytest.raises(ContractError, match="did you mean 'owner'"):
        load_project(folder)


def leased(name: str) -> Code:
    return Code({"model.py": f"from outlast import Model\nKEPT = {name!r}\n".encode()}, Path("/nowhere"))


def there(code: Code) -> bool:
    return any(name.startswith(code.package) for name in sys.modules)


def test_leased_code_goes_with_its_last_lease() -> None:
    code = leased("twice")
    first, second = Lease(code), Lease(code)
    kept = vars(load_module(code, "model", leased=True))
    first.end()
    first.end()
    assert there(code)
    assert kept["KEPT"] == "twice"
    second.end()
    assert not there(code)
    assert kept == {}, "a function that somebody still holds must not keep the rest of its module"


@pytest.mark.parametrize("installed_first", [True, False])
def test_code_that_was_installed_for_good_stays(installed_first: bool) -> None:
    code = leased(f"for good {installed_first}")
    if installed_first:
        load_module(code, "model")
    lease = Lease(code)
    if not installed_first:
        load_module(code, "model")
    lease.end()
    assert there(code)
    uninstall(code)
    assert not there(code)
