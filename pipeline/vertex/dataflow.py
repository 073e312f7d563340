"""Options of Beam where it runs on Dataflow, and where people look at its jobs."""

from __future__ import annotations

from data.table import TABLE
from pipeline.vertex.vertex_settings import VertexSettings


def job_flags(settings: VertexSettings) -> list[str]:
    """Options that all jobs share."""
    account = settings.dataflow_service_account or settings.service_account
    options = {
        "runner": "DataflowRunner",
        "project": settings.project,  # Also the one that BigQuery bills.
        "region": settings.region,
        "temp_location": settings.temp_root,
        "staging_location": f"{settings.temp_root}/staging",
        "service_account_email": account,
        "machine_type": settings.dataflow_machine_type,
        "num_workers": settings.dataflow_workers,
        "max_num_workers": settings.dataflow_max_workers,
        "disk_size_gb": settings.dataflow_disk,
        "subnetwork": settings.dataflow_subnetwork,
        "pickle_library": "cloudpickle",
        "sdk_container_image": settings.workers_image,
    }
    flags = [f"--{name}={value}" for name, value in options.items() if value is not None]
    flags += [f"--labels={name}={value}" for name, value in sorted(settings.labels.items())]
    return flags if settings.dataflow_public_ips else [*flags, "--no_use_public_ips"]


def bounded(settings: VertexSettings) -> str:
    """The option that ends a job of rows that have an end, whatever becomes of who started it."""
    seconds = 60 * settings.dataflow_timeout
    return f"--dataflow_service_options=max_workflow_runtime_walltime_seconds={seconds}"


def own_job_flags(settings: VertexSettings, name: str) -> list[str]:
    """Options of a job that this runner starts itself; it is called behind the pipeline's name."""
    # Dataflow knows lower-case letters, digits and dashes.
    whole = f"{TABLE.pipeline}-{settings.environment}-{name}".replace("_", "-").lower()
    flags = [*job_flags(settings), f"--job_name={whole}"]
    if "dataflow" in settings.addresses:
        flags.append(f"--dataflow_endpoint={settings.address('dataflow')}")
    return flags


def console_link(settings: VertexSettings, job_id: str) -> str:
    """Where people see how a job goes."""
    return (
        f"https://console.cloud.google.com/dataflow/jobs/{settings.region}/{job_id}"
        f"?project={settings.project}"
    )
