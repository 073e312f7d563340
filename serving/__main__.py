"""Serves a pushed model: `python -m serving --help`."""

import sys

from common.environment import SERVER, set_environment
from common.imports import without_garbage_collection

set_environment(SERVER)  # Before TensorFlow loads.

with without_garbage_collection():
    from serving.server.launch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
