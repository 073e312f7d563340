"""What a container of Vertex AI runs for a task: TFX's entry point, in an environment of ours.

python -m pipeline.vertex.entry_point --task-timeout=SECONDS --executor_class_path=... ...
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Sequence

from common.environment import IMAGE, set_environment

TIMED_OUT = 124
"""Exit status of a task that was given up, as that of coreutils' `timeout`."""


def main(arguments: Sequence[str]) -> None:
    """Runs a task.

    Args:
        arguments: `--task-timeout`, then those of TFX's entry point.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--task-timeout", type=int, help="seconds after which to give up")
    ours, theirs = parser.parse_known_args(arguments)
    if ours.task_timeout:
        _give_up_after(ours.task_timeout)

    set_environment(IMAGE)  # Before TensorFlow loads; a base image of another kind may lack it.
    from absl import app
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    register_artifacts()
    app.run(
        kubeflow_v2_run_executor.main,
        argv=[sys.argv[0], *theirs],
        flags_parser=kubeflow_v2_run_executor._parse_flags,
    )


def register_artifacts() -> None:
    """Lets TFX find our classes of artifacts behind the schema titles that Vertex AI knows."""
    from tfx.orchestration.kubeflow.v2 import compiler_utils
    from tfx.utils import name_utils

    from report.artifact import HTML

    compiler_utils.TITLE_TO_CLASS_PATH["system.HTML"] = name_utils.get_full_name(HTML)


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
