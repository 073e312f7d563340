"""Answers messages that keep coming: `python -m serving.stream --help`."""

import sys

from common.environment import set_environment

set_environment()  # Before TensorFlow loads.

from serving.stream.launch_stream import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
