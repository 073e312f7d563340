"""The small languages of a spec: placeholders, filters, conditions, and names of buckets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from specs import kind

from common.errors import UserError
from pipeline.rehearsal import placeholders
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.conditions import Condition
from pipeline.rehearsal.filters import Filter

TOLD = {
    "inputs": {
        "artifacts": {
            "model": {
                "artifacts": [{"uri": "gs://b/model", "name": "models/1", "metadata": {"k": 2.0}}]
            }
        },
        "parameterValues": {"steps": 60.0, "rate": 0.5, "word": "a 'b'", "on": True},
    },
    "outputs": {
        "artifacts": {"out": {"artifacts": [{"uri": "gs://b/out"}]}},
        "parameters": {"p": {"outputFile": "gs://b/p"}},
    },
}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("{{$}}", json.dumps(TOLD)),
        ("--in={{$.inputs.artifacts['model'].uri}}", "--in=gs://b/model"),
        ("{{$.inputs.artifacts['model'].metadata['k']}}", "2"),
        ("{{$.inputs.parameters['steps']}} {{$.inputs.parameters['rate']}}", "60 0.5"),
        ("{{$.inputs.parameters['word']}}", "a 'b'"),
        ("{{$.inputs.parameters['on']}}", "true"),
        ("{{$.outputs.artifacts['out'].path}}", "gs://b/out"),
        ("{{$.outputs.parameters['p'].output_file}}", "gs://b/p"),
        ("{{$.pipeline_task_name}}", "Trainer"),
        ("{plain} {{text}} $", "{plain} {{text}} $"),
    ],
)
def test_placeholders_become_what_they_name(text: str, becomes: str) -> None:
    placeholders.check([text], "It")
    assert placeholders.substitute(text, TOLD, {"pipeline_task_name": "Trainer"}) == becomes


@pytest.mark.parametrize(
    "text", ["{{$.inputs.artifacts['model'].value}}", "{{$.json_escape[1]}}", "{{$.inputs}}"]
)
def test_other_placeholders_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="It has the placeholder"):
        placeholders.check([text], "It")


def test_placeholders_for_what_is_not_there_are_told() -> None:
    with pytest.raises(UserError, match="the task has not"):
        placeholders.substitute("{{$.inputs.artifacts['none'].uri}}", TOLD, {})


def artifact(name: str, title: str, **metadata: Any) -> dict[str, Any]:
    return {"name": name, "uri": f"gs://b/{name}", "type": kind(title), "metadata": metadata}


STORED = [
    artifact("m/1", "tfx.Model"),
    artifact("b/1", "tfx.ModelBlessing", blessed=1.0, current_model_id="m/1"),
    artifact("m/2", "tfx.Model"),
    artifact("b/2", "tfx.ModelBlessing", blessed=0.0, current_model_id="m/2"),
]
BLESSED = 'schema_title="tfx.ModelBlessing" AND state=LIVE AND metadata.blessed.number_value=1'
NAMED = (
    'schema_title="tfx.Model" AND state=LIVE AND '
    "name=\"{{$.inputs.artifacts['input'].metadata['current_model_id']}}\""
)


def test_filters_find_the_latest_that_matches() -> None:
    (blessing,) = Filter(BLESSED).latest(STORED, {})
    assert blessing["name"] == "b/1"
    (model,) = Filter(NAMED).latest(STORED, {"input": [blessing]})
    assert model["name"] == "m/1"
    (latest,) = Filter('schema_title="tfx.Model" AND state=LIVE').latest(STORED, {})
    assert latest["name"] == "m/2"


def test_filters_find_nothing_where_there_is_nothing() -> None:
    assert Filter(BLESSED).latest(STORED[2:], {}) == []
    assert Filter(NAMED).latest(STORED, {"input": []}) == []
    assert Filter('state=LIVE AND metadata.word.string_value="x"').latest(STORED, {}) == []
    assert Filter("state=DELETED").latest(STORED, {}) == []


@pytest.mark.parametrize(
    "text",
    [
        'schema_title="tfx.Model" OR state=LIVE',
        "create_time_since_epoch>5",
        'contexts_a.name="x"',
        "name=\"{{$.inputs.parameters['x']}}\"",
        "metadata.blessed.bool_value=true",
    ],
)
def test_other_filters_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="which is not rehearsed"):
        Filter(text)


def holds(text: str, **metadata: Any) -> bool:
    return Condition(text).holds({"a": [artifact("x", "tfx.Model", **metadata)]}, {"p": 3.0})


X = "inputs.artifacts['a'].artifacts[0].metadata['x']"


@pytest.mark.parametrize(
    ("text", "x", "true"),
    [
        (f"({X} > 1.0)", 2.0, True),
        (f"({X} > 1.0)", 1.0, False),
        (f"({X} == 'a && !b')", "a && !b", True),
        (f"!(({X} == 1.0))", 2.0, True),
        (f"!(({X} == 1.0)) && ({X} < 3.0)", 5.0, False),
        (f"({X} != 1.0)", 2.0, True),
        (f"(({X} < 1.0) || (inputs.parameters.values['p'] == 3.0))", 2.0, True),
        ("(inputs.artifacts['a'].artifacts[0].uri == ('gs://b/' + 'x'))", 0.0, True),
    ],
)
def test_conditions_hold(text: str, x: object, true: bool) -> None:
    assert holds(text, x=x) is true


@pytest.mark.parametrize("text", [f"({X} == 'text')", f"{X}", f"!{X}", "1.0 < 'a'"])
def test_conditions_that_cel_cannot_decide_are_told(text: str) -> None:
    with pytest.raises(UserError, match="can't be decided"):
        holds(text, x=1.0)


def test_conditions_on_what_an_artifact_has_not_are_told() -> None:
    with pytest.raises(UserError, match=r"can't be decided \(KeyError: 'x'\)"):
        holds(f"({X} > 1.0)")


@pytest.mark.parametrize(
    "text", ["size(inputs)", "x > 1.0", "1 < 2 < 3", "[1, 2]", "a ? b : c", "__import__('os')"]
)
def test_other_conditions_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="which is not rehearsed"):
        Condition(text)


def test_names_of_buckets_go_in_and_come_back(tmp_path: Path) -> None:
    buckets = Buckets(tmp_path / "a b")
    there = json.dumps({"inner": json.dumps({"uri": "gs://my-bucket.x/dir", "n": "gs://other"})})
    here = buckets.local(there)
    assert "gs://" not in here
    inner = json.loads(json.loads(here)["inner"])
    assert inner["uri"] == str(tmp_path / "a b" / "my-bucket.x" / "dir")
    assert buckets.remote(here) == there
    assert buckets.remote_json(json.loads(here)) == json.loads(there)
    assert buckets.local("gs:// and gs://*") == "gs:// and gs://*"


def test_a_folder_that_json_would_change_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="quote or backslash"):
        Buckets(tmp_path / 'a"b')
