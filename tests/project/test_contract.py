"""The contract: every fault names file and key, what was expected and an example; live and frozen parts are apart."""

from pathlib import Path

import pytest

from outlast.errors import ContractError
from outlast.project.contract import Contract, parse_contract, read_contract

FAULTS = [
    ("[modle]", "outlast.toml: unknown section 'modle': did you mean 'model'?"),
    ("[model]\nonwer = 'x'", "outlast.toml: unknown key 'model.onwer': did you mean 'owner'?"),
    ("[model]\ntask = 'foo'", "'model.task' is 'foo': expected 'binary', 'multiclass' or 'regression'."),
    ("[label]\ndelay = '5 minutes'", 'Example: delay = "6h"'),
    ("[gate.floors]\nroc = 1", "unknown key 'gate.floors.roc': did you mean 'roc_auc'?"),
    ("[data.flights]\nrange = 1", "unknown key 'data.flights.range': did you mean 'ranges'?"),
    ("[serving]\nunsure = [0.5]", "'serving.unsure' is [0.5]: expected 2 entries at least."),
    ("[model]\nowner = 7", "'model.owner' is 7: expected text."),
    ("[training]\nholdout = 2", "'training.holdout' is 2: expected less than 1. Example: holdout = 0.2"),
    ("[serving]\nladder = ['ful']", "'full', 'simpler', 'default' or 'refuse'"),
    ("[serving]\nunsure = [0.6, 0.4]", "expected the lower score first"),
    ("[serving]\nqueue = ['unsure']", "what is unsure is not said: add [serving] unsure"),
    ("[serving]\nmissing = 'default'", "leads to 'default', which [serving] ladder does not name"),
    ("[serving.fields.wind]\nmissing = 'simpler'", "leads to 'simpler', which [serving] ladder does not name"),
    ("[serving.fields.wind]\nmissing = 'simpel'", "'serving.fields.wind.missing' is 'simpel': expected warn, null,"),
    ("[serving.fields.wind]\nmising = 'warn'", "unknown key 'serving.fields.wind.mising': did you mean 'missing'?"),
    ("[serving.fields.wind]\nmissing = { use = [1] }", "or { use = VALUE }"),
    ("[serving]\nstale = { weather = { age = '6h', then = 'null' } }", "then is 'null': expected warn, simpler"),
    ("[serving]\nstale = { weather = 6 }", "expected a length of time"),
    ("[monitoring]\ncadence = 3", "'monitoring.cadence' is 3"),
    ("[monitoring]\ncadence = '0s'", "'monitoring.cadence' is '0s': expected 1m or more. Example: cadence = \"1h\""),
    ("[monitoring]\ncadence = '59s'", "expected 1m or more"),
    ("[monitoring]\ndigest = '0d'", "'monitoring.digest' is '0d': expected more than no time at all."),
    ("[monitoring]\nescalate = { after = '0h' }", "'monitoring.escalate.after' is '0h': expected more than no time"),
    ("[monitoring]\nfresh = { weather = '0h' }", "'weather': expected more than no time at all."),
    ("[retraining]\nschedule = '0d'", "expected more than no time at all. Example: schedule = "),
    ("[retraining]\ncooldown = '0d'", "expected more than no time at all. Example: cooldown = "),
    ("[retraining]\nage = '0d'", "expected more than no time at all. Example: age = "),
    ("[retraining.window]\nuse = 'recent'\nlength = '0d'", "expected more than no time at all. Example: length = "),
    ("[journal]\nkeep = '0d'", "expected more than no time at all. Example: keep = "),
    ("[monitoring]\nquiet = ['night']", "'night' is not two times of day in UTC, such as 22:00-07:00. Example: quiet"),
    ("[monitoring]\nquiet = ['25:00-07:00']", "'25:00-07:00' is not two times of day in UTC"),
    ("[monitoring]\nquiet = ['07:00-07:00']", "'07:00-07:00' ends when it begins: say two times that differ."),
    ("[model", "outlast.toml is not valid TOML"),
]


@pytest.mark.parametrize(("text", "says"), FAULTS)
def test_a_fault_is_one_sentence_with_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_contract(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_time_at_all_is_a_length_where_it_means_at_once() -> None:
    said = "[label]\ndelay = '0s'\nmaturity = '0s'\n[serving]\ncache = '0s'\n[retraining]\nshadow = '0s'"
    assert parse_contract(said).label.delay == "0s"


def test_what_an_earlier_release_took_is_still_read_where_it_is_kept() -> None:
    kept = {"monitoring": {"cadence": "0s", "quiet": ["night"], "fresh": {"weather": "0s"}}}
    assert Contract.model_validate(kept).with_live({"monitoring": kept["monitoring"]}).monitoring.quiet == ["night"]


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ContractError) as caught:
        parse_contract("[model]\nonwer = 'x'\ntask = 'y'")
    assert len(str(caught.value).splitlines()) == 2


def test_an_empty_contract_is_one_that_promises_nothing() -> None:
    assert parse_contract("") == Contract()


def test_live_and_frozen_parts_are_apart_and_together_make_the_contract() -> None:
    text = (
        "[model]\nowner = 'a'\ntask = 'binary'\n[value.payoff]\nact = {yes = 1, no = -1}\n[monitoring]\ncadence = '2h'"
    )
    contract = parse_contract(text)
    live, frozen = contract.live(), contract.frozen()
    assert live["model"] == {"owner": "a", "runbook": "RUNBOOK.md"}
    assert set(live) == {"model", "value", "monitoring", "gate", "retraining", "scoring", "journal"}
    assert list(live["value"]) == ["groups"]
    assert "owner" not in frozen["model"]
    assert frozen["model"]["task"] == "binary"
    assert Contract.model_validate(frozen).with_live(live) == contract


def test_a_new_owner_needs_no_new_version() -> None:
    before, after = parse_contract("[model]\nowner = 'a'"), parse_contract("[model]\nowner = 'b'")
    assert before.frozen() == after.frozen()
    assert before.with_live(after.live()).model.owner == "b"


def test_a_missing_contract_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="outlast init"):
        read_contract(tmp_path)
