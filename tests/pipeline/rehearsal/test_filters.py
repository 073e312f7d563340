"""The filters of TFX's resolvers."""

from __future__ import annotations

from typing import Any

import pytest
from specs import kind

from common.errors import UserError
from pipeline.rehearsal.filters import Filter
from pipeline.rehearsal.store import Artifact


def artifact(name: str, title: str, **metadata: Any) -> Artifact:
    return Artifact(name=name, uri=f"gs://b/{name}", type=kind(title), metadata=metadata)


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
    assert blessing.name == "b/1"
    (model,) = Filter(NAMED).latest(STORED, {"input": [blessing]})
    assert model.name == "m/1"
    (latest,) = Filter('schema_title="tfx.Model" AND state=LIVE').latest(STORED, {})
    assert latest.name == "m/2"


def test_filters_find_nothing_where_there_is_nothing() -> None:
    assert Filter(BLESSED).latest(STORED[2:], {}) == []
    assert Filter(NAMED).latest(STORED, {"input": []}) == []


@pytest.mark.parametrize(
    "text",
    [
        'schema_title="tfx.Model" OR state=LIVE',
        "create_time_since_epoch>5",
        'contexts_a.name="x"',
        "name=\"{{$.inputs.parameters['x']}}\"",
        "metadata.blessed.bool_value=true",
        "state=DELETED",
    ],
)
def test_other_filters_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="which is not rehearsed"):
        Filter(text)
