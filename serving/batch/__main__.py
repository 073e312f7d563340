"""Predicts for many rows: `python -m serving.batch --help`."""

import sys

from common.environment import set_environment

set_environment()  # Before TensorFlow loads.

from serving.batch.launch_batch import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
