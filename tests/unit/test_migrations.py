"""Records of older schemas load, those of newer ones are refused; the committed JSON Schema is the model's."""

import json
from pathlib import Path

import pytest
from samples import record

from bench import check, console, migrations
from bench.migrations import upgraded
from bench.record import json_schema, read
from tickets.errors import UserError

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
    monkeypatch.setitem(migrations.STEPS, 0, minutes_to_seconds)
    before = path.read_bytes()
    assert read(path) == found and path.read_bytes() == before


def test_one_that_no_step_leads_on_from_is_refused(older):
    with pytest.raises(UserError, match=r"is refused: its schema is 0, and this version reads 1; no step leads on"):
        read(older[0])


def test_steps_are_taken_in_their_order_and_none_for_the_newest():
    steps = {1: lambda old: {"way": [*old["way"], 1]}, 2: lambda old: {"way": [*old["way"], 2]}}
    assert upgraded({"schema": 1, "way": []}, 3, steps) == {"schema": 3, "way": [1, 2]}
    assert upgraded({"schema": 2, "way": []}, 3, steps) == {"schema": 3, "way": [2]}
    newest = {"schema": 3, "way": []}
    assert upgraded(newest, 3, steps) is newest


@pytest.mark.parametrize(
    ("number", "why"),
    [(2, "it needs the newer ticketbench that wrote it"), (True, "no record"), ("1", "no record"), (1.0, "no record")],
)
def test_a_future_schema_or_none_is_refused_in_one_sentence(tmp_path, number, why):
    path = record(id="one").write(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": number}))
    with pytest.raises(UserError, match=rf"one\.json is refused: its schema is .*, and this version reads 1; .*{why}"):
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
    assert schema["properties"]["schema"]["const"] == 1 and schema["additionalProperties"] is False
    assert data["job"].keys() == schema["$defs"]["Job"]["properties"].keys()
    assert schema["$defs"]["Job"]["properties"]["sparsity"] == {
        "exclusiveMaximum": 1, "minimum": 0, "title": "Sparsity", "type": "number",
    }  # fmt: skip
