"""The processes that train one model together, and the share of the work that each has."""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from common.errors import UserError


@dataclass(frozen=True)
class Share:
    """Which part of the work is a worker's.

    Attributes:
        index: Its number among all, the chief first.
        count: How many there are.
    """

    index: int = 0
    count: int = 1

    @property
    def worker(self) -> str:
        """What people call it."""
        return f"worker {self.index}" if self.index else "chief"


def choose_strategy() -> tf.distribute.Strategy:
    """The distribution strategy that the machine asks for.

    Returns:
        Several workers where `TF_CONFIG` names them, several GPUs where there are, else the
        default.
    """
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    if sum(len(tasks) for tasks in cluster.values()) > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def share_of(strategy: tf.distribute.Strategy) -> Share:
    """This process among those that train together."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return Share()
    jobs = resolver.cluster_spec().as_dict()
    chiefs = len(jobs.get("chief", ()))
    before = chiefs if resolver.task_type == "worker" else 0
    return Share(before + resolver.task_id, chiefs + len(jobs.get("worker", ())))


def check_batch_size(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """Checks that a batch can be divided.

    Args:
        batch_size: Over all workers and their GPUs.
        strategy: How they are divided.

    Raises:
        UserError: If some would get more of it than others.
    """
    count = strategy.num_replicas_in_sync
    if batch_size % count:
        raise UserError(
            f"A batch of {batch_size} examples can't be divided evenly among {count} replicas.",
            f"Set batch_size to a multiple of {count}, such as {-(-batch_size // count) * count}.",
        )


def gather(strategy: tf.distribute.Strategy, values: Sequence[float]) -> np.ndarray:
    """Tells all workers what each of them has to tell; all must call it.

    Args:
        strategy: Of the workers.
        values: Of this one; as many as the others have.

    Returns:
        `[workers, values]`, the chief's first.
    """
    count = share_of(strategy).count
    if count == 1:
        return np.array([values])

    def told() -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        return context.all_gather(tf.constant([values], tf.float64), axis=0)

    found = strategy.experimental_local_results(tf.function(strategy.run)(told))[0].numpy()
    return found[:: len(found) // count]  # Replicas of one worker have the same to tell.
