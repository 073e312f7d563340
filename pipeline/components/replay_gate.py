"""The gate before the push: the model in the server that will serve it, asked what callers ask.

The Evaluator judges what a model predicts; this step, whether it can be served. It keeps the
promise of TFX's InfraValidator, which needs Docker or Kubernetes and runs on no Vertex AI.
"""

# No `from __future__ import annotations`: TFX reads the annotations of a component as objects. What
# it makes of them, a type checker does not know.
# pyright: reportInvalidTypeArguments=false, reportArgumentType=false
import posixpath
import tempfile
from pathlib import Path

from tfx import v1 as tfx
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from common.errors import UserError
from serving.records.recorded_requests import Recorded, read_recorded
from serving.replay.comparison import FILE
from serving.replay.replay import ROWS, replay

PASSED = "blessed"
"""Name of the property that the Pusher asks for; its value is 1 or 0."""

SPLIT = "test"
"""Whose rows are asked where no requests were recorded."""


@tfx.dsl.components.component
def Replay(  # noqa: N802, the name of the node
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    blessing: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.InfraBlessing],
    requests: tfx.dsl.components.Parameter[str] = "",
    max_p99_ms: tfx.dsl.components.Parameter[float] = 1000.0,
    code: tfx.dsl.components.Parameter[str] = "",
    champion: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model] = None,
) -> None:
    """Replays requests, and blesses the model for the Pusher if it answers them as it should.

    Args:
        examples: Rows of their test split are asked where no requests were recorded.
        model: The candidate.
        blessing: Gets `replay.json`, and a property `blessed`; see `serving.replay.comparison`.
        requests: Folder of a server's log of requests; empty for none.
        max_p99_ms: The longest that 99% of requests of one row may take, in milliseconds.
        code: Fingerprint of this step's code; only TFX's cache reads it.
        champion: The latest other model that was blessed, if there is one.

    Raises:
        UserError: If there is nothing to ask.
    """
    recorded, source = _recorded(examples, requests)
    with tempfile.TemporaryDirectory() as folder:
        found = replay(
            _copy(model, Path(folder) / "candidate"),
            _copy(champion, Path(folder) / "champion") if champion else None,
            recorded,
            source,
            max_p99_ms,
        )
    # TFX makes the folder when it runs the step itself; a container of Vertex AI does not.
    tfx.dsl.io.fileio.makedirs(blessing.uri)
    io_utils.write_string_file(posixpath.join(blessing.uri, FILE), found.to_json())
    blessing.set_int_custom_property(PASSED, int(found.passed))


def _recorded(examples: tfx.dsl.Artifact, requests: str) -> tuple[Recorded, str]:
    if requests:
        found, source = read_recorded(requests, ROWS), f"the log of requests {requests}"
        cure = "Name the folder of a server's --request-log, or leave replay_requests out."
    else:
        uri = artifact_utils.get_split_uris([examples], SPLIT)[0]
        found, source = read_recorded(uri, ROWS), f"the {SPLIT} split"
        cure = "Take more rows, or name a server's log of requests as replay_requests."
    if not found.rows:
        refused = (
            f" {found.left_out:,} are not as models/features.py declares." if found.left_out else ""
        )
        raise UserError(f"There are no requests to replay in {source}.{refused}", cure)
    return found, source


def _copy(model: tfx.dsl.Artifact, folder: Path) -> str:
    """A copy on this machine: a server takes no half a model, and not each reads buckets."""
    io_utils.copy_dir(path_utils.serving_model_path(model.uri), str(folder))
    return str(folder)
