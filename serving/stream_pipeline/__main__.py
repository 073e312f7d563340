"""Answers messages by a Beam pipeline: `python -m serving.stream_pipeline --help`."""

import sys

from common.environment import set_environment
from common.imports import without_garbage_collection

set_environment()  # Before TensorFlow loads.

with without_garbage_collection():
    from serving.stream_pipeline.launch_pipeline import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
