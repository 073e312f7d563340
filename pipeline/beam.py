"""Options of Beam where it runs in the process of each component."""

from __future__ import annotations

from pathlib import Path

RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""Beam's own, in the process. DirectRunner may be another: newer versions would download it."""


def in_process(setup_file: Path) -> list[str]:
    """Options of Beam's own runner, on a laptop and in a rehearsal.

    Args:
        setup_file: A setup.py that is there.
    """
    return [
        f"--runner={RUNNER}",
        # More workers cost more than they bring on one machine.
        "--direct_running_mode=in_memory",
        "--direct_num_workers=1",
        "--pickle_library=cloudpickle",
        # What workers would install. Without it TFX builds a package of itself for each component,
        # two seconds each.
        f"--setup_file={setup_file}",
    ]
