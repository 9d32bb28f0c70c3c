"""Names that are taken: one meaning each in a workspace."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from outlast.errors import Conflict, NotFound
from outlast.project.declare import Source
from outlast.project.workspace import Workspace
from outlast.registry import audit
from outlast.registry.contracts import Change
from outlast.registry.declarations import declare, declared, folder_of, require_folder_of

WEATHER = Source("weather", "w.parquet", key=["origin", "at"], time="at", lag="20m").declared()
LATER = {**WEATHER, "lag": "1h"}


@pytest.fixture
def say(ledger, noon):
    def made(model: str, what: dict, kind: str = "source", name: str = "weather", **more) -> list[Change]:
        return declare(ledger, kind, name, model, what, by="ada", at=noon, **more)

    return made


def test_a_declaration_is_kept_and_audited(ledger, say) -> None:
    say("late", WEATHER)
    assert declared(ledger, "source", "weather") == WEATHER
    entry = audit.head(ledger)
    assert (entry.action, entry.object, entry.detail["model"]) == ("declare", "source weather", "late")


def test_the_same_again_by_any_model_changes_nothing(ledger, say) -> None:
    say("late", WEATHER)
    assert say("late", WEATHER) == say("cancelled", dict(reversed(WEATHER.items()))) == []
    assert len(audit.entries(ledger)) == 1


def test_another_model_may_not_mean_something_else_by_it(ledger, say) -> None:
    say("late", WEATHER)
    sentence = "Source 'weather' of model 'cancelled' differs from the one of model 'late': lag is '1h' here and '20m'"
    with pytest.raises(Conflict, match=sentence) as caught:
        say("cancelled", LATER)
    assert caught.value.details == {"key": "lag", "models": ["late", "cancelled"]}
    assert declared(ledger, "source", "weather") == WEATHER
    assert len(audit.entries(ledger)) == 1


def test_the_model_that_claimed_it_may_change_it(ledger, say) -> None:
    say("late", WEATHER)
    assert say("late", LATER) == [Change("lag", "20m", "1h")]
    assert declared(ledger, "source", "weather")["lag"] == "1h"
    assert audit.head(ledger).detail["changes"] == [{"key": "lag", "before": "20m", "after": "1h"}]
    with pytest.raises(Conflict):
        say("cancelled", WEATHER)


def test_kinds_do_not_clash(ledger, say) -> None:
    say("late", WEATHER)
    say("cancelled", {"digest": "d" * 64}, kind="set")
    assert declared(ledger, "set", "weather") == {"digest": "d" * 64}


def test_a_model_in_two_folders_is_a_conflict_and_a_renamed_folder_is_not(ledger, say) -> None:
    folder = {"kind": "model", "name": "late"}
    say("late", {"folder": "a"}, **folder)
    with pytest.raises(Conflict, match="two folders of this workspace, 'a' and 'b': give one"):
        say("late", {"folder": "b"}, folders=["a", "b"], **folder)
    assert say("late", {"folder": "b"}, folders=["b"], **folder) == [Change("folder", "a", "b")]
    assert declared(ledger, "model", "late") == {"folder": "b"}


def test_of_models_that_claim_a_name_at_once_one_wins(ledger, say) -> None:
    def claim(n: int) -> bool:
        try:
            return bool(say(f"model-{n}", {**WEATHER, "lag": f"{n}m"}))
        except Conflict:
            return False

    with ThreadPoolExecutor(6) as pool:
        won = [n for n, ok in enumerate(pool.map(claim, range(6))) if ok]
    assert len(won) == 1
    assert declared(ledger, "source", "weather")["lag"] == f"{won[0]}m"
    assert audit.verify(ledger) is None


def test_a_name_that_is_not_taken_says_which_are(ledger, say) -> None:
    say("late", WEATHER)
    with pytest.raises(
        NotFound, match="No source named 'wether' is declared in this workspace: did you mean 'weather'"
    ):
        declared(ledger, "source", "wether")


def project(folder: Path, model: str) -> Path:
    """As much of a project as tells where it lies."""
    folder.mkdir(parents=True)
    (folder / "outlast.toml").write_text("")
    (folder / "model.py").write_text(f"raise ValueError\nmodel = Model({model!r}, asks=Asks)\n")
    return folder


def test_a_project_is_found_by_the_folder_it_was_declared_in_and_after_that_was_renamed(tmp_path: Path, noon) -> None:
    (tmp_path / "workspace.toml").write_text("")
    workspace = Workspace(tmp_path)
    shop, late = project(tmp_path / "shop", "shop"), project(tmp_path / "late", "late")
    for name in ("shop", "late"):
        declare(workspace.ledger, "model", name, name, {"folder": name}, by="ada", at=noon)
    assert folder_of(workspace, "shop") == shop
    moved = shop.rename(tmp_path / "orders")
    assert folder_of(workspace, "shop") == moved == require_folder_of(workspace, "shop")
    assert folder_of(workspace, "late") == late
    assert folder_of(workspace, "other") is None


def test_a_project_that_is_not_found_says_where_it_was_expected(tmp_path: Path, noon) -> None:
    (tmp_path / "workspace.toml").write_text("")
    workspace = Workspace(tmp_path)
    declare(workspace.ledger, "model", "shop", "shop", {"folder": "shop"}, by="ada", at=noon)
    for name in ("broken", "another"):
        project(tmp_path / name, "another")
    (tmp_path / "broken" / "model.py").write_text("'shop' = (")
    with pytest.raises(NotFound, match=r"expected a folder 'shop', or one alone whose model\.py names 'shop'; put it"):
        require_folder_of(workspace, "shop")
    for name in ("one", "two"):
        project(tmp_path / name, "shop")
    assert folder_of(workspace, "shop") is None, "nobody knows which of the two"
    with pytest.raises(NotFound, match=r"does not lie in .*: expected a folder; put it there"):
        require_folder_of(workspace, "never trained")
