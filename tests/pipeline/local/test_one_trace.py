"""Looking at a `preprocessing_fn` once finds what looking at it anew each time does."""

# TensorFlow carries no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.beam import analysis_graph_builder, analyzer_cache

from pipeline.local.one_trace import one_trace

SPECS = {
    name: tf.TensorSpec([None, 1], kind)
    for name, kind in (("fare", tf.float32), ("miles", tf.float32), ("tip", tf.float32))
}


class Preprocessing:
    """A `preprocessing_fn` that counts how often it is traced."""

    def __init__(self, *, scaled: str) -> None:
        self.scaled = scaled
        self.traces = 0

    def __call__(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        self.traces += 1
        return {"scaled": tft.scale_to_z_score(inputs[self.scaled]), "miles": inputs["miles"]}


def found(way: AbstractContextManager[None], preprocessing_fn: Preprocessing) -> list:
    """What TFX's Transform asks before a row is seen."""
    with way:
        analyzed = tft.get_analyze_input_columns(preprocessing_fn, SPECS)
        again = tft.get_analyze_input_columns(preprocessing_fn, SPECS)
        transformed = tft.get_transform_input_columns(preprocessing_fn, SPECS)
        keys = analysis_graph_builder.get_analysis_cache_entry_keys(
            preprocessing_fn, SPECS, [analyzer_cache.DatasetKey("train")], False
        )
    return [analyzed, again, sorted(transformed), sorted(keys)]


def test_all_who_look_see_the_same_graph():
    stock, once = (Preprocessing(scaled="fare") for _ in range(2))
    expected = found(contextlib.nullcontext(), stock)
    assert found(one_trace(), once) == expected
    assert expected[:3] == [["fare"], ["fare"], ["fare", "miles"]]
    assert stock.traces == 4
    assert once.traces == 1


def test_another_function_or_other_columns_are_traced_anew():
    fare, tip = Preprocessing(scaled="fare"), Preprocessing(scaled="tip")
    with one_trace():
        assert tft.get_analyze_input_columns(fare, SPECS) == ["fare"]
        assert tft.get_analyze_input_columns(tip, SPECS) == ["tip"]
        fewer = {name: SPECS[name] for name in ("fare", "miles")}
        assert tft.get_analyze_input_columns(fare, fewer) == ["fare"]
        with pytest.raises(KeyError):
            tft.get_analyze_input_columns(tip, fewer)
    assert (fare.traces, tip.traces) == (2, 2)
