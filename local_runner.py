"""Runs the natality pipeline on this machine: `python local_runner.py --help`."""

from __future__ import annotations

import os
import sys

# Read by TensorFlow, Keras and gRPC as they load, so set before anything else; a user's own choice
# stands.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
