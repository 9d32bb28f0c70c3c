"""The workspace: found by walking up, optional, each environment binding addresses and sources of its own."""

from pathlib import Path

import pytest

from outlast.errors import SettingsError
from outlast.project.declare import Source
from outlast.project.workspace import Workspace, project_folders, require_project
from outlast.settings import Settings

flights = Source("flights", "data/flights.parquet")
WORKSPACE = """
packages = ["shared"]
[sources]
flights = "lake/flights.parquet"
[environments.production.storage]
ledger = "postgresql://db/outlast"
[environments.production.sources]
flights = "s3://lake/flights"
"""


def make(folder: Path, text: str | None = None) -> Path:
    project = folder / "models" / "late"
    project.mkdir(parents=True)
    (project / "outlast.toml").write_text("")
    if text is not None:
        (folder / "workspace.toml").write_text(text)
    return project


def test_without_a_workspace_everything_lives_beside_the_model(tmp_path: Path) -> None:
    project = make(tmp_path)
    place = Workspace.find(project, Settings())
    assert place.home == project / ".outlast"
    assert place.ledger_url == f"sqlite:///{project / '.outlast' / 'ledger.db'}"
    assert place.location(flights, project) == project / "data" / "flights.parquet"


def test_a_workspace_is_found_by_walking_up_and_binds_sources(tmp_path: Path) -> None:
    project = make(tmp_path, WORKSPACE)
    place = Workspace.find(project, Settings())
    assert place.root == tmp_path
    assert place.packages == (tmp_path / "shared",)
    assert place.location(flights, project) == tmp_path / "lake" / "flights.parquet"
    assert project_folders(place) == [project]


def test_an_environment_wins_over_the_workspace_and_a_variable_over_both(tmp_path: Path) -> None:
    project = make(tmp_path, WORKSPACE)
    place = Workspace.find(project, Settings(environment="production"))
    assert place.location(flights, project) == "s3://lake/flights"
    assert place.ledger_url == "postgresql://db/outlast"
    assert Workspace.find(project, Settings(ledger="sqlite:////x.db")).ledger_url == "sqlite:////x.db"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[storrage]", "unknown key 'storrage': did you mean 'storage'?"),
        ("[storage]\nledgr = 'x'", "unknown key 'storage.ledgr': did you mean 'ledger'?"),
        ("[environments.prod.storage]\ntabels = 'x'", "did you mean 'tables'?"),
        ("packages = 3", "'packages'"),
        ("[", "is not valid TOML"),
    ],
)
def test_a_fault_names_the_file_and_the_nearest_key(tmp_path: Path, text: str, says: str) -> None:
    project = make(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        Workspace.find(project, Settings())
    assert says in str(caught.value)
    assert "workspace.toml" in str(caught.value)


def test_an_environment_nobody_declared_is_refused(tmp_path: Path) -> None:
    project = make(tmp_path, WORKSPACE)
    with pytest.raises(SettingsError, match="did you mean 'production'"):
        _ = Workspace.find(project, Settings(environment="productoin")).environment


def test_the_projects_folder_is_found_from_below(tmp_path: Path) -> None:
    project = make(tmp_path)
    deep = project / "tests"
    deep.mkdir()
    assert require_project(deep) == project
