"""Beam's RunInference on messages: many of a bundle are one call of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from apache_beam.ml.inference.base import ModelHandler

from serving.stream.answering import Asked, ask
from serving.stream.messages import Reply
from serving.versions.places import MODEL_FILE, fetched

if TYPE_CHECKING:  # It loads TensorFlow.
    from serving.versions.saved_model import SavedModel

Told = tuple[str, Reply]
"""`answer` or `dead`, and what is published."""

MOST_MESSAGES = 1000
"""In a call of the model."""


class MessageHandler(ModelHandler[Asked, Told, "SavedModel"]):
    """Answers messages, to begin with by the version in a folder."""

    def __init__(self, path: str, version: int) -> None:
        super().__init__()
        self._path = path
        self._version = version

    def load_model(self) -> SavedModel:
        """The model; called once in each process, and again for each new version."""
        from serving.versions.saved_model import SavedModel

        with fetched(self._path) as folder:
            return SavedModel(folder, self._version)

    def update_model_path(self, model_path: str | None = None) -> None:
        """Takes the version that was pushed last.

        Args:
            model_path: Its `saved_model.pb`, in a folder that is called as its number; empty as
                long as none is newer than the job.
        """
        if model_path:
            self._path = model_path.removesuffix(f"/{MODEL_FILE}")
            self._version = int(self._path.rpartition("/")[2])

    def run_inference(
        self,
        batch: Sequence[Asked],
        model: SavedModel,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterator[Told]:
        """What is published for each message."""
        answers, dead = ask(model, batch)
        yield from (("answer", reply) for reply in answers)
        yield from (("dead", reply) for reply in dead)

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        """What of a bundle is one batch."""
        return {"min_batch_size": 1, "max_batch_size": MOST_MESSAGES}

    def get_num_bytes(self, batch: Sequence[Asked]) -> int:
        """Size of some messages; Beam's own way would pickle them."""
        return sum(len(asked.message.data) for asked in batch)
