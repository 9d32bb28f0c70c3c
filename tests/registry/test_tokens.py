"""Tokens in the ledger: what they may do, how long they are taken, and that no secret is kept."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from outlast.errors import NotFound, RequestError
from outlast.registry import audit
from outlast.registry.tokens import MAY, ROLES, Role, Wanted, create, id_in, keys, revoke, tokens
from outlast.storage.ledger import Ledger
from outlast.storage.ledger.schema import metadata
from outlast.types import Verified

MAY_DO = {
    "predict": "predict",
    "label": "label",
    "view": "view",
    "train": "train view",
    "approve": "approve view",
    "operate": "operate view",
    "admin": " ".join(ROLES),
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_what_the_table_says_and_nothing_else(ledger: Ledger, noon, role: Role) -> None:
    token, _ = create(ledger, Wanted.of("ana", [role], at=noon), by="ada", at=noon)
    assert {one for one in ROLES if token.may(one)} == set(MAY_DO[role].split())
    assert MAY.keys() == MAY_DO.keys()


def test_a_token_opens_with_its_secret_only(ledger: Ledger, noon) -> None:
    one, secret = create(ledger, Wanted.of("ana", ["predict"], at=noon), by="ada", at=noon)
    _, other = create(ledger, Wanted.of("bob", ["predict"], at=noon), by="ada", at=noon)
    key = next(key for key in keys(ledger) if key.token == one)
    assert key.opens(secret.encode())
    assert not key.opens(other.encode())
    assert not key.opens((secret[:-1] + ("a" if secret[-1] != "a" else "b")).encode())
    assert id_in(secret) == one.id
    assert (one.bearer, one.bearer.token) == (Verified("ana", one.id), one.id)


def test_of_a_secret_the_ledger_has_the_digest_only(ledger: Ledger, noon) -> None:
    token, secret = create(ledger, Wanted.of("ana", ["admin"], at=noon), by="ada", at=noon)
    revoke(ledger, secret, by="ada", at=noon)
    random = secret.removeprefix(f"outlast_{token.id}_")
    with ledger.read() as connection:
        everything = [str(row) for table in metadata.sorted_tables for row in connection.execute(sa.select(table))]
    assert any(token.id in row for row in everything)
    assert not any(random in row for row in everything)


def test_a_token_ends_by_time_or_by_word(ledger: Ledger, noon) -> None:
    hour = timedelta(hours=1)
    token, _ = create(ledger, Wanted.of("ana", ["view"], expires_at=noon + hour, at=noon), by="ada", at=noon)
    assert [token.state(noon + age) for age in (timedelta(), hour - timedelta.resolution, hour)] == [
        "live",
        "live",
        "expired",
    ]
    gone = revoke(ledger, token.id, by="bob", at=noon)
    assert (gone.state(noon), gone.revoked_by, gone.revoked_at) == ("revoked", "bob", noon)
    assert revoke(ledger, token.id, by="eve", at=noon + hour) == gone
    assert tokens(ledger) == [gone]


def test_making_and_revoking_are_in_the_audit_trail(ledger: Ledger, noon) -> None:
    wanted = Wanted.of("ana", ["label", "predict"], ["late", "late"], at=noon)
    token, _ = create(ledger, wanted, by=Verified("ada", "t1"), at=noon)
    revoke(ledger, token.id, by="ada", at=noon)
    made, ended = audit.entries(ledger, object=f"token {token.id}")
    assert (made.action, made.actor, made.detail["identity"]) == ("create token", "ada", "token t1")
    assert (made.detail["roles"], made.detail["models"]) == (["predict", "label"], ["late"])
    assert (ended.action, ended.detail["name"]) == ("revoke token", "ana")
    assert audit.verify(ledger) is None


def test_a_token_reaches_its_models(ledger: Ledger, noon) -> None:
    some, _ = create(ledger, Wanted.of("ana", ["view"], ["late", "churn"], at=noon), by="ada", at=noon)
    every, _ = create(ledger, Wanted.of("bob", ["view"], [], at=noon), by="ada", at=noon)
    assert [some.covers(model) for model in ("late", "churn", "other", None)] == [True, True, False, False]
    assert every.covers("other")
    assert every.covers(None)


@pytest.mark.parametrize(
    ("name", "roles", "models", "said"),
    [
        ("", ["view"], [], "needs a name"),
        ("a\nb", ["view"], [], "needs a name"),
        ("x" * 101, ["view"], [], "needs a name"),
        ("ana", [], [], "has no role"),
        ("ana", ["predcit"], [], "did you mean 'predict'"),
        ("ana", ["view"], ["late@7"], "no version"),
        ("ana", ["view"], [""], "name of a model"),
    ],
)
def test_a_token_that_cannot_be_is_refused(noon, name: str, roles: list[str], models: list[str], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        Wanted.of(name, roles, models, at=noon)


def test_a_token_cannot_end_before_it_begins(noon) -> None:
    with pytest.raises(RequestError, match="would have expired"):
        Wanted.of("ana", ["view"], expires_at=noon, at=noon)


def test_an_unknown_id_is_not_said_again(ledger: Ledger, noon) -> None:
    with pytest.raises(NotFound, match="outlast token list") as error:
        revoke(ledger, "outlast_0a0a0a0a_mistyped", by="ada", at=noon)
    assert "mistyped" not in str(error.value)
