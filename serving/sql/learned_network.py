"""The weights of a pushed model's network, by what they belong to in `models/model.py`."""

# Keras carries no types.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tf_keras as keras

from models import features as declared
from models.feature_kinds import categories, numbers
from models.model import input_sizes
from models.transform import z_score_name


@dataclass(frozen=True)
class Dense:
    """A dense layer: `kernel` is `[inputs, units]`, `bias` `[units]`."""

    kernel: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Network:
    """The weights.

    Attributes:
        mean: Where predictions start, in the label's unit.
        scale: What 1 from either half means, in the label's unit.
        wide: By sparse input, a weight for each of its values.
        wide_numbers: By z-score, its weight, where there is no sparse input.
        wide_bias: What is added to these.
        embeddings: By category, `[words, width]`.
        hidden: The layers with a rectified output, the first one first.
        output: The last one, of one unit.
    """

    mean: float
    scale: float
    wide: Mapping[str, np.ndarray]
    wide_numbers: Mapping[str, float]
    wide_bias: float
    embeddings: Mapping[str, np.ndarray]
    hidden: tuple[Dense, ...]
    output: Dense


class _Vocabularies:
    """What `input_sizes` asks of a transform graph."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.vocabulary_size_by_name = sizes.__getitem__


def read_network(version: Path, vocabulary_sizes: Mapping[str, int]) -> Network:
    """Reads the network of a SavedModel.

    Args:
        version: The model's folder.
        vocabulary_sizes: By category, how many words it was trained on.
    """
    model = keras.models.load_model(str(version), compile=False)
    wide, deep = model.linear_model, model.dnn_model
    mean = wide.get_layer("mean")
    weights = wide.get_layer("weights").get_weights()
    sizes = _used_sizes(_Vocabularies(vocabulary_sizes), len(weights[0]))
    by_input = {}
    if sizes:  # One table holds the weights of all, one after the other.
        starts = np.cumsum(list(sizes.values()))[:-1]
        by_input = dict(zip(sizes, np.split(weights[0][:, 0], starts), strict=True))
    dense = [
        Dense(*layer.get_weights())
        for layer in deep.layers
        if isinstance(layer, keras.layers.Dense)
    ]
    z_scores = [] if sizes else map(z_score_name, numbers())
    return Network(
        mean=float(mean.offset),
        scale=float(mean.scale),
        wide=by_input,
        wide_numbers=dict(zip(z_scores, weights[0][:, 0], strict=False)),
        wide_bias=0.0 if sizes else float(weights[1][0]),
        embeddings={
            c.name: deep.get_layer(f"{c.name}_embedding").get_weights()[0] for c in categories()
        },
        hidden=tuple(dense[:-1]),
        output=dense[-1],
    )


def _used_sizes(vocabularies: _Vocabularies, total: int) -> dict[str, int]:
    """How many indices of each sparse input have a weight, of as many in all.

    Crosses may use a share of their buckets, which the model itself does not tell.
    """
    sizes = input_sizes(vocabularies)
    declared_buckets = sum(cross.buckets for cross in declared.CROSSES)
    if not declared_buckets or sum(sizes.values()) == total:
        return sizes
    others = sum(sizes.values()) - declared_buckets
    return input_sizes(vocabularies, (total - others) / declared_buckets)
