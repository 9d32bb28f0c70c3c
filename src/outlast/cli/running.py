"""Commands that run a model: serve, predict, score, label, push, tick, up."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from outlast.cli import places, screen, serving
from outlast.cli.telling_explained import lines_of
from outlast.errors import OutlastError, RequestError

if TYPE_CHECKING:
    from outlast.bundle.answers import Answer
    from outlast.serving.handle import Handle

HOST = typer.Option("127.0.0.1", "--host", help="An address of this machine; one that others reach needs tokens.")
PORT = typer.Option(8000, "--port", min=0, max=65535, help="0 takes a free one.")
GRPC_PORT = typer.Option(
    None, "--grpc-port", min=0, max=65535, help="Speak the Open Inference Protocol over gRPC as well, on this port."
)
WORKERS = typer.Option(
    None, "--workers", min=1, help="Processes that answer at this address; else OUTLAST_WORKERS, else 1."
)


def serve(host: str = HOST, port: int = PORT, grpc_port: int = GRPC_PORT, workers: int = WORKERS) -> None:
    """Answer over HTTP for every live model."""
    serving.serve(serving.Asked(host, port, grpc_port), workers)


def predict(
    model: str = places.MODEL,
    row: str = typer.Option("-", "--row", help="A JSON object or list of objects; - reads standard input."),
    example: bool = typer.Option(False, "--example", help="Take a row from training instead, and show it."),
    explain: bool = typer.Option(False, "--explain", help="Say what each feature added to the answer."),
    json: bool = places.JSON,
) -> None:
    """Answer rows here and now, without a server."""
    from outlast.serving.handle import open_model

    place = places.workspace()
    handle = open_model(places.model_ref(model, place), place)
    rows = [handle.example()] if example else _rows(sys.stdin.read() if row == "-" else row)
    answers = handle.answers(rows)
    told = [_explained(handle, one) if explain else {} for one in answers]
    if json:
        head = {"model": handle.model, "version": handle.version}
        screen.as_json([{**head, **_plain(one), **more} for one, more in zip(answers, told, strict=True)])
        return
    if example:
        screen.as_json(rows[0])
    for answer, more in zip(answers, told, strict=True):
        amount = isinstance(answer.decision, float)
        scored = "" if answer.score is None or amount else f" · score {answer.score:.4f}"
        decided = f"{answer.decision:,.6g}" if amount else answer.decision
        rung = "" if answer.rung == "full" else f" · {answer.rung}: {'; '.join(answer.reasons)}"
        print(f"{decided}{scored} · {handle.model}@{handle.version}{rung}")
        for warning in answer.warnings:
            print(f"  warning: {warning}")
        for line in lines_of(**more) if explain else ():
            print(f"  {line}")


def _explained(handle: "Handle", answer: "Answer") -> dict[str, Any]:
    try:
        return {"explanation": handle.explained(answer), "unexplained": None}
    except OutlastError as error:
        return {"explanation": None, "unexplained": str(error)}


def score(
    model: str = typer.Argument(..., help="The model, as NAME or NAME@VERSION."),
    source: str = typer.Argument(..., help="Rows: Parquet, CSV or JSON lines, a folder or *.parquet, a Delta table."),
    target: str = typer.Argument(..., help="Where to: NAME.parquet, .csv or .ndjson; NAME.delta is added to."),
    facts: Literal["history", "fresh"] = typer.Option(
        "history", "--facts", help="Look facts up in the sources' history, or in fresh values as a server does."
    ),
    record: bool = typer.Option(
        None,
        "--record/--no-record",
        help="Keep the answers in the journal; by default those of the live version.",
    ),
    anew: bool = typer.Option(False, "--anew", help="Begin again, where a run was broken off."),
    workers: int = typer.Option(
        None, "--workers", min=1, help="Processes; by default all processors for a long table."
    ),
    json: bool = places.JSON,
) -> None:
    """Score a table of rows into a table of answers."""
    from outlast.cli.telling_scores import told
    from outlast.serving.files import place_of
    from outlast.serving.scoring.batch import Batch, score_file

    place = places.workspace()
    ref = places.model_ref(model, place)
    batch = Batch(place_of(source), place_of(target), facts, record, anew, workers=workers)
    try:
        with screen.Bar(json) as watcher:
            done = score_file(place, ref, batch, watcher)
    except KeyboardInterrupt:
        print(f"outlast: Interrupted: {target} is as it was, and the same command goes on", file=sys.stderr)
        raise typer.Exit(130) from None
    if json:
        screen.as_json(vars(done))
    else:
        told(done)


def label(
    model: str = typer.Argument(..., help="The model."),
    file: Path = typer.Argument(None, help="A Parquet or CSV file with label, and prediction_id or the key."),
    prediction: str = typer.Option(None, "--prediction", help="A prediction's id, or its first 8 digits or more."),
    key: str = typer.Option(None, "--key", help="The key of one question."),
    value: str = typer.Option(None, "--value", help='What happened, as JSON: true, 12.5, "setosa".'),
    json: bool = places.JSON,
) -> None:
    """Tell what really happened, by prediction or by key."""
    from outlast.serving.labels import label_file, label_one
    from outlast.types import counted

    place = places.workspace()
    name = places.model_ref(model, place).name
    if file is not None:
        kept = label_file(place, name, file)
    elif value is not None and (prediction or key):
        kept = label_one(place, name, prediction_id=prediction, key=key, value=value)
    else:
        raise RequestError(
            "Nothing to label: give a FILE, or --value with --prediction or --key, "
            f"such as `outlast label {name} --key 123 --value true`"
        )
    if json:
        screen.as_json({"model": name, **vars(kept)})
        return
    print(f"{counted(kept.labels, 'label')} kept for {name}{f'; {kept.sentence}' if kept.sentence else ''}")


def push(
    source: str = typer.Argument(..., help="The source, by its name in model.py."),
    file: Path = typer.Argument(..., help="New facts: a Parquet, CSV or JSON-lines file."),
    retract: bool = typer.Option(False, "--retract", help="Withdraw these facts; the key and a moment are enough."),
    json: bool = places.JSON,
) -> None:
    """Bring new facts of a source, for lookups to see."""
    from outlast.journal.ingest import Ingest
    from outlast.journal.journal import Journal
    from outlast.serving.files import read_facts
    from outlast.types import counted

    place = places.workspace()
    with Journal(place) as journal:
        done = Ingest(place, journal).take(source, read_facts(file), at=places.at(), retract=retract)
    if json:
        screen.as_json(vars(done))
    else:
        lookups = "1 lookup reads" if done.lookups == 1 else f"{done.lookups} lookups read"
        withdrawn = f", {counted(done.retracted, 'withdrawal')} among them" if done.retracted else ""
        print(f"{counted(done.rows, 'fact')} of {source} taken{withdrawn}; {lookups} them")


def backfill(model: str = places.MODEL, json: bool = places.JSON) -> None:
    """Fill fresh values from the sources' history."""
    from outlast.control.operations import BACKFILL
    from outlast.control.shapes import About
    from outlast.types import counted

    asked = About(places.meant(model))
    with screen.Bar(json) as watcher:
        done = places.ask(BACKFILL, asked, watcher)
    name, filled = done.model, done.facts
    if json:
        screen.as_json({"model": name, "facts": filled})
    elif filled:
        facts = ", ".join(f"{counted(count, 'fact')} of {source}" for source, count in filled.items())
        print(f"Fresh values of {name} hold what history says: {facts}")
    else:
        print(f"No version of {name} that is live, or was before, looks anything up: there is nothing to fill")


def tick(
    wait: bool = typer.Option(False, "--wait", help="End after the trainings that it starts, not before."),
    json: bool = places.JSON,
) -> None:
    """Do what is due: seal, count, judge, tell, mirror, retrain."""
    from outlast.retraining.tick import tick as run

    done = run(places.workspace(), now=places.at(), wait=wait)
    if json:
        screen.as_json([vars(one) for one in done])
    else:
        word = {(False, True): "failed", (True, False): "done"}
        rows = [(one.job, one.model, word.get((one.did, one.failed)), one.sentence) for one in done]
        screen.table(("job", "model", "", "what happened"), rows, empty="Nothing is due: there is no model yet")
    if any(one.failed for one in done):
        raise typer.Exit(1)


def up(
    host: str = HOST,
    port: int = PORT,
    grpc_port: int = GRPC_PORT,
    workers: int = WORKERS,
    every: str = typer.Option("60s", "--every", help="How often to tick, such as 30s or 5m."),
) -> None:
    """Serve and tick on this machine, until interrupted."""
    from outlast.types import duration

    seconds = duration(every).total_seconds()
    if seconds < 1:
        raise RequestError(f"--every is {every}: expected a second or more, such as 60s")
    serving.serve(serving.Asked(host, port, grpc_port), workers, every=seconds)


def _rows(text: str) -> list[dict[str, object]]:
    import msgspec

    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise RequestError(f"The row is not JSON ({error}): give an object of fields, such as '{{\"a\": 1}}'") from None
    return found if isinstance(found, list) else [found]


def _plain(answer: object) -> dict[str, object]:
    import msgspec

    kept: dict[str, object] = msgspec.structs.asdict(answer)  # type: ignore[arg-type]
    kept.pop("cells")
    return kept
