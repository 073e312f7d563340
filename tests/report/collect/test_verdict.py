"""Why a model is not blessed is told in an order of its own, whatever TFMA's."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_model_analysis.proto import validation_result_pb2

from models.features import SLICES
from report.collect.verdict import read_reasons, read_validation

FEATURE = SLICES[0]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_all_examples_come_first_then_the_worst_slice(tmp_path: Path, order: tuple[int, ...]):
    found = [("", 21.0), ("a", 40.0), ("b", 30.0)]
    result = validation_result_pb2.ValidationResult(validation_ok=False)
    for value, rmse in (found[place] for place in order):
        of_slice = result.metric_validations_per_slice.add()
        if value:
            of_slice.slice_key.single_slice_keys.add(column=FEATURE, bytes_value=value.encode())
        failure = of_slice.failures.add()
        failure.metric_value.double_value.value = rmse
        failure.metric_threshold.value_threshold.upper_bound.value = 20.0
    with tf.io.TFRecordWriter(str(tmp_path / "validations.tfrecord")) as file:
        file.write(result.SerializeToString())
    violations, unjudged = read_validation(str(tmp_path))
    assert [(v.feature, v.slice_value, v.value) for v in violations] == [
        ("", "", 21.0),
        (FEATURE, "a", 40.0),
        (FEATURE, "b", 30.0),
    ]
    assert unjudged == ()
    assert "RMSE is 21" in read_reasons(str(tmp_path))[0]
