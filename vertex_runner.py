"""Takes the natality pipeline to Vertex AI: `python vertex_runner.py --help`."""

from __future__ import annotations

import os
import signal
import sys

# Read by TensorFlow, Keras and gRPC as they load, so set before anything else; a user's own choice
# stands.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def run() -> int:
    """Runs the command line; loading it takes a moment in which a user may already press Ctrl-C."""
    try:
        from pipeline.vertex.commands import main

        return main(sys.argv[1:])
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    status = run()
    sys.stdout.flush()
    # Libraries have more to say as Python takes them down, and are not to be disturbed.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    sys.exit(status)
