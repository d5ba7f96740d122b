"""The typed files of a run: what they hold, what they refuse, and that they are written as they were read."""

import json
from math import inf, isnan

import pytest

from fesbench.core.contracts import GeneratorCard, MetricCard
from fesbench.core.errors import BenchError
from fesbench.metrics.registry import load_metric
from fesbench.runs.spec import BEFORE_UPSCALE, RunSpec
from fesbench.runs.store.records import (
    CalibrationRecord,
    Identities,
    MetricRecord,
    ModelRecord,
    NetworkRecord,
    RunRecord,
    check_recordable,
)


def reread(record: RunRecord) -> RunRecord:
    return RunRecord.parse(record.to_json(), "run.json")


@pytest.mark.parametrize(("name", "kind"), [("run.json", RunRecord), ("identities.json", Identities)])
def test_a_file_of_the_first_format_is_written_as_it_was_read(finished_run, name, kind):
    text = (finished_run / name).read_text(encoding="utf-8")
    assert kind.parse(text, name).to_json() == text


def test_every_field_of_a_finished_run_is_known(finished_run):
    text = (finished_run / "run.json").read_text(encoding="utf-8")
    record = RunRecord.parse(text, "run.json")
    assert record.model_fields_set == set(json.loads(text))
    assert record.spec == RunSpec(**json.loads(text)["spec"], upscale=BEFORE_UPSCALE)
    assert isinstance(record.models["copy"]["rendered"].card, GeneratorCard)
    assert record.networks["embedded-judge2"].metrics == ["ecs@embedded"]
    assert isnan(record.calibrations[0].value)


def test_missing_numbers_are_null_in_the_file():
    card = MetricCard("sharp@x", "-", "lower", -inf, inf, "-", "-", ("sharp@x",))
    entry = CalibrationRecord(
        dataset="d", domain="studio", metric="sharp@x", fit_to_rank=False, gaps={}, images=0, references=0,
        value=float("nan"), verdict="too few",
    )  # fmt: skip
    record = RunRecord.new().updated(metrics={card.id: MetricRecord.of(card)}, calibrations=[entry])
    content = json.loads(record.to_json())
    assert content["metrics"]["sharp@x"]["low"] is content["metrics"]["sharp@x"]["high"] is None
    assert content["calibrations"][0]["value"] is None
    again = reread(record)
    assert again.metrics["sharp@x"] == MetricRecord.of(card)
    assert isnan(again.calibrations[0].value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema_version": 99}, "schema_version: Input should be 1"),
        ({"schema_version": 1, "finding": []}, "finding: Extra inputs"),
        ({"schema_version": 1, "counts": {"asked": 1, "done": "1", "failed": 0}}, r"counts\.done"),
        ({"schema_version": 1, "code": {"commit": None, "dirty": None, "tag": "v1"}}, r"code\.tag"),
        ({"schema_version": 1, "models": {"a": {"d": {"block": "first", "card": {}}}}}, "block"),
        ([], "its content"),
    ],
)
def test_a_field_that_no_version_wrote_is_named(fields, message):
    with pytest.raises(BenchError, match=message) as caught:
        RunRecord.parse(json.dumps(fields), "runs/x/run.json")
    assert str(caught.value).startswith("runs/x/run.json was changed")
    assert "--out" in str(caught.value)


def test_a_torn_file_is_told_from_a_changed_one():
    with pytest.raises(BenchError, match=r"run\.json is damaged"):
        RunRecord.parse('{"schema_version": 1, "names', "run.json")


def test_only_what_was_set_is_written():
    record = RunRecord.new()
    assert record.is_new
    record = record.updated(status="partial", failed=2)
    assert not record.is_new
    assert json.loads(record.to_json()) == {"schema_version": 1, "status": "partial", "failed": 2}
    assert reread(record) == record
    assert not record.went_well


def test_models_come_in_the_order_in_which_they_were_asked_for():
    entry = {"d": ModelRecord(block="main", card=GeneratorCard("m", "M"))}
    record = RunRecord.new().updated(
        spec=RunSpec(models=("z", "./my.py:A", "b")),
        names={"z": "z", "./my.py:A": "a", "b": "b"},
        models={"a": entry, "b": entry, "older": entry, "z": entry, "elsewhere": {"e": entry["d"]}},
    )
    assert list(record.models_on("d")) == ["z", "a", "b", "older"]


def test_controls_are_known_by_what_was_asked_for_and_not_by_name():
    names = {"copy": "copy", "./my.py:Mine": "truth", "stargan": "stargan"}
    assert RunRecord.new().updated(names=names).controls == {"copy"}


def test_identities_grow_by_name():
    before = Identities(models={"a": {"file": "1"}, "b": {"file": "1"}}, networks={"n": {"weights": "1"}})
    after = before.updated(Identities(models={"b": {"file": "2"}}, metrics={"m": {}}))
    assert after.models == {"a": {"file": "1"}, "b": {"file": "2"}}
    assert (after.metrics, after.networks) == ({"m": {}}, before.networks)
    with pytest.raises(BenchError, match="weights"):
        Identities.parse('{"weights": {}}', "identities.json")


def test_the_record_of_a_network_is_its_card_with_the_metrics():
    record = NetworkRecord("net", "x", "0" * 64, "v1", 8, labels=("happy",), metrics=("ecs@x",))
    content = json.loads(RunRecord.new().updated(networks={"net": record}).to_json())["networks"]["net"]
    assert content["labels"] == ["happy"]
    assert content["metrics"] == ["ecs@x"]


@pytest.mark.parametrize("name", ["ecs@embedded", "fss@embedded", "kid@embedded", "fidelity"])
def test_the_columns_of_a_card_come_back_from_the_record(name):
    card = load_metric(name).card
    record = RunRecord.new().updated(metrics={name: MetricRecord.of(card)})
    content = json.loads(record.to_json())["metrics"][name]
    assert content["columns"] == list(card.column_names)
    again = reread(record).metrics[name]
    assert tuple(map(vars, again.described_columns)) == tuple(map(vars, card.described_columns))
    assert again.citations == card.citations


@pytest.mark.parametrize("fields", [{"title": None}, {"parameters": "12"}])
def test_a_card_that_could_not_be_read_back_is_refused(fields):
    card = GeneratorCard(**{"name": "mine", "title": "Mine"} | fields)
    with pytest.raises(BenchError, match=f"card of mine cannot be recorded: {next(iter(fields))}"):
        check_recordable(card)


def test_lists_in_a_card_are_as_good_as_tuples():
    check_recordable(GeneratorCard("mine", "Mine", choices=["a"], expressions=["happy"]))
