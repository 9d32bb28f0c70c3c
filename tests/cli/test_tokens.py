"""token create, list and revoke."""

import re

import pytest


def test_a_secret_is_shown_once_and_a_revoked_token_stays_in_the_list(run, folder) -> None:
    made = run("token", "create", "shop", "--role", "predict", "-r", "label", "--model", "late-orders")
    assert made.code == 0
    (secret,) = re.findall(r"^outlast_[0-9a-f]{8}_[\w-]{43}$", made.out, flags=re.MULTILINE)
    assert "for shop (predict, label; for late-orders), until it is revoked" in made.out
    listed = run("token", "list")
    assert secret.rpartition("_")[2] not in listed.out
    (one,) = run("token", "list", "--json").json
    assert (one["name"], one["roles"], one["models"], one["state"], one["created_by"]) == (
        *("shop", ["predict", "label"], ["late-orders"], "live", "ada"),
    )
    assert "digest" not in one
    gone = run("token", "revoke", one["id"])
    assert (gone.code, gone.out) == (
        0,
        f"Token {one['id']} of shop is taken no longer; servers that run know within a second\n",
    )
    assert run("token", "list", "--json").json[0]["state"] == "revoked"


def test_a_token_can_end_by_itself(run, folder) -> None:
    made = run("token", "create", "shop", "--role", "view", "--expires", "90d", "--json").json
    assert made["token"]["expires_at"] > made["token"]["created_at"]
    assert made["secret"].startswith(f"outlast_{made['token']['id']}_")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "shop"), "known: predict"),
        (("create", "shop", "--role", "aprove"), "did you mean 'approve'"),
        (("create", "shop", "--role", "view", "--expires", "soon"), "'soon' is not a length of time"),
        (("create", "shop", "--role", "view", "--expires", "0d"), "would have expired"),
        (("revoke", "deadbeef"), "outlast token list"),
    ],
)
def test_what_cannot_be_is_one_sentence(run, folder, words: tuple[str, ...], said: str) -> None:
    done = run("token", *words)
    assert done.code != 0
    assert (said in done.err, done.err.count("\n"), done.out) == (True, 1, "")


def test_without_tokens_the_list_says_how_to_make_one(run, folder) -> None:
    assert run("token", "list").out.startswith("Nobody holds a token: make one with")


def test_a_token_for_a_model_that_is_not_there_says_so(run, folder) -> None:
    made = run("token", "create", "shop", "--role", "predict", "--model", "late-order")
    assert made.code == 0
    assert "There is no model 'late-order' yet: did you mean 'late-orders'?" in made.out
    assert "There is no model" not in run("token", "create", "shop", "-r", "predict", "-M", "late-orders").out
