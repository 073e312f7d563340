"""The Pusher that makes a version in the Model Registry and deploys it to an endpoint.

TFX's own uploads each push as a new model that knows nothing of the others, sends it all requests
at once, and leaves those before it deployed and billed.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from absl import logging
from google.cloud import aiplatform_v1
from tfx import types
from tfx import v1 as tfx
from tfx.components.pusher import executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, json_utils

from pipeline.vertex.releases import Place, Releases, is_prebuilt
from pipeline.vertex.run_details import run_page
from pipeline.vertex.smoke_request import ask_deployed

X = tfx.extensions.google_cloud_ai_platform

TRAFFIC = "traffic"
LABELS = "version_labels"
PLACE = "place"
"""Keys of the serving arguments, in the Pusher's `custom_config`."""


class Executor(executor.Executor):
    """Uploads, deploys with a share of the traffic, undeploys what gets none."""

    def Do(  # noqa: N802, TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model if it is blessed; called by TFX."""
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        config = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        serving = config[X.SERVING_ARGS_KEY]
        place = Place(**serving[PLACE])
        # The artifact is the copy that stays: the Trainer's may be removed with its run.
        io_utils.copy_dir(src=self.GetModelPath(input_dict), dst=pushed.uri)
        run = run_of(pushed.uri)
        releases = _releases(place)
        version = releases.upload(pushed.uri, run, _about(place, run), serving[LABELS])
        releases.deploy(version, serving[TRAFFIC])
        # A ready-made server wants what a caller of ours may leave out.
        asked = None if is_prebuilt(place.image) else releases.deployed(version)
        if asked:
            endpoint, deployed = asked
            value = ask_deployed(_predictions(place, endpoint), endpoint.name, deployed)
            logging.info("Version %s answers the example request with %g.", version, value)
        self._MarkPushed(
            pushed, pushed_destination=f"{place.model_name}@{version}", pushed_version=version
        )


class Pusher(X.Pusher):
    """TFX's Pusher on Vertex AI, with the executor above."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)


def run_of(uri: str) -> str:
    """The run that an artifact is of.

    Args:
        uri: Its place, which Vertex AI names .../PROJECT NUMBER/RUN/TASK/OUTPUT.
    """
    return PurePosixPath(uri).parts[-3]


def _releases(place: Place) -> Releases:
    region = place.parent.rpartition("/")[2]
    options = {"api_endpoint": f"{region}-aiplatform.googleapis.com"}
    return Releases(
        place,
        aiplatform_v1.ModelServiceClient(transport="rest", client_options=options),
        aiplatform_v1.EndpointServiceClient(transport="rest", client_options=options),
    )


def _predictions(
    place: Place, endpoint: aiplatform_v1.Endpoint
) -> aiplatform_v1.PredictionServiceClient:
    region = place.parent.rpartition("/")[2]
    address = endpoint.dedicated_endpoint_dns or f"{region}-aiplatform.googleapis.com"
    return aiplatform_v1.PredictionServiceClient(
        transport="rest", client_options={"api_endpoint": address}
    )


def _about(place: Place, run: str) -> str:
    """What people read of a version: the report is an artifact of its run."""
    _, project, _, region = place.parent.split("/")
    return f"Report and lineage: {run_page(project, region, run)}"
