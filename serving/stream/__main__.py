"""Answers messages that keep coming: `python -m serving.stream --help`."""

import sys

from common.environment import set_environment
from common.imports import without_garbage_collection

set_environment()  # Before TensorFlow loads.

with without_garbage_collection():
    from serving.stream.launch_stream import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
