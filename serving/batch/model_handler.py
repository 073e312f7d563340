"""Beam's RunInference on a pushed model.

Beam's own handler of TensorFlow models asks Keras to load them, and Keras 3 takes no SavedModel
(apache/beam 30616); this one calls a signature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from apache_beam.ml.inference.base import ModelHandler

from models import interpretation
from models.intervals import Intervals
from models.names import PREDICTION, SERVING
from serving.answers import answers_of
from serving.batch.blocks import Checked, with_answers
from serving.batch.logged_answers import asked_and_answered
from serving.instances import Columns
from serving.versions.places import fetched


@dataclass(frozen=True)
class Loaded:
    """A model that was loaded, and its intervals if it has some."""

    model: Any
    intervals: Intervals | None


@dataclass(frozen=True)
class Answered:
    """Rows that were answered.

    Attributes:
        table: They, with their answers beside them.
        logged: What a log of requests gets of them, if there is one.
    """

    table: pa.Table
    logged: pa.Table | None


class SavedModelHandler(ModelHandler[Checked, Answered, Loaded]):
    """Answers blocks of checked rows.

    Args:
        path: The version's folder.
        facts: Columns that are the same for every row.
        logged: Whether a log of requests gets the rows as well.
    """

    def __init__(self, path: str, facts: Mapping[str, str], *, logged: bool = False) -> None:
        super().__init__()
        self._path = path
        self._facts = dict(facts)
        self._logged = logged

    def load_model(self) -> Loaded:
        """The model; called once in each process."""
        import tensorflow as tf  # Where a pipeline is only made, nobody needs it.

        with fetched(self._path) as path:
            found = interpretation.read(path)
            return Loaded(tf.saved_model.load(path), found.intervals if found else None)

    def run_inference(
        self, batch: Sequence[Checked], model: Loaded, inference_args: dict[str, Any] | None = None
    ) -> Iterator[Answered]:
        """The rows with their answers.

        Args:
            batch: Blocks.
            model: What `load_model` returned.
            inference_args: None.
        """
        for checked in batch:
            predictions = predictions_of(model, checked.columns)
            answers = answers_of(predictions, model.intervals, checked.columns)
            logged = asked_and_answered(checked.columns, predictions) if self._logged else None
            yield Answered(with_answers(checked, answers | self._facts), logged)

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        """A block is a batch already."""
        return {"min_batch_size": 1, "max_batch_size": 1}

    def get_num_bytes(self, batch: Sequence[Checked]) -> int:
        """Size of some blocks; Beam's own way would pickle them."""
        return sum(checked.block.table.nbytes for checked in batch)


def predictions_of(model: Loaded, columns: Columns) -> np.ndarray:
    """What the signature answers, in the label's unit, `[rows]`."""
    import tensorflow as tf

    fed = {name: tf.constant(values) for name, values in columns.items()}
    return model.model.signatures[SERVING](**fed)[PREDICTION].numpy()
