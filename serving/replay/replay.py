"""Asks a candidate, and the champion, what was asked before; compares, and times them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.names import EXAMPLES, PREDICTION
from serving.records.recorded_requests import Recorded, Row
from serving.replay.comparison import Latency, Replayed, compare, too_slow, wrong_answers
from serving.replay.loopback_server import Client, RefusedModelError, RefusedRowsError, served
from serving.versions.saved_model import SavedModel

ROWS = 1000
"""Rows that are asked."""
_TOGETHER = 100
"""Rows of a request of many."""
_ALONE = 200
"""Rows that are asked alone as well."""


def replay(
    candidate: str, champion: str | None, recorded: Recorded, source: str, max_p99_ms: float
) -> Replayed:
    """Replays requests on the server as it would answer once the candidate is pushed.

    What is expected is what the signature `serving_examples` answers to the rows as tf.Examples,
    all in one batch and in no server: as the Evaluator calls the model.

    Args:
        candidate: Folder of its SavedModel, on this machine.
        champion: The same, of the model that answers now; None if there is none.
        recorded: The requests, at least one.
        source: Where they are from, in words.
        max_p99_ms: The longest that 99% of requests of one row may take, in milliseconds.
    """
    rows = recorded.rows
    alone = rows[:_ALONE]
    found = Replayed(source, len(rows), len(alone), recorded.left_out, max_p99_ms, ())
    with contextlib.ExitStack() as servers:
        # All load at once: what TensorFlow does of it, it does on all cores.
        clients = [servers.enter_context(served(model)) for model in (candidate, champion) if model]
        signature = SavedModel(candidate, 1).signatures[EXAMPLES]
        examples = np.array(recorded.examples, dtype=object)
        expected = signature({"examples": examples})[PREDICTION]
        try:
            clients[0].wait_until_loaded()
        except RefusedModelError as error:
            reason = f"The server refuses the model: {error}"
            return replace(found, reasons=(reason,), no_champion="Nothing was asked.")
        found = replace(found, no_champion="" if champion else "There is no blessed model yet.")
        if champion:
            try:
                clients[1].wait_until_loaded()
            except RefusedModelError as error:
                found = replace(found, no_champion=f"The server refuses the champion: {error}")
                clients.pop()
        try:
            answers = [_together(client, rows) for client in clients]
            singly, seconds = _singly(clients, alone)
        except RefusedRowsError as error:
            reason = f"A request was not answered, {error}"
            return replace(found, reasons=(reason,), no_champion="Not all was asked.")
    latencies = [Latency.of(its) for its in seconds]
    reasons = (
        wrong_answers(rows, answers[0], expected)
        or wrong_answers(alone, singly, expected[: len(alone)]),
        too_slow(latencies[0], max_p99_ms),
    )
    found = replace(found, reasons=tuple(filter(None, reasons)), latency=latencies[0])
    if len(clients) == 1:
        return found
    return replace(found, champion=latencies[1], changes=compare(rows, *answers))


def _together(client: Client, rows: Sequence[Row]) -> np.ndarray:
    starts = range(0, len(rows), _TOGETHER)
    return np.concatenate([client.predictions(rows[s : s + _TOGETHER]) for s in starts])


def _singly(clients: Sequence[Client], rows: Sequence[Row]) -> tuple[np.ndarray, list[list[float]]]:
    """Answers of the first; and how long each took, in turn, so that a busy machine slows both."""
    answers = []
    seconds: list[list[float]] = [[] for _ in clients]
    for row in rows:
        for client, its in zip(clients, seconds, strict=True):
            started = time.perf_counter()
            answer = client.predictions([row])
            its.append(time.perf_counter() - started)
            if client is clients[0]:
                answers.append(answer)
    return np.concatenate(answers), seconds
