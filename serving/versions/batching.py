"""Answers requests that arrive together with one call of the model.

The event loop only collects and hands out; the one worker thread calls the model. While it is busy
requests gather, and what has gathered is the next batch, so that batches grow with the load. A
window makes even the first of them wait for company.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from serving.instances import Columns, row_count
from serving.refusals import InputError, UnavailableError

if TYPE_CHECKING:  # It loads TensorFlow, which must not keep the server from listening.
    from serving.versions.saved_model import Signature

Answer = dict[str, np.ndarray]


@dataclass
class _Waiting:
    signature: Signature
    columns: Columns
    rows: int
    answer: asyncio.Future[Answer]


class Batcher:
    """Calls models, from one event loop.

    Args:
        window: Time that a request waits for others, in seconds.
        max_rows: Rows in a batch of several requests; a larger request is a batch of its own.
        max_waiting: Requests that may wait.
        observe: Told the number of rows of each batch.
    """

    def __init__(
        self,
        window: float,
        max_rows: int,
        max_waiting: int,
        observe: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._window = window
        self._max_rows = max_rows
        self._max_waiting = max_waiting
        self._observe = observe
        self._waiting: deque[_Waiting] = deque()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._flush_due = False
        self._busy = False

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    async def answer(self, signature: Signature, columns: Columns) -> Answer:
        """The model's answer to one request.

        Raises:
            UnavailableError: If too many requests wait already.
            InputError: If the model can't read this request; others of its batch are answered.
        """
        if len(self._waiting) >= self._max_waiting:
            raise UnavailableError(
                f"{self._max_waiting} requests wait for the model already.",
                "Try again in a second; if this lasts, serve with more workers.",
            )
        loop = asyncio.get_running_loop()
        waiting = _Waiting(signature, columns, row_count(columns), loop.create_future())
        self._waiting.append(waiting)
        if not (self._busy or self._flush_due):
            self._flush_due = True
            # Even without a window: requests read in the same turn of the loop go together.
            loop.call_later(self._window, self._flush)
        return await waiting.answer

    def close(self) -> None:
        """Ends the worker, once it is done."""
        self._worker.shutdown()

    def _flush(self) -> None:
        self._flush_due = False
        if batch := self._next_batch():
            self._busy = True
            self._observe(sum(waiting.rows for waiting in batch))
            call = self._worker.submit(_call, batch)
            loop = batch[0].answer.get_loop()
            call.add_done_callback(lambda call: loop.call_soon_threadsafe(self._done, batch, call))

    def _next_batch(self) -> list[_Waiting]:
        """The longest waiting requests, as many as fit, for one signature of one version."""
        batch: list[_Waiting] = []
        rows = 0
        others: deque[_Waiting] = deque()
        while self._waiting:
            waiting = self._waiting.popleft()
            if waiting.answer.done():  # Its client has gone.
                continue
            fits = not batch or rows + waiting.rows <= self._max_rows
            if not fits or (batch and waiting.signature is not batch[0].signature):
                others.append(waiting)
                if not fits:
                    break
                continue
            batch.append(waiting)
            rows += waiting.rows
        self._waiting.extendleft(reversed(others))
        return batch

    def _done(self, batch: list[_Waiting], call: Future[list[Answer | Exception]]) -> None:
        self._busy = False
        for waiting, answer in zip(batch, call.result(), strict=True):
            if waiting.answer.done():
                continue
            if isinstance(answer, Exception):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(answer)
        if self._waiting:
            self._flush()


def _call(batch: list[_Waiting]) -> list[Answer | Exception]:
    """An answer or an error for each request; one that can't be read spoils no other's."""
    signature = batch[0].signature
    if len(batch) == 1:
        return [_call_one(batch[0])]
    columns = {
        name: np.concatenate([waiting.columns[name] for waiting in batch])
        for name in signature.inputs
    }
    try:
        answers = signature(columns)
    except InputError:
        return [_call_one(waiting) for waiting in batch]
    except Exception as error:  # noqa: BLE001, handed to each that waits
        return [error] * len(batch)
    ends = np.cumsum([waiting.rows for waiting in batch])[:-1]
    parts = {name: np.split(values, ends) for name, values in answers.items()}
    return [{name: parts[name][index] for name in parts} for index in range(len(batch))]


def _call_one(waiting: _Waiting) -> Answer | Exception:
    try:
        return waiting.signature(waiting.columns)
    except Exception as error:  # noqa: BLE001, handed to the one that waits
        return error
