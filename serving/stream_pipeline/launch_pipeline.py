"""The program: starts the pipeline on one of Beam's runners."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult

from common.errors import UserError
from data.table import TABLE
from serving.stream_pipeline.answer_steps import StreamJob, answer_stream
from serving.versions.newest import newest_version

RUNNER = "apache_beam.runners.direct.direct_runner.BundleBasedDirectRunner"
"""The one of Beam's own, in this process, that reads Pub/Sub; by name, as DirectRunner may be one
that Beam would download. For trying things out: it acknowledges what it has not yet answered."""

DONE, FAILED = 0, 1
"""Exit statuses; argparse ends with 2 where arguments are wrong."""


def start(job: StreamJob, beam_flags: Sequence[str] = ()) -> PipelineResult:
    """Starts the pipeline; where the options of Beam name no runner, in this process.

    Raises:
        UserError: If a name is none.
    """
    here = not any(flag.startswith("--runner") for flag in beam_flags)
    flags = [*beam_flags, f"--runner={RUNNER}"] if here else list(beam_flags)
    options = PipelineOptions(["--streaming", "--pickle_library=cloudpickle", *flags])
    pipeline = beam.Pipeline(options=options)
    try:
        answer_stream(pipeline, job)
    except ValueError as error:  # As Beam says that a name is none.
        raise UserError(
            f"The stream can't be made: {error}",
            "Name subscription and topics as projects/PROJECT/subscriptions/NAME and "
            "projects/PROJECT/topics/NAME, with a project's id of six letters or more.",
        ) from error
    return pipeline.run()


def main(arguments: Sequence[str]) -> int:
    """Runs the command line, where Beam's options stand behind `--`; returns the exit status."""
    flags = list(arguments)
    beam_flags = flags[flags.index("--") + 1 :] if "--" in flags else []
    parser = argparse.ArgumentParser(
        prog="python -m serving.stream_pipeline",
        description="Answers the messages of a Pub/Sub subscription by a Beam pipeline. Beam's "
        "options stand behind --; without a runner it runs in this process, to be tried out.",
    )
    parser.add_argument("--subscription", required=True, help="as projects/P/subscriptions/S")
    parser.add_argument("--answers", required=True, help="topic, as projects/P/topics/T")
    parser.add_argument("--dead-letters", required=True, help="topic of what can't be answered")
    parser.add_argument("--table", help="gets the answers as well, as project.dataset.table")
    parser.add_argument(
        "--model-folder",
        default=f"runs/serving/{TABLE.pipeline}",
        help="folder of numbered versions, of which the newest answers",
    )
    parser.add_argument("--id-attribute", help="attribute with the id; else Pub/Sub's own")
    parser.add_argument("--most-bytes", type=int, default=StreamJob.most_bytes, help="of a message")
    chosen = parser.parse_args(flags[: flags.index("--")] if "--" in flags else flags)
    try:
        number, path = newest_version(chosen.model_folder)
        job = StreamJob(
            chosen.subscription,
            chosen.answers,
            chosen.dead_letters,
            path,
            number,
            id_attribute=chosen.id_attribute,
            most_bytes=chosen.most_bytes,
            table=chosen.table,
            # In this process, Beam has no side inputs that change.
            watched=chosen.model_folder if beam_flags else None,
        )
        start(job, beam_flags).wait_until_finish()
    except UserError as error:
        print(f"error: {error.cause}\n{error.cure}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    return DONE
