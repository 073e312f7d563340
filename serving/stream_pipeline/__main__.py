"""Answers messages by a Beam pipeline: `python -m serving.stream_pipeline --help`."""

import sys

from common.environment import set_environment

set_environment()  # Before TensorFlow loads.

from serving.stream_pipeline.launch_pipeline import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
