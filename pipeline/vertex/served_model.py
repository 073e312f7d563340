"""Which version of the model jobs outside of the pipeline predict with."""

from __future__ import annotations

from common.errors import UserError
from pipeline.vertex.cloud import Cloud
from pipeline.vertex.release import place
from pipeline.vertex.releases import Releases
from pipeline.vertex.vertex_settings import VertexSettings
from serving.versions.newest import newest_version


def served_model(settings: VertexSettings, folder: str | None) -> tuple[str, str]:
    """Finds it.

    Args:
        settings: What the user chose.
        folder: Folder of numbered versions; None for where the pipeline pushes.

    Returns:
        What the version is called, and its folder.

    Raises:
        UserError: If there is none.
    """
    if folder is None and settings.push_to == "endpoint":
        return _registered(settings)
    if folder is None and settings.push_to == "bigquery":
        raise UserError(
            "push_to is 'bigquery', where the model is a table's neighbour and no folder.",
            "Ask it with ML.PREDICT, or name a folder of versions with --model-folder.",
        )
    version, path = newest_version(folder or settings.serving_folder)
    return str(version), path


def _registered(settings: VertexSettings) -> tuple[str, str]:
    cloud = Cloud(settings)
    where = place(settings)
    found = Releases(where, cloud.models, cloud.endpoints).in_service()
    if found is None:
        raise UserError(
            f"No version of {where.model} is in the Model Registry of {settings.parent}.",
            "Run the pipeline first, or name a folder of versions with --model-folder.",
        )
    return found.version_id, found.artifact_uri.rstrip("/")
