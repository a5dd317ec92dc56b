"""Records of older schemas load, those of newer ones are refused; the committed JSON Schema is the model's."""

import json
from pathlib import Path

import pytest
import samples
from samples import record

from bench import check
from bench.command import console
from bench.records import migrations
from bench.records.migrations import upgraded
from bench.records.record import Record, json_schema, read
from tickets.errors import UserError

BFLOAT16 = {"scale": "tiny", "host": "supernet/tiny", "budget": 1.0, "threads": 1,
            "precision": "bfloat16", "device": "cuda"}  # fmt: skip
SCHEMA = Path(__file__).parents[2] / "results" / "record.schema.json"


def minutes_to_seconds(old):
    """A made-up step: schema 0 told minutes."""
    costs = {**old["costs"], "wall_s": 60 * old["costs"]["minutes"]}
    del costs["minutes"]
    return {**old, "costs": costs}


@pytest.fixture
def older(tmp_path):
    """The file of a record of a made-up schema 0."""
    found = record(wall_s=90.0)
    data = json.loads(found.to_json())
    data["costs"]["minutes"] = data["costs"].pop("wall_s") / 60
    path = tmp_path / f"{found.id}.json"
    path.write_text(json.dumps({**data, "schema": 0}))
    return path, found


def test_a_record_of_an_older_schema_loads_as_one_of_this(older, monkeypatch):
    path, found = older
    monkeypatch.setattr(migrations, "STEPS", {0: minutes_to_seconds, 1: dict, 2: dict})
    monkeypatch.setattr(migrations.upgraded, "__defaults__", (migrations.STEPS,))
    before = path.read_bytes()
    assert read(path) == found and path.read_bytes() == before


def test_one_that_no_step_leads_on_from_is_refused(older):
    with pytest.raises(UserError, match=r"is refused: its schema is 0, and this version reads 3; no step leads on"):
        read(older[0])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, {}),
        ({"target": None, "threads": 2}, {"threads": 2}),
        ({"host": "timm/resnet18", "budget": 0.5, "equal": "macs"}, {"host": "timm/resnet18", "equal": "macs"}),
        ({"score": None, "costs": None, "ticket": None, "deployed": None, "counts": {}}, {}),
        ({"setting": BFLOAT16, "device": "NVIDIA H100 80GB HBM3 (Linux x86_64)"}, BFLOAT16),
        ({"transform": "random", "control": "random", "kind": "control"}, {}),
    ],
)
def test_a_record_of_schema_1_has_its_setting_apart(tmp_path, changes, told):
    found = record(id="one", **changes)
    data = samples.older(found)
    (tmp_path / "one.json").write_text(json.dumps(data))
    again = read(tmp_path / "one.json")
    assert again == found.model_copy(update={"config": data["config"]})
    assert {name: getattr(again.setting, name) for name in told} == told


def test_what_schema_1_did_not_say_is_float32_on_the_kind_of_its_device_and_a_transform_was_a_control():
    data = samples.older(record(transform="random", control="random"))
    del data["config"]["settings"], data["job"]["control"], data["job"]["equal"]
    found = Record.model_validate(upgraded({**data, "device": "NVIDIA A100"}, 3))
    assert (found.setting.compute, found.setting.equal, found.job.control) == ("cuda", "steps", "random")


def test_what_schema_2_draws_again_is_drawn_by_the_kernels_that_there_were():
    command = "python -m bench.run --source cls --target none"
    assert upgraded({"schema": 2, "redraw": command}, 3)["redraw"] == f"{command} --kernels torch"
    assert upgraded({"schema": 2, "redraw": None}, 3) == {"schema": 3, "redraw": None}


@pytest.mark.parametrize(
    ("part", "key", "why"),
    [
        ("job", "scale", "'setting': must tell scale"),
        (None, "threads", "'setting': must tell threads"),
        (None, "device", "'setting': must tell device"),
        (None, "job", "the key 'job' is missing"),
    ],
)
def test_what_schema_1_wanted_is_wanted_still(tmp_path, part, key, why):
    data = samples.older(record(id="one"))
    del (data[part] if part else data)[key]
    (tmp_path / "one.json").write_text(json.dumps(data))
    with pytest.raises(UserError, match=why):
        read(tmp_path / "one.json")


def test_every_published_record_loads_as_what_it_says():
    for path in sorted(SCHEMA.with_name("records").glob("*.json"))[::20]:
        data, found = json.loads(path.read_text()), read(path)
        kept = samples.older(found) if data["schema"] == 1 else json.loads(found.to_json())
        assert kept == {**data, "config": kept["config"]}


def test_steps_are_taken_in_their_order_and_none_for_the_newest():
    steps = {1: lambda old: {"way": [*old["way"], 1]}, 2: lambda old: {"way": [*old["way"], 2]}}
    assert upgraded({"schema": 1, "way": []}, 3, steps) == {"schema": 3, "way": [1, 2]}
    assert upgraded({"schema": 2, "way": []}, 3, steps) == {"schema": 3, "way": [2]}
    newest = {"schema": 3, "way": []}
    assert upgraded(newest, 3, steps) is newest


@pytest.mark.parametrize(
    ("number", "why"),
    [(4, "it needs the newer ticketbench that wrote it"), (True, "no record"), ("1", "no record"), (1.0, "no record")],
)
def test_a_future_schema_or_none_is_refused_in_one_sentence(tmp_path, number, why):
    path = record(id="one").write(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": number}))
    with pytest.raises(UserError, match=rf"one\.json is refused: its schema is .*, and this version reads 3; .*{why}"):
        read(path)


def test_the_committed_json_schema_is_what_the_model_gives(capsys):
    assert SCHEMA.read_text() == json_schema(), "run python -m bench.check schema > results/record.schema.json"
    with pytest.raises(SystemExit) as left:
        console.main(check.app, "check", ["schema"])
    assert left.value.code == 0 and capsys.readouterr().out == json_schema()


def test_the_json_schema_knows_every_key_of_a_record_and_wants_its_number():
    schema = json.loads(json_schema())
    data = json.loads(record().to_json())
    assert data.keys() == schema["properties"].keys() and "schema" in schema["required"]
    assert schema["properties"]["schema"]["const"] == 3 and schema["additionalProperties"] is False
    assert data["job"].keys() == schema["$defs"]["Job"]["properties"].keys()
    assert schema["$defs"]["Job"]["properties"]["sparsity"] == {
        "exclusiveMaximum": 1, "minimum": 0, "title": "Sparsity", "type": "number",
    }  # fmt: skip
