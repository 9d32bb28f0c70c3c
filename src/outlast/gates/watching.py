"""What the live parts of a contract say that would watch nothing, or tell nobody: `check` finds it, `apply` says it."""

from collections.abc import Iterable, Iterator

from outlast.errors import nearest
from outlast.project.loader import Project

Said = tuple[str, str]
"""A key of the contract, and what is wrong with it."""


def idle(project: Project) -> Iterator[Said]:
    """What tells nobody, asks for nothing, or names a source that is none; columns are seen to in `unknown_slices`."""
    contract = project.contract
    watch, escalate = contract.monitoring, contract.monitoring.escalate
    if not watch.routes:
        yield "monitoring.routes", 'is empty, so nobody is told of a page: name one, such as "log"'
    if "after" in escalate.model_fields_set and not escalate.to:
        yield "monitoring.escalate", "says after how long and not to whom, so nobody is: add to = [...], the routes"
    there = {source.name for source in project.model.sources}
    for name in watch.fresh:
        if name not in there:
            yield f"monitoring.fresh.{name}", f"is no source of this model: {nearest(name, there)}"
    if contract.retraining.labels == 0:
        yield "retraining.labels", "is 0, so a successor is trained on no new label at all: say how many it needs"


def unknown_slices(project: Project, columns: Iterable[str]) -> Iterator[Said]:
    """Slices of columns that are not there, where all of them are known."""
    there = [name for name in columns if not name.startswith("__")]
    for name in project.contract.monitoring.slices:
        if name not in there:
            yield "monitoring.slices", f"names '{name}', which is neither an ask nor a feature: {nearest(name, there)}"


def doubtful_slices(project: Project) -> Iterator[Said]:
    """The same where no data is read and no function is called, so that what functions make is not known."""
    model = project.model
    there = [*model.asks.names, *(name for lookup in model.lookups for name in lookup.names)]
    if not model.functions:
        yield from unknown_slices(project, there)
        return
    for name in project.contract.monitoring.slices:
        if name not in there:
            says = f"names '{name}', which is neither asked for nor looked up, so only a function can make it"
            yield "monitoring.slices", f"{says}: {nearest(name, there)}"
