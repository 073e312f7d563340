"""Rows that are predicted anew after each push, in the place of TFX's BulkInferrer.

BulkInferrer takes Examples and gives PredictionLogs; here rows keep their columns and keys, and
those that can't be answered are told of, as `serving.batch` does it.
"""

# No `from __future__ import annotations`: TFX reads the annotations of a component as objects. What
# it makes of them, a type checker does not know.
# pyright: reportInvalidTypeArguments=false, reportArgumentType=false
import json
import posixpath

import apache_beam as beam
from absl import logging
from tfx import v1 as tfx
from tfx.utils import io_utils, path_utils

from serving.batch.batch_plan import plan
from serving.batch.launch_batch import start_with, summary, wait
from serving.dead_letters import SUFFIX

FILE = "outcome.json"


@tfx.dsl.components.component(use_beam=True)
def BatchScorer(  # noqa: N802, the name of the node
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    pushed_model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.PushedModel],
    outcome: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.InferenceResult],
    score_input: tfx.dsl.components.Parameter[str],
    score_output: tfx.dsl.components.Parameter[str],
    staging: tfx.dsl.components.Parameter[str] = "",
    code: tfx.dsl.components.Parameter[str] = "",
    beam_pipeline: tfx.dsl.components.BeamComponentParameter[beam.Pipeline] = None,
) -> None:
    """Predicts rows with the model that was pushed; if none was, what there is stays as it is.

    Args:
        model: Of the Trainer.
        pushed_model: Whether it was pushed, and as which version.
        outcome: Gets `outcome.json`, with how many rows were answered and how many were not, the
            latter as dead letters, and a property `summary`, a sentence.
        score_input: Rows: files, a table or a query, as `serving.batch.batch_plan.plan` has it.
        score_output: A file or a table; it appears whole, or stays as it was.
        staging: Folder for what is not yet the output; empty for one beside it.
        code: Fingerprint of this step's code; only TFX's cache reads it.
        beam_pipeline: Has the options of Beam.

    Raises:
        UserError: If there is nothing to read, or it failed.
    """
    tfx.dsl.io.fileio.makedirs(outcome.uri)
    if not _pushed(pushed_model):
        logging.info("No model was pushed, so %s stays as it is.", score_output)
        return
    batch = plan(
        score_input,
        score_output,
        path_utils.serving_model_path(model.uri),
        version_name=pushed_model.get_string_custom_property("pushed_version"),
        dead_letters=posixpath.join(outcome.uri, f"rows{SUFFIX}"),
        staging=staging or None,
    )
    counts = wait(batch, start_with(batch, beam_pipeline.options))
    told = summary(batch, counts)
    logging.info("%s", told)
    outcome.set_string_custom_property("summary", told)
    found = {"output": score_output, "version": batch.version_name, **vars(counts)}
    io_utils.write_string_file(posixpath.join(outcome.uri, FILE), json.dumps(found, indent=2))


def _pushed(pushed_model: tfx.types.standard_artifacts.PushedModel) -> bool:
    # Vertex AI keeps each number as one with a point.
    return bool(
        pushed_model.get_int_custom_property("pushed")
        or pushed_model.get_float_custom_property("pushed")
    )
