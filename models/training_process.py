"""A training in a process of its own: `python -m models.training_process`, told by standard input.

It ends with the process that started it: a trial of a search that is killed must not run on.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from common.imports import without_garbage_collection


def main() -> None:
    """Trains as it is told, by the arguments of the Trainer as a JSON object.

    The argument of its own is the id of the process that started it.
    """
    _end_with(int(sys.argv[1]))
    told = json.loads(sys.stdin.read())
    with without_garbage_collection():
        from tfx.components.trainer.fn_args_utils import FnArgs

        from models.task import run_fn

    run_fn(FnArgs(**told))


def _end_with(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
