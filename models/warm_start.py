"""Goes on from the last blessed model: takes over each weight whose meaning is unchanged.

What the two networks read may differ, for the data did: a category has new words, the mean behind a
z-score has moved, a column is new. So weights go by what they stand for, not by index:

* a category, by word; a new word starts at zero;
* a range of a number, by the numbers it holds: where ranges have moved, a weight is the mean of
  those it covers;
* a cross, by bucket, where it hashes the same parts into as many buckets; else it starts at zero;
* a z-score, converted: the first dense layer sees mean and deviation as the base model did.
"""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import itertools

import numpy as np
import tf_keras as keras

from models.declaration import Hyperparameters, Label
from models.feature_kinds import categories
from models.history import Carried
from models.hyperparameters import SHAPE
from models.model import set_wide, wide_accumulators
from models.training_state import Inputs, Meaning, TrainingState


def differences(base: TrainingState, label: Label, options: Hyperparameters) -> tuple[str, ...]:
    """What keeps a training from going on from a model.

    Args:
        base: What the model left.
        label: What is to be learned.
        options: Of the network to train.

    Returns:
        Sentences; empty where it fits.
    """
    found = []
    if base.label != (label.name, label.unit):
        there, here = (
            " in ".join(filter(None, of)) for of in (base.label, (label.name, label.unit))
        )
        found.append(f"it predicts {there}, not {here}")
    for name in SHAPE:
        there, here = getattr(base.hyperparameters, name), getattr(options, name)
        if there != here:
            found.append(f"its {name} is {_text(there)}, not {_text(here)}")
    return tuple(found)


def carry_over(
    base: TrainingState, model: keras.Model, inputs: Inputs, options: Hyperparameters
) -> tuple[Carried, ...]:
    """Gives a new network the weights of a base model.

    Args:
        base: What the model left; it must fit.
        model: What `wide_and_deep` returned for the new data; its weights are set.
        inputs: What it reads.
        options: Its hyperparameters.

    Returns:
        What was taken over, by input.
    """
    carried = _carry_wide(base, model, inputs)
    _carry_deep(base, model, inputs, options)
    return carried


def carry_rows(
    rows: np.ndarray, there: Meaning, here: Meaning, otherwise: float = 0.0
) -> tuple[np.ndarray, int]:
    """Weights by index, taken over by meaning.

    Args:
        rows: Of the base model, `[there.size, width]`.
        there: What its indices stand for.
        here: What those of the new network do.
        otherwise: What an index gets that stands for something new.

    Returns:
        Weights `[here.size, width]`, and how many indices stand for what they did.
    """
    fresh = np.full((here.size, rows.shape[1]), otherwise, rows.dtype)
    if here.words and there.words:
        index = {word: i for i, word in enumerate(there.words)}
        known = [(new, index[word]) for new, word in enumerate(here.words) if word in index]
        known.append((here.size - 1, there.size - 1))  # All unseen words.
        new, old = map(list, zip(*known, strict=True))
        fresh[new] = rows[old]
        return fresh, len(known)
    if here.edges and there.edges:
        shares = _shares(there.edges, here.edges)
        kept = set(itertools.pairwise(here.edges)) & set(itertools.pairwise(there.edges))
        return (shares @ rows).astype(rows.dtype), len(kept)
    if here == there:
        return rows, here.size
    return fresh, 0


def _shares(there: tuple[float, ...], here: tuple[float, ...]) -> np.ndarray:
    """By range of `here`, the share of it that lies in each of `there`; the end ones are open."""
    low, high = np.array(here[:-1]), np.array(here[1:])
    old_low, old_high = np.array(there[:-1]), np.array(there[1:])
    old_low[0], old_high[-1] = min(there[0], here[0]), max(there[-1], here[-1])
    overlap = np.minimum(high[:, None], old_high) - np.maximum(low[:, None], old_low)
    overlap = np.maximum(overlap, 0)
    # An empty range, as of two equal boundaries, has the weight of the range it lies in.
    empty = overlap.sum(axis=1) == 0
    nearest = np.searchsorted(old_high[:-1], low[empty], side="right")
    overlap[np.flatnonzero(empty), nearest] = 1
    return overlap / overlap.sum(axis=1, keepdims=True)


def _carry_wide(base: TrainingState, model: keras.Model, inputs: Inputs) -> tuple[Carried, ...]:
    start = [v.numpy() for v in wide_accumulators(model)]
    names = [n for n in base.arrays if n.startswith("wide/weights/")]
    weights = [base.arrays[f"wide/weights/{i}"] for i in range(len(names))]
    seen = [base.arrays[f"accumulator/{i}"] for i in range(len(names))]
    if not inputs.sparse or not base.inputs.sparse:
        return _carry_linear(base, model, inputs, weights, seen, start)
    offsets = dict(
        zip(
            base.inputs.sparse,
            itertools.accumulate((m.size for m in base.inputs.sparse.values()), initial=0),
            strict=False,
        )
    )
    parts, carried = [], []
    initial = float(start[0].flat[0])
    for name, meaning in inputs.sparse.items():
        if (there := base.inputs.sparse.get(name)) is None:
            parts.append((np.zeros((meaning.size, 1)), np.full((meaning.size, 1), initial)))
            carried.append(Carried(name, 0, meaning.size))
            continue
        rows = slice(offsets[name], offsets[name] + there.size)
        taken, kept = carry_rows(weights[0][rows], there, meaning)
        parts.append((taken, carry_rows(seen[0][rows], there, meaning, initial)[0]))
        carried.append(Carried(name, kept, meaning.size))
    set_wide(
        model,
        [np.concatenate([taken for taken, _ in parts]).astype(np.float32)],
        [np.concatenate([known for _, known in parts]).astype(np.float32)],
    )
    return tuple(carried)


def _carry_linear(
    base: TrainingState,
    model: keras.Model,
    inputs: Inputs,
    weights: list[np.ndarray],
    seen: list[np.ndarray],
    start: list[np.ndarray],
) -> tuple[Carried, ...]:
    """The wide half where nothing is sparse: a dense layer over the z-scores."""
    if inputs.sparse or base.inputs.sparse:  # The two halves read different things.
        return tuple(Carried(name, 0, meaning.size) for name, meaning in inputs.sparse.items())
    columns = tuple(inputs.scales)
    kernel, bias = _dense(weights, base.inputs, inputs, tuple(base.inputs.scales), columns)
    rows = {name: i for i, name in enumerate(base.inputs.scales)}
    known = np.array([seen[0][rows[c]] if c in rows else start[0][0] for c in columns])
    set_wide(model, [kernel, bias], [known.astype(np.float32), seen[1]])
    return tuple(Carried(name, int(name in rows), 1) for name in columns)


def _carry_deep(
    base: TrainingState, model: keras.Model, inputs: Inputs, options: Hyperparameters
) -> None:
    layers = {layer.name: layer for layer in model.dnn_model.layers}
    for category in categories():
        name = category.name
        if there := base.inputs.sparse.get(name):
            rows = base.arrays[f"deep/{name}_embedding/0"]
            taken, _ = carry_rows(rows, there, inputs.sparse[name])
            layers[f"{name}_embedding"].set_weights([taken])
    dense = [f"hidden_{i}" for i in range(len(options.hidden_units))] + ["deep_label"]
    for name in dense[1:]:
        layers[name].set_weights([base.arrays[f"deep/{name}/{i}"] for i in range(2)])
    first = [base.arrays[f"deep/{dense[0]}/{i}"] for i in range(2)]
    layers[dense[0]].set_weights(
        _dense(first, base.inputs, inputs, base.inputs.columns, inputs.columns)
    )


def _dense(
    weights: list[np.ndarray],
    there: Inputs,
    here: Inputs,
    old_columns: tuple[str, ...],
    new_columns: tuple[str, ...],
) -> list[np.ndarray]:
    """A dense layer by column: the same function of the raw numbers, though their scales differ.

    Where z = (x - m) / s there and z' = (x - m') / s' here, z = z' s'/s + (m' - m)/s.
    """
    kernel, bias = weights[0], weights[1].copy()
    index = {column: i for i, column in enumerate(old_columns)}
    fresh = np.zeros((len(new_columns), kernel.shape[1]), kernel.dtype)
    for i, column in enumerate(new_columns):
        if column not in index:
            continue
        row = kernel[index[column]]
        (old_mean, old), (mean, new) = (of.scales.get(column, (0, 0)) for of in (there, here))
        if old and new:
            bias += row * (mean - old_mean) / old
            row = row * new / old
        fresh[i] = row
    return [fresh, bias.astype(kernel.dtype)]


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
