"""Serves a pushed model: `python -m serving --help`."""

import sys

from common.environment import SERVER, set_environment

set_environment(SERVER)  # Before TensorFlow loads.

from serving.server.launch import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
