"""Commands about who may do what: create, list, revoke."""

from typing import TYPE_CHECKING

import typer

from outlast.cli import places, screen

if TYPE_CHECKING:
    from outlast.registry.tokens import Token

app = typer.Typer(help="Say who may do what on a server.", no_args_is_help=True, rich_markup_mode=None)

ROLE = typer.Option([], "--role", "-r", help="predict, label, view, train, approve, operate or admin; repeatable.")
FOR = typer.Option([], "--model", "-M", help="Only for this model; repeatable. Left out: for all.")
EXPIRES = typer.Option(None, "--expires", help="How long it is taken, such as 90d. Left out: until it is revoked.")


@app.command()
def create(
    name: str = typer.Argument(..., help="Whose it is: a person, or a program."),
    role: list[str] = ROLE,
    model: list[str] = FOR,
    expires: str = EXPIRES,
    json: bool = places.JSON,
) -> None:
    """Make a token; its secret is shown once."""
    from outlast.control.operations import CREATE_TOKEN
    from outlast.control.shapes import MakingToken

    made = places.ask(CREATE_TOKEN, MakingToken(name, role, model, expires))
    token, secret = made.token, made.secret
    if json:
        screen.as_json({"token": _plain(token), "secret": secret})
        return
    print(f"Token {token.id} for {token.name} ({_scope(token)}), {_until(token)}. Its secret, shown this once:")
    print(secret)
    for one in _unknown(model):
        print(one)
    print("Next: give it to whom it is for, who sends it as `Authorization: Bearer …` or sets OUTLAST_TOKEN")


def _unknown(named: list[str]) -> list[str]:
    """Of models that a token is for, those that are not there: it may be early, or a slip of the hand."""
    if not named:
        return []
    from outlast.control.operations import VERSIONS
    from outlast.control.shapes import About
    from outlast.errors import nearest

    known = {one.model for one in places.ask(VERSIONS, About(None)).versions}
    return [f"There is no model '{name}' yet: {nearest(name, known)}" for name in named if name not in known]


@app.command(name="list")
def list_(json: bool = places.JSON) -> None:
    """List tokens, and who may do what with them."""
    from outlast.control.operations import TOKENS
    from outlast.control.shapes import Nothing

    found, at = places.ask(TOKENS, Nothing()), places.at()
    if json:
        screen.as_json([{**_plain(one), "state": one.state(at)} for one in found])
        return
    screen.table(
        ("id", "name", "roles", "models", "state", "made (UTC)", "by", "until"),
        [
            (t.id, t.name, ", ".join(t.roles), ", ".join(t.models or ("all",)), t.state(at),
             screen.moment(t.created_at), t.created_by, screen.moment(t.expires_at))
            for t in found
        ],
        empty="Nobody holds a token: make one with `outlast token create NAME --role predict`",
    )  # fmt: skip


@app.command()
def revoke(
    id: str = typer.Argument(..., help="The token's id, as `outlast token list` shows it."),
    json: bool = places.JSON,
) -> None:
    """Take a token no longer; servers know within a second."""
    from outlast.control.operations import REVOKE_TOKEN
    from outlast.control.shapes import Named

    token = places.ask(REVOKE_TOKEN, Named(id))
    if json:
        screen.as_json(_plain(token))
    else:
        print(f"Token {token.id} of {token.name} is taken no longer; servers that run know within a second")


def _plain(token: "Token") -> dict[str, object]:
    return vars(token)


def _scope(token: "Token") -> str:
    models = f"for {', '.join(token.models)}" if token.models else "for all models"
    return f"{', '.join(token.roles)}; {models}"


def _until(token: "Token") -> str:
    return "until it is revoked" if token.expires_at is None else f"until {screen.moment(token.expires_at)} UTC"
