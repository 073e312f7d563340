"""Jobs of Vertex AI; custom training jobs: their worker pools as processes on this machine."""

from __future__ import annotations

import abc
import json
import socket
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import UserError
from pipeline.rehearsal.processes import Processes

POOLS = ("chief", "worker")
"""What the first worker pool of a job is in its cluster, and the second."""


@dataclass(frozen=True)
class Replica:
    """One process of a job.

    Attributes:
        role: One of `POOLS`.
        index: Its number among those of its role.
        command: Program and arguments.
        variables: Environment variables, save those that tell it of the others.
    """

    role: str
    index: int
    command: list[str]
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Such as `worker-0`."""
        return f"{self.role}-{self.index}"


def replicas_of(job: Mapping[str, Any]) -> list[Replica]:
    """The processes that a CustomJob asks for.

    Raises:
        UserError: If it has pools that are not rehearsed, or pools without a command.
    """
    pools = job.get("jobSpec", {}).get("workerPoolSpecs", [])
    if not pools or len(pools) > len(POOLS):
        raise UserError(
            f"The training job has {len(pools)} worker pools; a rehearsal runs "
            f"{' and '.join(POOLS)}.",
            "Ask for a chief and workers: models/task.py trains with no parameter servers.",
        )
    replicas = []
    given = _output_folders(job)
    for role, pool in zip(POOLS, pools, strict=False):
        container = pool.get("containerSpec", {})
        command = [*container.get("command", []), *container.get("args", [])]
        if not command:
            raise UserError(
                f"The {role} pool of the training job has no command.",
                "Name one: what the image would run by itself is not known here.",
            )
        variables = given | {v["name"]: v["value"] for v in container.get("env", [])}
        for index in range(int(pool.get("replicaCount", 1))):
            replicas.append(Replica(role, index, command, variables))
    return replicas


def _output_folders(job: Mapping[str, Any]) -> dict[str, str]:
    """Variables that Vertex AI sets for a job with an output directory."""
    base = job["jobSpec"].get("baseOutputDirectory", {}).get("outputUriPrefix", "").rstrip("/")
    if not base:
        return {}
    return {
        "AIP_MODEL_DIR": f"{base}/model/",
        "AIP_CHECKPOINT_DIR": f"{base}/checkpoints/",
        "AIP_TENSORBOARD_LOG_DIR": f"{base}/logs/",
    }


def cluster_variables(
    replicas: Sequence[Replica], addresses: Sequence[str]
) -> list[dict[str, str]]:
    """What Vertex AI tells each replica of the others, in TensorFlow's form and in its own.

    Returns:
        TF_CONFIG and CLUSTER_SPEC of each replica.
    """
    by_role: dict[str, list[str]] = {}
    for replica, address in zip(replicas, addresses, strict=True):
        by_role.setdefault(replica.role, []).append(address)
    pools = {role: f"workerpool{POOLS.index(role)}" for role in by_role}
    by_pool = {pools[role]: found for role, found in by_role.items()}

    def in_form(replica: Replica, role: str, cluster: dict[str, list[str]]) -> str:
        task = {"type": role, "index": replica.index}
        return json.dumps({"cluster": cluster, "task": task, "environment": "cloud"})

    return [
        {
            "TF_CONFIG": in_form(replica, replica.role, by_role),
            "CLUSTER_SPEC": in_form(replica, pools[replica.role], by_pool),
        }
        for replica in replicas
    ]


class RunningJob(abc.ABC):
    """A job of Vertex AI that runs, on a thread of its own.

    Args:
        request: The job asked for, as JSON values.
        processes: Starts what it runs.
        logs: What the names of its logs begin with.

    Attributes:
        body: The job as Vertex AI tells of it, but for its name, state and error.
        state: As Vertex AI names it.
        error: Why it failed, in a sentence.
        failed_log: Log of the process that failed first.
    """

    def __init__(self, request: Mapping[str, Any], processes: Processes, logs: Path) -> None:
        self.body = dict(request)
        self.state = "JOB_STATE_RUNNING"
        self.error = ""
        self.failed_log: Path | None = None
        self._processes = processes
        self._logs = logs
        self._thread = threading.Thread(target=self._end, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Waits for its end."""
        self._thread.join()

    def _end(self) -> None:
        try:
            self._run()
        except (UserError, InterruptedError) as error:
            self.error = str(error)
        except (KeyError, ValueError, OSError) as error:
            self.error = f"{type(error).__name__}: {error}"
        self.state = "JOB_STATE_FAILED" if self.error else "JOB_STATE_SUCCEEDED"

    @abc.abstractmethod
    def _run(self) -> None:
        """Runs it to its end; sets `error` if it fails."""


class TrainingJob(RunningJob):
    """A CustomJob."""

    def _run(self) -> None:
        """Runs all replicas to their end; the first to fail ends the others."""
        replicas = replicas_of(self.body)
        clusters = cluster_variables(replicas, free_addresses(len(replicas)))
        logs = [self._logs.with_name(f"{self._logs.name}-{r.name}.log") for r in replicas]
        started = []
        try:
            for replica, cluster, log in zip(replicas, clusters, logs, strict=True):
                variables = replica.variables | cluster
                started.append(self._processes.start(replica.command, log, variables))
            with ThreadPoolExecutor(len(started)) as threads:
                numbers = {
                    threads.submit(self._processes.wait, p): i for i, p in enumerate(started)
                }
                for ended in as_completed(numbers):
                    if ended.result():
                        number = numbers[ended]
                        self.failed_log = logs[number]
                        self.error = (
                            f"Replica {replicas[number].name} ended with status {ended.result()}."
                        )
                        self._processes.end(started)
                        break
        except BaseException:
            self._processes.end(started)
            raise


def free_addresses(count: int) -> list[str]:
    """Addresses of loopback, all different, at which nobody listens."""
    with ExitStack() as stack:
        # All are held until all are known, else the same would come twice.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
