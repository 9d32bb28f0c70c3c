"""A model card: from what is kept, whole also where little is, and text of people's own stays text."""

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from outlast.errors import StorageError
from outlast.evidence.card.markdown import escaped, markdown, paragraph
from outlast.evidence.card.page import page
from outlast.evidence.card.parts import Card, Facts, Grid, Say, Section
from outlast.evidence.card.saving import save
from outlast.evidence.card.writing import card
from outlast.gates.promote import promote
from outlast.project.workspace import Workspace
from outlast.registry.versions import Version, find
from outlast.types import ModelRef, now

NASTY = '<script>alert("x")</script> | [a](javascript:b) `c` **d** &lt; \n# e'


class Read(HTMLParser):
    """The tags and the text of a page, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def version(workspace: Workspace) -> Version:
    return find(workspace.ledger, ModelRef("late-orders"))


def nasty() -> Card:
    parts = (Say(NASTY), Say(NASTY, quiet=True), Facts(((NASTY, NASTY),)), Grid((NASTY, "b"), ((NASTY, "1,234"),)))
    return Card(NASTY, 1, "d" * 64, now(), NASTY, NASTY, (Section(NASTY, parts, ("slices",)),))


def test_a_card_says_what_is_kept(known: Workspace) -> None:
    promote(known, ModelRef("late-orders", 1), by="bob", reason="it is better than nothing", now=now())
    said = markdown(card(known, version(known), now=now()))
    metric = version(known).summary["metrics"]["roc_auc"]
    for words in (
        "Which orders will arrive late?",
        "orders@example.com",
        "RUNBOOK.md",
        "| call | 10 | -4 |",
        f"{metric['value']:.4g} ({metric['low']:.4g} to {metric['high']:.4g})",
        "data/deliveries.csv",
        "deliveries by shop",
        "full → default → refuse",
        "it is better than nothing",
        version(known).digest,
        version(known).summary["snapshot"],
        "outlast reproduce late-orders@1",
        "**State**: live",
    ):
        assert words in said, words
    titles = re.findall(r"^## (.+)$", said, flags=re.MULTILINE)
    assert len(titles) == len(set(titles)) == 11


def test_a_version_nobody_judged_has_empty_states(known: Workspace) -> None:
    said = markdown(card(known, version(known), now=now()))
    for words in (
        "It was never judged: outlast gate late-orders@1",
        "Nobody approved",
        "It was never live",
        "not live",
    ):
        assert words in said


def test_a_version_of_an_earlier_release_has_a_card(known: Workspace) -> None:
    """Nothing that came later is taken for granted."""
    kept = version(known)
    summary = {name: kept.summary[name] for name in ("contract", "metrics", "features", "value", "snapshot")}
    said = markdown(card(known, replace(kept, summary=summary, lineage={"seed": 0}), now=now()))
    assert "No source was noted." in said


def test_an_adopted_version_says_what_is_missing(known: Workspace) -> None:
    kept = version(known)
    adopted = {"from": "model.joblib", "absent": ["training data"]}
    said = markdown(card(known, replace(kept, summary={**kept.summary, "adopted": adopted}), now=now()))
    assert "It was trained elsewhere and adopted from model.joblib." in said
    assert "Evidence that is missing: training data." in said


def test_the_page_needs_nothing_else_and_is_whole(known: Workspace) -> None:
    read = Read(page(card(known, version(known), now=now())))
    assert read.open == []
    assert not {"script", "link", "iframe", "img"} & set(read.tags)
    assert all(address.startswith("#") for address in read.addresses)
    assert "Which orders will arrive late?" in read.text
    assert read.tags.count("h1") == 1
    assert read.tags.count("h2") == 11


def test_text_of_people_s_own_is_no_html() -> None:
    read = Read(page(nasty(), {"slices": "<svg><title>drawn</title></svg>"}))
    assert read.open == []
    assert not {"script", "a b", "em"} & set(read.tags)
    assert read.text.count('<script>alert("x")</script>') >= 6
    assert "svg" in read.tags


def test_text_of_people_s_own_is_no_markdown() -> None:
    said = markdown(nasty())
    assert not re.search(r"(?<!\\)[<\[`]", said.replace("`dddddddddddddddd`", ""))
    assert len(re.findall(r"^# ", said, flags=re.MULTILINE)) == 1
    for line in said.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [("- a", r"\- a"), ("1) a", r"1\) a"), ("-4 a", "-4 a"), ("===", r"\==="), ("a\n\n# b", "a # b"), ("", "")],
)
def test_a_paragraph_is_no_list_or_heading(text: str, expected: str) -> None:
    assert paragraph(text) == expected


def test_programs_are_told_of_which_kind_a_part_is() -> None:
    (section,) = nasty().plain()["sections"]
    assert [part["kind"] for part in section["parts"]] == ["say", "say", "facts", "grid"]


def test_backslashes_are_spelled_out() -> None:
    assert escaped("a\\*b") == r"a\\\*b"


def test_a_card_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    save(tmp_path / "c.md", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["c.md"]
    with pytest.raises(StorageError, match=r"Could not write the card .*c\.md"):
        save(tmp_path / "absent" / "c.md", "whole")


def test_a_runbook_and_owner_that_changed_later_are_today_s(known: Workspace) -> None:
    from outlast.project.contract import Contract
    from outlast.registry.contracts import apply

    contract = Contract.model_validate(version(known).summary["contract"])
    other = contract.model_copy(update={"model": contract.model.model_copy(update={"owner": "new@example.com"})})
    apply(known.ledger, "late-orders", other, by="ada", at=now() + timedelta(seconds=1))
    assert "new@example.com" in markdown(card(known, version(known), now=now()))
