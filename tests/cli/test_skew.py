"""`outlast skew`: what was served, computed again."""

from pathlib import Path

import pytest


def test_skew_computes_scored_answers_again(run, folder: Path) -> None:
    run("promote")
    assert run("skew", "--json").json["served"] == 0
    rows = (folder / "data" / "orders.csv").read_text().splitlines()[-6:]
    header = (folder / "data" / "orders.csv").read_text().splitlines()[0]
    (folder / "asked.csv").write_text("\n".join([header, *rows]) + "\n")
    assert run("score", "late-orders", "asked.csv", "answers.csv", "--record").code == 0
    done = run("skew", "--since", "2020-01-01", "--json")
    assert (done.json["served"], done.json["looked_at"]) == (6, 6)
    assert {one["differ"] for one in done.json["columns"]} == {0}
    assert "6 of 6 answers computed again, 0 values differ" in run("skew").out
    assert run("skew", "--until", "2020-01-01", "--json").json["served"] == 0


def test_monitor_says_what_the_tick_found(run, folder: Path) -> None:
    run("promote")
    rows = (folder / "data" / "orders.csv").read_text().splitlines()
    (folder / "asked.csv").write_text("\n".join([rows[0], *rows[-6:]]) + "\n")
    run("score", "late-orders", "asked.csv", "answers.csv", "--record")
    assert run("monitor", "--json").json["audits"] == []
    done = [one for one in run("tick", "--json").json if one["job"] == "skew"]
    assert [(one["did"], one["failed"]) for one in done] == [(True, False)]
    found = run("monitor", "--json").json["audits"]
    assert sum(day["looked_at"] for day in found) == 6
    assert {(len(day["columns"]), day["features"] > 0) for day in found} == {(0, True)}
    newest = found[-1]
    said = f"{newest['looked_at']} of {newest['answers']} answers of {newest['day'][:10]} computed again: all equal"
    assert f"served features {said}" in " ".join(run("monitor").out.split()).replace("1 answers", "1 answer")


def test_a_moment_that_is_none_is_told(run, folder: Path) -> None:
    wrong = run("skew", "--since", "yesterday")
    assert wrong.code == 2
    assert "'yesterday' is no moment: write one such as 2013-07-01" in wrong.err


def test_a_period_that_ends_before_it_begins_is_refused(run, folder: Path) -> None:
    wrong = run("skew", "--since", "2025-06-01", "--until", "2025-05-01")
    assert wrong.code == 2
    assert "Nothing lies between --since 2025-06-01 and --until 2025-05-01: give a later --until" in wrong.err


def test_feeds_say_how_new_each_source_is_once_a_tick_has_looked(run, folder: Path) -> None:
    before = run("feeds")
    assert "Nothing was looked at yet: `outlast tick` looks" in before.out
    assert run("tick").code == 0
    found = {one["source"]: one for one in run("feeds", "--json").json}
    assert {one["looked_at"] is not None for one in found.values()} == {True}
    assert {one["limit"] for one in found.values()} == {None}  # files that never move are no feeds
    contract = folder / "outlast.toml"
    name = next(iter(found))
    text = contract.read_text()
    assert "[monitoring]\n" in text
    contract.write_text(text.replace("[monitoring]\n", f'[monitoring]\nfresh = {{ {name} = "1h" }}\n'))
    assert run("apply").code == 0
    assert f"{name} has nothing newer than" in run("feeds").out


@pytest.mark.parametrize("how", ["column", "gone"])
def test_feeds_say_what_was_wrong_with_a_source_at_the_last_look(run, folder: Path, how: str) -> None:
    file = folder / "data" / "deliveries.csv"
    assert run("tick").code == 0
    text = file.read_text()
    if how == "gone":
        file.unlink()
    else:
        file.write_text(text.replace("days_late", "late_by", 1))
    assert run("tick").code == 0
    found = {one["source"]: one["findings"] for one in run("feeds", "--json").json}
    (said,) = found.pop("deliveries")
    assert ("'days_late' is gone" if how == "column" else "is missing") in said
    assert said in " ".join(run("feeds").out.split())
    assert set(map(tuple, found.values())) == {()}
    file.write_text(text)
    assert run("tick").code == 0
    assert {tuple(one["findings"]) for one in run("feeds", "--json").json} == {()}
