"""Runs a staged pipeline with SDK workers of another Python: PIPELINE PYTHON OPTIONS.

Only Beam is here; the project's own code is where the workers have it, or nowhere.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
import traceback
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_provision_api_pb2, beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.runner import PipelineState
from google.protobuf import json_format, struct_pb2
from pubsub_steps import fill_in

COUNTER = "counter:"
"""Before each of the pipeline's own counters: its step, namespace, name and value."""


def run(file: Path, python: str, options: dict) -> bool:
    """Runs it; whether it ended well."""
    pipeline = beam_runner_api_pb2.Pipeline.FromString(file.read_bytes())
    if emulator := os.environ.get("PUBSUB_EMULATOR_HOST"):
        fill_in(pipeline, emulator)
    # What the boot program of a worker's container ends in.
    worker = shlex.join([python, "-I", "-m", "apache_beam.runners.worker.sdk_worker_main"])
    for environment in pipeline.components.environments.values():
        environment.urn = python_urns.SUBPROCESS_SDK
        environment.payload = f"exec {worker}".encode()
        del environment.dependencies[:]  # Installed already.
    # As text: a Struct knows no integers, and makes 1.0 of 1.
    told = {k: str(v) if type(v) is int else v for k, v in options["options"].items()}
    provision = beam_provision_api_pb2.ProvisionInfo(
        pipeline_options=json_format.ParseDict({"options": told}, struct_pb2.Struct())
    )
    runner = fn_runner.FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(provision))
    result = runner.run_via_runner_api(pipeline, PipelineOptions([]))
    done = result.wait_until_finish() == PipelineState.DONE
    for counter in result.metrics().query()["counters"]:
        key = counter.key
        found = [key.step, key.metric.namespace, key.metric.name, counter.committed]
        print(COUNTER, json.dumps(found))
    return done


def _give_up(failed: threading.ExceptHookArgs) -> None:
    """A worker died: Beam tells so in a thread, and would wait for it for ever."""
    traceback.print_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
    os._exit(1)


if __name__ == "__main__":
    threading.excepthook = _give_up
    done = run(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
    sys.exit(0 if done else 1)
