"""What goes with a model: a typical row, and intervals that hold on births it has never seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import interpretation
from models.dataset import named_rows
from models.features import FEATURES, LABEL
from models.interpretation import Interpretation
from models.names import PREDICTION, SERVING
from models.request import check_request


@pytest.fixture(scope="module")
def found(trained) -> Interpretation:
    found = interpretation.read(trained.serving_model_dir)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def unseen(example_files, transform) -> dict[str, np.ndarray]:
    return named_rows([example_files["test"]], transform, 100_000)


def test_rows_are_read_as_a_caller_asks_for_them(unseen, births):
    for birth, *values in zip(births["test"], *unseen.values(), strict=True):
        for name, value in zip(unseen, values, strict=True):
            if isinstance(value, bytes):
                assert value.decode() == (birth[name] or "Unknown")
            else:
                assert value == pytest.approx(birth[name])


def test_intervals_hold_on_births_that_the_model_has_not_seen(found, model, unseen):
    columns = {feature.name: unseen[feature.name] for feature in FEATURES}
    predictions = model.signatures[SERVING](**columns)[PREDICTION].numpy()
    around = found.intervals.around(predictions, columns)
    for level, ends in around.items():
        low, high = ends.T
        held = np.mean((low <= unseen[LABEL.name]) & (unseen[LABEL.name] <= high))
        assert held == pytest.approx(level / 100, abs=0.04)  # Of some 900 births.


def test_the_reference_is_a_typical_birth(found):
    reference = found.reference_row()
    assert check_request(reference) == reference
    assert reference["plurality"] == "Single(1)"
    assert 38 <= reference["gestation_weeks"] <= 40


def test_a_model_that_was_written_without_is_read_as_such(tmp_path):
    assert interpretation.read(str(tmp_path)) is None


def test_a_file_that_is_cut_is_told(trained, tmp_path):
    file = Path(trained.serving_model_dir, interpretation.FILE)
    cut = tmp_path / interpretation.FILE
    cut.parent.mkdir()
    cut.write_text(file.read_text()[:100])
    with pytest.raises(ValueError, match="JSON"):
        interpretation.read(str(tmp_path))
