"""Beam's RunInference on a pushed model.

Beam's own handler of TensorFlow models asks Keras to load them, and Keras 3 takes no SavedModel
(apache/beam 30616); this one calls a signature.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from apache_beam.ml.inference.base import ModelHandler

from models import interpretation
from models.coded_words import CodedWords, ColumnsOrCodes
from models.intervals import Intervals
from models.names import PREDICTION, SERVING
from serving.answers import answers_of
from serving.batch.blocks import Checked, with_answers
from serving.batch.logged_answers import asked_and_answered
from serving.batch.readers import BLOCK_ROWS
from serving.versions.places import fetched

CALL_ROWS = BLOCK_ROWS // 2
"""Rows of a call of the signature: a block's two are made at once."""


@dataclass(frozen=True)
class Loaded:
    """A model that was loaded, and its intervals if it has some."""

    model: Any
    intervals: Intervals | None


@dataclass(frozen=True)
class Answered:
    """Rows that were answered.

    Attributes:
        checked: They, and what was asked of the model.
        predictions: In the label's unit, `[rows]`.
        intervals: Those of the model, if it has some.
    """

    checked: Checked
    predictions: np.ndarray
    intervals: Intervals | None

    def table(self, facts: Mapping[str, str]) -> pa.Table:
        """The rows with their answers beside them, and `facts`, the same for every row."""
        answers = answers_of(self.predictions, self.intervals, self.checked.columns)
        return with_answers(self.checked, {**answers, **facts})

    def logged(self) -> pa.Table:
        """What a log of requests gets of them."""
        return asked_and_answered(self.checked.columns, self.predictions)


class SavedModelHandler(ModelHandler[Checked, Answered, Loaded]):
    """Answers blocks of checked rows with the version in a folder."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def load_model(self) -> Loaded:
        """The model; called once in each process."""
        import tensorflow as tf  # Where a pipeline is only made, nobody needs it.

        # Two calls at once keep cores busier than two threads in one. What has used TensorFlow in
        # this process before, such as a pipeline's other components, has settled its threads.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)
        with fetched(self._path) as path:
            found = interpretation.read(path)
            return Loaded(tf.saved_model.load(path), found.intervals if found else None)

    def run_inference(
        self, batch: Sequence[Checked], model: Loaded, inference_args: dict[str, Any] | None = None
    ) -> Iterator[Answered]:
        """What the model answers; what follows from it alone, the writing thread works out."""
        for checked in batch:
            starts = range(0, checked.block.table.num_rows, CALL_ROWS)
            parts = [
                {name: values[i : i + CALL_ROWS] for name, values in checked.columns.items()}
                for i in starts
            ]
            with ThreadPoolExecutor(len(parts)) as calls:
                predictions = calls.map(functools.partial(predictions_of, model), parts)
            yield Answered(checked, np.concatenate([*predictions]), model.intervals)

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        """A block is a batch already."""
        return {"min_batch_size": 1, "max_batch_size": 1}

    def get_num_bytes(self, batch: Sequence[Checked]) -> int:
        """Size of some blocks; Beam's own way would pickle them."""
        return sum(checked.block.table.nbytes for checked in batch)


def predictions_of(model: Loaded, columns: ColumnsOrCodes) -> np.ndarray:
    """What the signature answers, in the label's unit, `[rows]`."""
    import tensorflow as tf

    fed = {
        name: tf.gather(tf.constant(values.vocabulary), values.codes)
        if isinstance(values, CodedWords)
        else tf.constant(values)
        for name, values in columns.items()
    }
    return model.model.signatures[SERVING](**fed)[PREDICTION].numpy()
