"""`vertex_runner.py` as a user runs it; only the addresses of the services differ."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from compiled import ACCOUNT, BUCKET, IMAGE, PROJECT
from dataflow_service import Dataflow
from image import CHECKOUT


def run_command(dataflow: Dataflow, key: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command that starts a job.

    Args:
        dataflow: Takes the job.
        key: Credentials.
        arguments: Settings beside those that must be given, the command and its options.
    """
    required = ("--project", PROJECT, "--run-root", f"gs://{BUCKET}/natality")
    required += ("--service-account", ACCOUNT, "--image", IMAGE)
    required += ("--addresses", f"dataflow={dataflow.url}")
    jobs = len(dataflow.jobs)
    ended = subprocess.run(
        [sys.executable, "vertex_runner.py", *required, *arguments],
        cwd=CHECKOUT,
        env={k: v for k, v in os.environ.items() if not k.startswith("NATALITY_")}
        | worker_variables(dataflow)
        | {"GOOGLE_APPLICATION_CREDENTIALS": str(key)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert len(dataflow.jobs) == jobs + 1, ended.stdout[-5000:]
    return ended


def worker_variables(dataflow: Dataflow) -> dict[str, str]:
    """Where workers find the bucket."""
    return {"STORAGE_EMULATOR_HOST": dataflow.storage_url, "NO_GCE_CHECK": "true"}
