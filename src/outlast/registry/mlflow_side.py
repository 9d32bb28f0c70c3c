"""MLflow's side of the mirror: one experiment and one registered model per model of ours, made or found again."""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from outlast.registry.mlflow_words import metrics, params, plain, tags
from outlast.registry.mlmodel import write_model
from outlast.registry.pictures import save
from outlast.registry.verdicts import Record
from outlast.registry.versions import Version
from outlast.types import FORMAT, micros

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIASES = ("champion", "challenger")
_PLACE, _PICTURES = "model", "pictures"
_PARENT, _TRIAL = "mlflow.parentRunId", "outlast.trial"
_DONE, _MARK = "outlast.mirrored", "outlast.beside"
_NOTE = "A mirror that Outlast keeps. What is live is decided in its ledger: changes made here are put back."
_DEFAULTS = {  # set unless the user has: no word to a third party, a server that is down is noticed soon, no chatter
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class Placed:
    """Where a version is in MLflow, and whether this call put it or its run there."""

    run_id: str
    number: int
    made: bool
    whole: bool


@dataclass(frozen=True)
class Beside:
    """Texts to be put beside a version's run, by their names, and what tells whether they are the ones there."""

    mark: str
    files: Callable[[], Mapping[str, str]]


class Side:
    """What MLflow has of one model, read once; every method finds what is there before it makes something."""

    def __init__(self, uri: str, model: str, artifacts: Path) -> None:
        self._model = model
        self._client = connect(uri)
        self._experiment = self._open_experiment(None if "://" in uri and uri.startswith("http") else artifacts)
        self._runs = {run.data.tags["outlast.digest"]: run for run in self._all_runs()}
        self._aliases = self._open_registered()
        self._versions = {one.tags["outlast.digest"]: int(one.version) for one in self._all_versions()}

    def place(self, version: Version, bundle: Path | None, *, thorough: bool) -> Placed:
        """Make a version's run and registered version where they are missing; `bundle` None: only what needs none."""
        run, made = self._run(version)
        whole = run.data.tags.get(_DONE) == str(FORMAT)
        if not whole or thorough:
            whole = self._fill(run, version, bundle)
        number = self._versions.get(version.digest)
        if number is None:
            number, made = self._register(version, run), True
        return Placed(run.info.run_id, number, made, whole)

    def judge(self, version: Version, verdict: Record, *, thorough: bool) -> bool:
        """Put the newest verdict beside a version's run; whether it was not there yet."""
        run = self._runs[version.digest]
        there = run.data.tags.get("outlast.verdict") == verdict.digest
        if there and not thorough:
            return False
        said = {"model": verdict.model, "version": verdict.number, "passed": verdict.passed, "checks": verdict.checks}
        said |= {"digest": verdict.digest, "at": verdict.at.isoformat(), "format": FORMAT}
        self._client.log_dict(run.info.run_id, said, "verdict.json")
        self._client.set_tag(run.info.run_id, "outlast.passed", str(verdict.passed).lower())
        self._client.set_tag(run.info.run_id, "outlast.verdict", verdict.digest)
        return not there

    def put(self, version: Version, found: Beside, *, thorough: bool) -> None:
        """Put texts beside a version's run, unless they are there."""
        run = self._runs[version.digest]
        if run.data.tags.get(_MARK) == found.mark and not thorough:
            return
        for name, text in found.files().items():
            self._client.log_text(run.info.run_id, text, name)
        self._client.set_tag(run.info.run_id, _MARK, found.mark)

    def has(self, version: Version) -> bool:
        """Whether the version is there as a whole."""
        run = self._runs.get(version.digest)
        whole = run is not None and run.info.lifecycle_stage == "active" and run.data.tags.get(_DONE) == str(FORMAT)
        return whole and version.digest in self._versions

    def aliases(self) -> dict[str, int]:
        """Where our aliases point now."""
        return {name: int(number) for name, number in self._aliases.items() if name in ALIASES}

    def point(self, alias: str, number: int | None) -> None:
        """Make an alias point at a registered version, or at none."""
        if number is None:
            self._client.delete_registered_model_alias(self._model, alias)
        else:
            self._client.set_registered_model_alias(self._model, alias, str(number))

    def _open_experiment(self, artifacts: Path | None) -> str:
        known = self._client.get_experiment_by_name(self._model)
        if known is None:
            place = None if artifacts is None else artifacts.resolve().as_uri()
            return str(self._client.create_experiment(self._model, artifact_location=place))
        if known.lifecycle_stage == "deleted":
            self._client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)

    def _open_registered(self) -> dict[str, str]:
        from mlflow.exceptions import MlflowException

        try:
            return dict(self._client.get_registered_model(self._model).aliases)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        self._client.create_registered_model(self._model, description=_NOTE)
        return {}

    def _all_runs(self) -> Iterator[Any]:
        from mlflow.entities import ViewType

        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                f"tags.`outlast.model` = '{self._model}'",
                run_view_type=ViewType.ALL,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _all_versions(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_model_versions(f"name = '{self._model}'", page_token=token)
            yield from (one for one in page if "outlast.digest" in one.tags)
            token = page.token
            if not token:
                return

    def _run(self, version: Version) -> tuple[Any, bool]:
        run = self._runs.get(version.digest)
        if run is None:
            at = micros(version.created_at) // 1000
            run = self._client.create_run(self._experiment, at, tags(version), run_name=str(version))
            self._runs[version.digest] = run
            return run, True
        if run.info.lifecycle_stage == "deleted":
            self._client.restore_run(run.info.run_id)
            return run, True
        return run, False

    def _fill(self, run: Any, version: Version, bundle: Path | None) -> bool:
        """Everything of a run; saying the same again changes nothing, so an interrupted one is just repeated."""
        from mlflow.entities import Metric, Param

        at, run_id = micros(version.created_at) // 1000, run.info.run_id
        measured = [Metric(plain(name), value, at, 0) for name, value in metrics(version).items()]
        given = [Param(name, value[:500]) for name, value in params(version).items()]
        self._client.log_batch(run_id, metrics=measured, params=given)
        if bundle is not None:
            with tempfile.TemporaryDirectory(prefix="outlast-mirror-") as folder:
                write_model(Path(folder) / _PLACE, version, bundle, run_id=run_id)
                save(version.summary, Path(folder) / _PICTURES)
                self._client.log_artifacts(run_id, folder)
            self._fill_trials(run_id, version, at)
            self._client.set_tag(run_id, _DONE, str(FORMAT))
        self._client.set_terminated(run_id, "FINISHED", at)
        return bundle is not None

    def _fill_trials(self, run_id: str, version: Version, at: int) -> None:
        """The trials of a search as runs below the version's; those that are there are filled again."""
        from mlflow.entities import Metric, Param

        search = version.summary.get("search")
        if not search:
            return
        known = {run.data.tags.get(_TRIAL): run for run in self._trials(run_id)}
        timings = version.summary.get("timings") or {}
        for number, trial in enumerate(search["trials"], start=1):
            run = known.get(str(number)) or self._make_trial(run_id, version, number, at)
            if run.info.lifecycle_stage == "deleted":
                self._client.restore_run(run.info.run_id)
            figures = {search["metric"]: trial["value"], "seconds": timings.get(trial["step"])}
            measured = [Metric(plain(name), value, at, 0) for name, value in figures.items() if value is not None]
            given = [Param(plain(name), str(value)[:500]) for name, value in trial["parameters"].items()]
            self._client.log_batch(run.info.run_id, metrics=measured, params=given)
            self._client.set_terminated(run.info.run_id, "FINISHED", at)

    def _trials(self, run_id: str) -> list[Any]:
        from mlflow.entities import ViewType

        below = f"tags.`{_PARENT}` = '{run_id}'"
        found = self._client.search_runs([self._experiment], below, run_view_type=ViewType.ALL, max_results=5000)
        return list(found)

    def _make_trial(self, run_id: str, version: Version, number: int, at: int) -> Any:
        marks = {_PARENT: run_id, _TRIAL: str(number), "mlflow.user": version.created_by}
        return self._client.create_run(self._experiment, at, marks, run_name=f"{version} trial {number}")

    def _register(self, version: Version, run: Any) -> int:
        made = self._client.create_model_version(
            self._model,
            f"{run.info.artifact_uri}/{_PLACE}",
            run.info.run_id,
            tags={"outlast.version": str(version.number), "outlast.digest": version.digest},
        )
        return int(made.version)


def connect(uri: str) -> "MlflowClient":
    """A client of the MLflow at an address; nothing is sent until it is used."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def quietly() -> Iterator[None]:
    """MLflow's own use of SQLAlchemy is deprecated in places; that is not our users' to read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"The ``noload`` loader strategy", sa.exc.SADeprecationWarning)
        yield


def faults() -> tuple[type[Exception], ...]:
    """What MLflow raises when it, its database or its disk fails, and what draws the pictures when it cannot."""
    from mlflow.exceptions import MlflowException

    return MlflowException, sa.exc.SQLAlchemyError, OSError, ValueError
