"""What can be asked about the places a run needs: region, buckets, table, images, network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.api_core.exceptions import Forbidden, NotFound
from requests.exceptions import ConnectionError

from pipeline.vertex.check.check_result import (
    CheckResult,
    CheckStatus,
    CloudCheck,
    Target,
    failed,
    not_asked,
    passed,
    warning,
)
from pipeline.vertex.cloud import CALL
from pipeline.vertex.failures import quotas
from pipeline.vertex.vertex_settings import VertexSettings

MANIFESTS = ", ".join(
    [
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    ]
)

CHOOSE_REGION = "Choose one of https://cloud.google.com/vertex-ai/docs/general/locations."

US = ("US", "NAM")
"""How locations within the United States begin, of buckets and of datasets."""


def region(target: Target) -> CheckResult:
    """Vertex AI is in the region."""
    settings = target.settings
    try:
        target.cloud.ask("aiplatform", f"v1/{settings.parent}")
    except NotFound:
        return failed(
            f"Vertex AI knows no region {settings.region}",
            CHOOSE_REGION,
        )
    except ConnectionError:  # Each region has a host of its own; what is no region has none.
        return failed(f"nothing answers at {settings.address('aiplatform')}", CHOOSE_REGION)
    return passed(f"Vertex AI answers in {settings.region}")


def buckets(target: Target) -> CheckResult:
    """The buckets are there, ours, and near what reads and writes them."""
    settings = target.settings
    names = {folder.split("/")[2] for folder in (settings.run_root, settings.temp_root)}
    return _worst([_bucket(target, name) for name in sorted(names)])


def table(target: Target) -> CheckResult:
    """The table can be read, and exported to the bucket for temporary files."""
    settings = target.settings
    try:
        location = target.cloud.table(settings.table)["location"].upper()
    except NotFound:
        return failed(f"there is no table {settings.table}", "Correct table.")
    bucket = target.cloud.storage.get_bucket(settings.temp_root.split("/")[2], **CALL)
    place = str(bucket.location).upper()
    if place == location or (location == "US" and place.startswith(US)):
        return passed(f"{settings.table} in {location}, bucket in {place}")
    return failed(
        f"{settings.table} is in {location}, and bucket {bucket.name} in {place}: "
        "BigQuery exports only within one location",
        f"Set temp to a folder of a bucket in {location}.",
    )


def image(target: Target) -> CheckResult:
    """The images of tasks and workers, and of the server if there is one, are there."""
    settings = target.settings
    names = {settings.image, settings.workers_image}
    if settings.push_to == "endpoint":
        names.add(settings.serving_container)
    for name in sorted(names):
        host, _, rest = name.partition("/")
        elsewhere = not re.search(r"(^|\.|-)(docker\.pkg\.dev|gcr\.io)$", host)
        if elsewhere and "registry" not in settings.addresses:
            # The token is for Google's eyes.
            return not_asked(f"{host} is no registry of Google's", "Look there for it yourself.")
        path, mark, reference = rest.partition("@") if "@" in rest else rest.rpartition(":")
        try:
            target.cloud.ask(
                "registry",
                f"v2/{path}/manifests/{reference}",
                headers={"Accept": MANIFESTS},
                registry=host,
            )
        except NotFound:
            return failed(
                f"there is no {path}{mark}{reference} in {host}",
                "Build and push it, or correct image.",
            )
    return passed(", ".join(sorted(names)))


def subnetwork(target: Target) -> CheckResult:
    """Workers without public addresses reach Google Cloud from their subnetwork."""
    settings = target.settings
    named = settings.dataflow_subnetwork or f"regions/{settings.region}/subnetworks/default"
    path = named.partition("/compute/v1/")[2] or named
    if not path.startswith("projects/"):
        path = f"projects/{settings.project}/{path}"
    name = path.rpartition("/")[2]
    try:
        found = target.cloud.ask("compute", f"compute/v1/{path}")
    except NotFound:
        return failed(
            f"there is no subnetwork {name} in {settings.region}",
            "Name one in dataflow_subnetwork: gcloud compute networks subnets list "
            f"--regions {settings.region}.",
        )
    if settings.dataflow_public_ips or found.get("privateIpGoogleAccess"):
        return passed(name)
    return failed(
        f"{name} is without Private Google Access, which workers without public addresses need",
        f"gcloud compute networks subnets update {name} --region {settings.region} "
        "--enable-private-ip-google-access, or set dataflow_public_ips.",
    )


def tensorboard(target: Target) -> CheckResult:
    """The TensorBoard instance is there, if one is named."""
    named = target.settings.tensorboard
    if not named:
        return passed("none is asked for")
    try:
        found = target.cloud.ask("aiplatform", f"v1/{named}")
    except NotFound:
        return failed(
            f"there is no {named}",
            f"gcloud ai tensorboards list --region {target.settings.region} tells those there are.",
        )
    return passed(found.get("displayName", named))


def endpoint(target: Target) -> CheckResult:
    """A model can be deployed to the endpoint."""
    settings = target.settings
    if settings.push_to != "endpoint":
        return passed(f"none is asked for; models go to {settings.push_to}")
    name = settings.endpoint
    query = {"filter": f'display_name="{name}"'}
    answer = target.cloud.ask("aiplatform", f"v1/{settings.parent}/endpoints", params=query)
    found = answer.get("endpoints", [])
    if len(found) > 1:
        return warning(
            f"{len(found)} endpoints are called {name}",
            "Delete all but one, or choose another name: it is not said which is taken.",
        )
    deployed = found[0].get("deployedModels", []) if found else []
    if settings.endpoint_traffic < 100 and not deployed:
        return failed(
            f"{name} has no model yet to share requests with, and endpoint_traffic is "
            f"{settings.endpoint_traffic}",
            "Set it to 100 for the first model.",
        )
    return passed(f"{name} has {len(deployed)} models" if found else f"{name} will be created")


def quota(target: Target) -> CheckResult:
    """Compute Engine has room for Dataflow's workers: cores and disks."""
    settings = target.settings
    path = f"compute/v1/projects/{settings.project}/regions/{settings.region}"
    found = {q["metric"]: q for q in target.cloud.ask("compute", path).get("quotas", [])}
    results = [
        _room(settings, found, metric, each)
        for metric, each in (
            (_cores_metric(settings.dataflow_machine_type), _cores(settings.dataflow_machine_type)),
            ("DISKS_TOTAL_GB", settings.dataflow_disk),
        )
    ]
    return _worst(results)


def other_quotas(target: Target) -> CheckResult:
    """Those of training and serving, which no API tells whoever may only run a pipeline."""
    settings = target.settings
    scale = settings.all_scales[settings.scale]
    wanted = [f"{scale.machines} {scale.machine_type} to train"]
    if scale.accelerator_type:
        wanted.append(f"{scale.machines * scale.accelerator_count} {scale.accelerator_type}")
    if settings.push_to == "endpoint":
        count = settings.endpoint_max_replicas
        wanted.append(f"{count} {settings.endpoint_machine_type} to serve")
    return not_asked(
        f"Vertex AI's own quotas; a run wants {', '.join(wanted)}",
        f"Look at custom_model_training and custom_model_serving: {quotas(settings.project)}.",
    )


def _room(
    settings: VertexSettings, found: Mapping[str, Any], metric: str, each: int
) -> CheckResult:
    """Whether a quota has room for the workers, of which each takes so much."""
    if not each or metric not in found:
        return not_asked(f"no quota is known for {settings.dataflow_machine_type}")
    free = found[metric]["limit"] - found[metric]["usage"]
    least, most = (each * n for n in (settings.dataflow_workers, settings.dataflow_max_workers))
    more = f"Ask for more at {quotas(settings.project)}, or for"
    if free < least:
        return failed(
            f"{metric} has {free:.0f} left, and Dataflow begins with {least}",
            f"{more} fewer dataflow_workers.",
        )
    if free < most:
        return warning(
            f"{metric} has {free:.0f} left, and Dataflow may grow to {most}",
            f"{more} fewer dataflow_max_workers; a job grows only as far as it may.",
        )
    return passed(f"{metric} has {free:.0f} left, enough for {most}")


def _cores(machine_type: str) -> int:
    """Of a machine; 0 if its name does not say."""
    found = re.search(r"-(\d+)(-\d+)?$", machine_type)
    return int(found[1]) if found else 0


def _cores_metric(machine_type: str) -> str:
    family = machine_type.partition("-")[0]
    return "CPUS" if family in ("n1", "e2", "f1", "g1") else f"{family.upper()}_CPUS"


def _near(place: str, region: str) -> bool:
    """Whether a bucket's location is that of a region: a region, or the continent around it."""
    if "-" in place:
        return place == region
    around = {"us": "us-", "nam4": "us-", "eu": "europe-", "eur4": "europe-", "asia": "asia-"}
    return region.startswith(around.get(place, place))


def _worst(results: list[CheckResult]) -> CheckResult:
    worst_first = (
        CheckStatus.FAILED,
        CheckStatus.WARNING,
        CheckStatus.NOT_ASKED,
        CheckStatus.PASSED,
    )
    return min(results, key=lambda result: worst_first.index(result.status))


def _bucket(target: Target, name: str) -> CheckResult:
    settings = target.settings
    try:
        bucket = target.cloud.storage.get_bucket(name, **CALL)
    except NotFound:
        return failed(
            f"there is no bucket {name}",
            f"gcloud storage buckets create gs://{name} --project {settings.project} --location US",
        )
    except Forbidden:
        return failed(
            f"{name} is there, but not for you to look at: it may be another project's",
            f"Name a bucket of {settings.project}, or ask its owner for "
            "roles/storage.legacyBucketReader on it.",
        )
    number = target.project["projectNumber"]
    if str(bucket.project_number) != str(number):
        return failed(
            f"{name} is not of {settings.project} but of project {bucket.project_number}",
            "Its owner can read all that is learned, and change it: name a bucket of your own.",
        )
    place = str(bucket.location).lower()
    if not _near(place, settings.region):
        return warning(
            f"{name} is in {place}, and runs are in {settings.region}",
            "Every byte between them costs; choose region or bucket so that they are together.",
        )
    return passed(f"{name} in {place}, ours")


CHECKS: dict[str, CloudCheck] = {
    "region": region,
    "bucket": buckets,
    "table": table,
    "image": image,
    "subnetwork": subnetwork,
    "TensorBoard": tensorboard,
    "endpoint": endpoint,
    "quota": quota,
    "other quotas": other_quotas,
}
