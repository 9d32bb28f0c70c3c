"""Commands that run a model: serve, predict, score, label, push, tick, up."""

import sys
from pathlib import Path

import typer

from outlast.cli import places, screen
from outlast.errors import RequestError

HOST = typer.Option("127.0.0.1", "--host", help="A loopback address; others need tokens, which this release has not.")
PORT = typer.Option(8080, "--port", help="0 takes a free one.")


def serve(host: str = HOST, port: int = PORT) -> None:
    """Answer over HTTP for every live model; promotions are taken without a restart."""
    from outlast.serving.server import serve as run

    run(places.workspace(), host, port)


def predict(
    model: str = places.MODEL,
    row: str = typer.Option("-", "--row", help="A JSON object or list of objects; - reads standard input."),
    json: bool = places.JSON,
) -> None:
    """Answer rows here and now, without a server, by the code that serves them."""
    from outlast.serving.handle import open_model

    place = places.workspace()
    rows = _rows(sys.stdin.read() if row == "-" else row)
    handle = open_model(places.model_ref(model, place), place)
    answers = handle.answers(rows)
    if json:
        screen.as_json([{"model": handle.model, "version": handle.version, **_plain(a)} for a in answers])
        return
    for answer in answers:
        score = "" if answer.score is None else f" · score {answer.score:.4f}"
        print(f"{answer.decision}{score} · {handle.model}@{handle.version} · {answer.rung}")
        for warning in answer.warnings:
            print(f"  warning: {warning}")


def score(
    model: str = typer.Argument(..., help="The model, as NAME or NAME@VERSION."),
    source: Path = typer.Argument(..., help="Rows to score: a Parquet or CSV file."),
    target: Path = typer.Argument(..., help="Where the answers go: a Parquet or CSV file."),
    record: bool = typer.Option(False, "--record", help="Keep the answers in the journal, like served ones."),
    json: bool = places.JSON,
) -> None:
    """Score a file, in parts, by the code that serves."""
    from outlast.serving.batch import score_file

    place = places.workspace()
    watcher = screen.Bar(json)
    done = score_file(place, places.model_ref(model, place), source, target, record=record, watcher=watcher)
    if json:
        screen.as_json(done)
    else:
        print(f"{done['rows']:,} rows scored by {done['model']}@{done['version']} into {target}")


def label(
    model: str = typer.Argument(..., help="The model."),
    file: Path = typer.Argument(None, help="A Parquet or CSV file with prediction_id or the key, and label."),
    prediction: str = typer.Option(None, "--prediction", help="The id of one prediction."),
    key: str = typer.Option(None, "--key", help="The key of one question."),
    value: str = typer.Option(None, "--value", help="What happened, as JSON: true, 12.5, \"setosa\"."),
    json: bool = places.JSON,
) -> None:
    """Tell what really happened, by prediction or by key."""
    from outlast.serving.labels import label_file, label_one

    place = places.workspace()
    name = places.model_ref(model, place).name
    if file is not None:
        count = label_file(place, name, file)
    elif value is not None and (prediction or key):
        count = label_one(place, name, prediction_id=prediction, key=key, value=value)
    else:
        raise RequestError(
            "Nothing to label: give a FILE, or --value with --prediction or --key, "
            f"such as `outlast label {name} --key 123 --value true`"
        )
    if json:
        screen.as_json({"model": name, "labels": count})
    else:
        print(f"{count:,} labels kept for {name}")


def push(
    source: str = typer.Argument(..., help="The source, by its name in model.py."),
    file: Path = typer.Argument(..., help="New facts: a Parquet, CSV or JSON-lines file."),
    json: bool = places.JSON,
) -> None:
    """Bring new facts of a source: into its history and into fresh values, once."""
    from outlast.journal.ingest import Ingest
    from outlast.journal.journal import Journal
    from outlast.serving.batch import read_rows

    place = places.workspace()
    with Journal(place) as journal:
        done = Ingest(place, journal).take(source, read_rows(file), at=places.at())
    if json:
        screen.as_json(vars(done))
    else:
        print(f"{done.rows:,} facts of {source} taken, for {done.lookups} lookups")


def tick(json: bool = places.JSON) -> None:
    """Do what is due: seal, count, judge, tell, mirror, prune. Safe at any time, from cron or by hand."""
    from outlast.retraining.tick import tick as run

    done = run(places.workspace(), now=places.at(), worker=places.worker())
    if json:
        screen.as_json([vars(one) for one in done])
    else:
        rows = [(one.job, one.model or "", one.sentence) for one in done]
        screen.table(("job", "model", "what happened"), rows, empty="Nothing was due.")
    if any(one.failed for one in done):
        raise typer.Exit(1)


def up(
    host: str = HOST,
    port: int = PORT,
    every: str = typer.Option("60s", "--every", help="How often to tick."),
) -> None:
    """Server and ticks for one machine, until interrupted."""
    from outlast.serving.server import serve as run

    place = places.workspace()
    with places.ticking(place, every):
        run(place, host, port)


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
