"""Predicts for many rows: `python -m serving.batch --help`."""

import sys

from common.environment import set_environment
from common.imports import without_garbage_collection

set_environment()  # Before TensorFlow loads.

with without_garbage_collection():
    from serving.batch.launch_batch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
