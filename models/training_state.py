"""What a training leaves for the next one: its weights, and what each of them stands for.

It lies beside the SavedModel in the Model artifact, and is not pushed. A SavedModel alone would not
do: its weights go by index, and which word or range an index stands for changes with the data.
"""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from models import features as declared
from models.declaration import UNKNOWN, Category, Hyperparameters
from models.feature_kinds import categories, numbers
from models.history import Ancestor
from models.model import deep_columns, input_sizes, wide_accumulators
from models.signatures import raw_columns
from models.transform import bucket_name, quantile_name, z_score_name

FOLDER = "Format-Training"
"""Beside TFX's own `Format-Serving` in a Model artifact."""

_STATE = "state.json"
_ARRAYS = "arrays.npz"

_HALVINGS = 48
"""Of a number's range, until a boundary is known as closely as a float can hold it."""


@dataclass(frozen=True)
class Meaning:
    """What the indices of a sparse input stand for.

    Attributes:
        size: How many there are.
        words: Of a category: the word of each index but the last, which stands for all others.
        edges: Of ranges of a number: where each begins, and where the last one ends.
        identity: Of all others: equal where an index stands for the same.
    """

    size: int
    words: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    identity: str = ""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Meaning:
        """Reads what `dataclasses.asdict` gave; JSON has lists alone."""
        sequences = {name: tuple(fields[name]) for name in ("words", "edges")}
        return cls(**{**fields, **sequences})


@dataclass(frozen=True)
class Inputs:
    """What the network reads.

    Attributes:
        sparse: Meanings by name, in the order of the wide half's weights.
        scales: Mean and standard deviation behind each z-score, by name.
        columns: Names of what the first dense layer of the deep half reads, in order.
    """

    sparse: Mapping[str, Meaning]
    scales: Mapping[str, tuple[float, float]]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class TrainingState:
    """A training that is done, as the next one finds it.

    Attributes:
        label: Name and unit.
        mean_label: Where predictions started; the weights say what is to be added to it.
        hyperparameters: Of the network.
        inputs: What the network reads.
        lineage: The trainings that led here, this one last.
        arrays: Weights, and the accumulators of the wide half's optimizer; see `arrays_of`.
    """

    label: tuple[str, str]
    mean_label: float
    hyperparameters: Hyperparameters
    inputs: Inputs
    lineage: tuple[Ancestor, ...]
    arrays: Mapping[str, np.ndarray]

    @property
    def step(self) -> int:
        """Steps behind the weights, over all trainings that led here."""
        return sum(ancestor.steps for ancestor in self.lineage)


def arrays_of(model: keras.Model) -> dict[str, np.ndarray]:
    """Weights by half, layer and number, and the accumulators of the wide half by the same."""
    arrays = {
        f"{half.name}/{layer.name}/{i}": weight
        for half in (model.linear_model, model.dnn_model)
        for layer in half.layers
        for i, weight in enumerate(layer.get_weights())
    }
    accumulators = wide_accumulators(model)
    return arrays | {
        f"accumulator/{i}": variable.numpy() for i, variable in enumerate(accumulators)
    }


def read_inputs(transform: tft.TFTransformOutput, options: Hyperparameters) -> Inputs:
    """What the network reads, as the transform graph computes it.

    Args:
        transform: The transform graph.
        options: Of the network.

    Returns:
        Names and meanings, in the order of the wide half's weights.
    """
    probe = _Probe(transform)
    found: dict[str, Meaning] = {}
    sizes = input_sizes(transform, options.cross_share)
    for name, size in sizes.items():
        found[name] = Meaning(size, identity=name)
    for category in categories():
        words = transform.vocabulary_by_name(category.name)
        words = tuple(word.decode() for word in words)
        found[category.name] = Meaning(len(words) + 1, words=words)
    for number in numbers():
        ends = (float(number.minimum), float(number.maximum))
        if number.boundaries:
            edges = (ends[0], *map(float, number.boundaries), ends[1])
            found[bucket_name(number)] = Meaning(len(edges) - 1, edges=edges)
        if number.quantiles:
            boundaries = probe.boundaries(number.name, *ends, number.quantiles)
            edges = (ends[0], *boundaries, ends[1])
            found[quantile_name(number)] = Meaning(number.quantiles, edges=edges)
    for cross in declared.CROSSES:
        # Its hash reads words, and the numbers of fixed buckets.
        parts = {n.name: [n.boundaries, n.optional] for n in numbers() if n.name in cross.parents}
        identity = json.dumps([cross.parents, parts, cross.buckets])
        found[cross.name] = Meaning(sizes[cross.name], identity=identity)
    scales = {z_score_name(n): probe.scale(n.name, n.minimum, n.maximum) for n in numbers()}
    return Inputs(found, scales, deep_columns(options))


class _Probe:
    """Asks the transform graph what it makes of a number, all else being the same."""

    def __init__(self, transform: tft.TFTransformOutput) -> None:
        self._transform = transform
        self._layer = transform.transform_features_layer()

    def _outputs(self, name: str, values: np.ndarray) -> dict[str, np.ndarray]:
        columns = {
            feature.name: tf.fill([len(values)], UNKNOWN)
            if isinstance(feature, Category)
            else tf.fill([len(values)], tf.constant(feature.minimum, tf.float32))
            for feature in declared.FEATURES
        }
        columns[name] = tf.constant(values, tf.float32)
        outputs = self._layer(raw_columns(columns, self._transform))
        return {key: output.numpy() for key, output in outputs.items()}

    def scale(self, name: str, low: float, high: float) -> tuple[float, float]:
        """Mean and standard deviation of the z-score; (0, 0) where all examples were the same."""
        first, last = self._outputs(name, np.array([low, high]))[f"{name}_z"].astype(float)
        if first == last:
            return 0.0, 0.0
        deviation = (high - low) / (last - first)
        return low - first * deviation, deviation

    def boundaries(self, name: str, low: float, high: float, count: int) -> tuple[float, ...]:
        """Where the quantile's number rises to 1, 2, ...: found by halving the range."""
        wanted = np.arange(1, count)
        below, above = np.full(count - 1, low), np.full(count - 1, high)
        for _ in range(_HALVINGS):
            middle = (below + above) / 2
            reached = self._outputs(name, middle)[f"{name}_quantile"] >= wanted
            above, below = np.where(reached, middle, above), np.where(reached, below, middle)
        return tuple(float(edge) for edge in above.astype(np.float32))


def state_folder(serving_model_dir: str) -> str:
    """Where the state of a model lies.

    Args:
        serving_model_dir: Folder of its SavedModel, in a Model artifact.
    """
    return os.path.join(os.path.dirname(serving_model_dir.rstrip("/")), FOLDER)


def save_state(state: TrainingState, serving_model_dir: str) -> None:
    """Writes a state beside the SavedModel it is of."""
    folder = state_folder(serving_model_dir)
    tf.io.gfile.makedirs(folder)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **state.arrays)
    with tf.io.gfile.GFile(os.path.join(folder, _ARRAYS), "wb") as file:
        file.write(buffer.getvalue())
    fields = {
        field.name: getattr(state, field.name)
        for field in dataclasses.fields(state)
        if field.name != "arrays"
    }
    text = json.dumps(fields, default=dataclasses.asdict, indent=1)
    with tf.io.gfile.GFile(os.path.join(folder, _STATE), "w") as file:
        file.write(text + "\n")


def load_state(serving_model_dir: str) -> TrainingState | None:
    """Reads the state of a model; None where there is none, as of models made before this was."""
    folder = state_folder(serving_model_dir)
    if not tf.io.gfile.exists(os.path.join(folder, _STATE)):
        return None
    with tf.io.gfile.GFile(os.path.join(folder, _STATE)) as file:
        fields = json.loads(file.read())
    with tf.io.gfile.GFile(os.path.join(folder, _ARRAYS), "rb") as file:
        arrays = dict(np.load(io.BytesIO(file.read()), allow_pickle=False))
    inputs = fields["inputs"]
    return TrainingState(
        label=tuple(fields["label"]),
        mean_label=fields["mean_label"],
        hyperparameters=Hyperparameters.from_json(fields["hyperparameters"]),
        inputs=Inputs(
            {name: Meaning.from_json(given) for name, given in inputs["sparse"].items()},
            {name: (mean, deviation) for name, (mean, deviation) in inputs["scales"].items()},
            tuple(inputs["columns"]),
        ),
        lineage=tuple(Ancestor(**given) for given in fields["lineage"]),
        arrays=arrays,
    )
