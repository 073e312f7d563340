"""What a container of Vertex AI runs for a task: TFX's entry point, in an environment of ours.

python -m pipeline.vertex.entry_point --task-timeout=SECONDS --environment=NAME --executor_class...
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Sequence

from common.environment import IMAGE, set_environment
from common.imports import load_less, without_garbage_collection

ENVIRONMENT = "environment"
"""Name of the property with the environment of a run."""

TIMED_OUT = 124
"""Exit status of a task that was given up, as that of coreutils' `timeout`."""


def main(arguments: Sequence[str]) -> None:
    """Runs a task.

    Args:
        arguments: `--task-timeout` and `--environment`, then those of TFX's entry point.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--task-timeout", type=int, help="seconds after which to give up")
    parser.add_argument("--environment", help="environment that outputs are marked with")
    ours, theirs = parser.parse_known_args(arguments)
    if ours.task_timeout:
        _give_up_after(ours.task_timeout)

    set_environment(IMAGE)  # Before TensorFlow loads; a base image of another kind may lack it.
    load_less()
    with without_garbage_collection():
        from absl import app
        from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

        register_artifacts()

    def run(parsed: tuple[argparse.Namespace, list[str]]) -> None:
        kubeflow_v2_run_executor.main(parsed)
        if ours.environment:
            mark_outputs(parsed[0].json_serialized_invocation_args, ours.environment)

    app.run(
        run,
        argv=[sys.argv[0], *theirs],
        flags_parser=kubeflow_v2_run_executor._parse_flags,
    )


def register_artifacts() -> None:
    """Lets TFX find our classes of artifacts behind the schema titles that Vertex AI knows."""
    from tfx.orchestration.kubeflow.v2 import compiler_utils
    from tfx.utils import name_utils

    from report.artifact import HTML

    compiler_utils.TITLE_TO_CLASS_PATH["system.HTML"] = name_utils.get_full_name(HTML)


def mark_outputs(executor_input: str, environment: str) -> None:
    """Writes the environment into the properties of a task's outputs.

    A resolver of Vertex AI looks through the artifacts of all pipelines of a project and region, so
    this is what keeps those of one environment from being the baseline of another.
    """
    from tfx.dsl.io import fileio

    file = json.loads(executor_input)["outputs"]["outputFile"]
    with fileio.open(file, "r") as stream:
        output = json.loads(stream.read())
    for listed in output.get("artifacts", {}).values():
        for artifact in listed["artifacts"]:
            artifact.setdefault("metadata", {})[ENVIRONMENT] = environment
    with fileio.open(file, "w") as stream:
        stream.write(json.dumps(output))


def _give_up_after(seconds: int) -> None:
    """Ends the process then, whatever it waits for: a spec of Vertex AI can't bound a task."""

    def give_up() -> None:
        print(
            f"error: the task took more than {seconds // 60} minutes.\n"
            "Look above for what it waited for, or raise task_timeout.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(TIMED_OUT)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    main(sys.argv[1:])
