"""`release`: which version of the model an endpoint asks, and how to go on or back."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.errors import UserError
from data.table import TABLE
from pipeline.vertex.cloud import Cloud
from pipeline.vertex.options import Release
from pipeline.vertex.releases import Place, Releases
from pipeline.vertex.vertex_settings import VertexSettings
from serving.versions.newest import newest_version


def place(settings: VertexSettings) -> Place:
    """Where the model is served, as settings have it."""
    return Place(
        parent=settings.parent,
        model=f"{TABLE.pipeline}-{settings.environment}",
        endpoint=settings.endpoint,
        dedicated=settings.endpoint_dedicated,
        image=settings.serving_container,
        machine_type=settings.endpoint_machine_type,
        min_replicas=settings.endpoint_min_replicas,
        max_replicas=settings.endpoint_max_replicas,
        labels=settings.labels,
    )


def run(settings: VertexSettings, options: Release, console: Console) -> int:
    """Shows the versions, promotes one, or goes back.

    Raises:
        UserError: If there is no version for it.
    """
    if not (options.status or options.promote or options.rollback):
        raise UserError(
            "It is not said what to do with the release.", "Name one of status, promote, rollback."
        )
    cloud = Cloud(settings)
    releases = Releases(place(settings), cloud.models, cloud.endpoints)
    if options.status:
        show(releases, console)
        return 0
    console.print("A version that is not deployed takes minutes to start ...")
    chosen = options.promote
    version = releases.promote(chosen.version) if chosen else releases.roll_back()
    console.print(f"Version {version} gets all requests.", highlight=False)
    return 0


def show(releases: Releases, console: Console) -> None:
    """Lists the versions."""
    found = releases.status()
    if not found:
        console.print("No version has been pushed.")
        return
    table = Table("Version", "Traffic", "Called", "Run", box=None, header_style="dim")
    for each in found:
        traffic = "" if each.traffic is None else f"{each.traffic}%"
        table.add_row(each.version, traffic, Text(", ".join(each.aliases)), Text(each.run))
    console.print(table)


def served_model(settings: VertexSettings, folder: str | None) -> tuple[str, str]:
    """Finds the version that jobs outside of the pipeline predict with.

    Args:
        settings: What the user chose.
        folder: Folder of numbered versions; None for where the pipeline pushes.

    Returns:
        What the version is called, and its folder.

    Raises:
        UserError: If there is none.
    """
    if folder is None and settings.push_to == "endpoint":
        cloud, where = Cloud(settings), place(settings)
        found = Releases(where, cloud.models, cloud.endpoints).in_service()
        if found is None:
            raise UserError(
                f"No version of {where.model} is in the Model Registry of {settings.parent}.",
                "Run the pipeline first, or name a folder of versions with --model-folder.",
            )
        return found.version_id, found.artifact_uri.rstrip("/")
    if folder is None and settings.push_to == "bigquery":
        raise UserError(
            "push_to is 'bigquery', where the model is a table's neighbour and no folder.",
            "Ask it with ML.PREDICT, or name a folder of versions with --model-folder.",
        )
    version, path = newest_version(folder or settings.serving_folder)
    return str(version), path
