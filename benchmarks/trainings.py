"""Trainings on what a run has made: warm against cold, and by several processes."""

# Keras carries no types; the checker guesses those of parameters from their defaults.
# pyright: reportCallIssue=false

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from common.environment import PROCESS
from models.features import HYPERPARAMETERS
from models.history import History, read
from models.task import Training
from pipeline.settings import ROOT

BATCH_ROWS = 512
"""Of all processes together, in a step."""


def train(
    root: Path, folder: Path, steps: int, interval: int, base: Path | None = None, workers: int = 1
) -> History:
    """Trains on the examples and the transform graph of a run.

    Args:
        root: The run's root, on which nothing else was run.
        folder: For all that the training writes.
        steps: Steps of training.
        interval: Steps between looks at the eval split.
        base: Folder of a training to go on from.
        workers: Processes that share the work, on this machine.

    Returns:
        The record of the training.

    Raises:
        RuntimeError: If it failed; with the end of what it said.
    """
    told = _arguments(root, folder, steps, interval)
    if base:
        told["base_model"] = str(base / "model" / "Format-Serving")
    running = []
    for index, config in enumerate(_clusters(workers)):
        mine = told | {"serving_model_dir": str(folder / _folder(index) / "Format-Serving")}
        running.append(_start(mine, config))
    with ThreadPoolExecutor(workers) as threads:  # They wait for each other, so all must be told.
        ended = list(threads.map(_told, running))
    for status, said in ended:
        if status:
            raise RuntimeError(f"A training ended with {status}:\n{said[-3000:]}")
    return read(folder / "run")


def _told(running: tuple[subprocess.Popen[str], str]) -> tuple[int, str]:
    process, text = running
    said, _ = process.communicate(text)
    return process.returncode, said


def _folder(index: int) -> str:
    return f"worker-{index}" if index else "model"


def _arguments(root: Path, folder: Path, steps: int, interval: int) -> dict[str, Any]:
    (examples,) = root.glob("pipeline/BigQueryExampleGen/examples/*")
    (graph,) = root.glob("pipeline/Transform/transform_graph/*")
    training = Training(
        batch_size=BATCH_ROWS,
        checkpoint_interval=interval,
        checkpoint_root=str(folder / "checkpoints"),
        cache_examples=True,
        seed=1,
        code="",
        hyperparameters=HYPERPARAMETERS,
    )
    return {
        "train_files": [f"{examples}/Split-train/*"],
        "eval_files": [f"{examples}/Split-eval/*"],
        "train_steps": steps,
        "transform_output": str(graph),
        "model_run_dir": str(folder / "run"),
        "custom_config": training.to_config(),
    }


def _clusters(workers: int) -> list[str]:
    """TF_CONFIG of each process; empty for one alone."""
    if workers == 1:
        return [""]
    sockets = [socket.socket() for _ in range(workers)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    cluster = {"worker": addresses}
    return [
        json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        for index in range(workers)
    ]


def _start(told: dict[str, Any], config: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "models.training_process", str(os.getpid())],
        cwd=ROOT,
        env=os.environ | PROCESS | {"TF_CONFIG": config},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return process, json.dumps(told)


def steps_to(history: History, rmse: float) -> int | None:
    """Steps after which the error on eval was first as low; None if it never was."""
    return next((r.step for r in history.records if r.val_rmse <= rmse), None)


def step_milliseconds(history: History) -> float:
    """How long a step took, the first interval left out, which has the start in it."""
    later: Sequence[Any] = history.records[1:] or history.records
    steps = history.steps - (history.records[0].step if len(history.records) > 1 else 0)
    return 1000 * sum(r.seconds for r in later) / steps
