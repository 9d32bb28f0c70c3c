"""Every command, in the order of a model's life; what a command needs is imported when it runs."""

import typer

from outlast.cli import (
    again,
    approving,
    audit,
    erasing,
    evidence,
    features,
    gating,
    incidents,
    keeping,
    life,
    looking,
    looping,
    people,
    project,
    replaying,
    running,
    tokens,
    worth,
)

app = typer.Typer(
    name="outlast",
    help="Takes a model out of a notebook and keeps it working.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    project.init,
    project.check,
    project.apply,
    project.train,
    project.adopt,
    project.dataset,
    looking.versions,
    looking.show,
    looking.why,
    evidence.card,
    again.reproduce,
    gating.compare,
    gating.gate,
    gating.load_test,
    approving.approve,
    approving.reject,
    life.promote,
    life.withdraw,
    life.rollback,
    life.retire,
    life.transfer,
    looking.history,
    looping.retrain,
    looping.decisions,
    looping.ab,
    evidence.ready,
    running.serve,
    running.predict,
    running.score,
    running.label,
    people.act,
    running.push,
    running.backfill,
    looking.monitor,
    worth.value,
    looking.feeds,
    looking.skew,
    incidents.incidents,
    incidents.incident,
    incidents.ack,
    incidents.assign,
    incidents.snooze,
    incidents.resolve,
    incidents.accept,
    evidence.weekly,
    running.tick,
    running.up,
    replaying.replay,
    looking.doctor,
    keeping.backup,
    keeping.restore,
    erasing.erase,
):
    app.command()(command)

app.add_typer(features.app, name="features")
app.add_typer(people.queue, name="queue")
app.add_typer(audit.app, name="audit")
app.add_typer(tokens.app, name="token")


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
    debug: bool = typer.Option(False, "--debug", help="On a failure, show where it came from."),
) -> None:
    """Takes a model out of a notebook and keeps it working."""
    if version:
        from importlib.metadata import version as installed

        print(installed("outlast"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
