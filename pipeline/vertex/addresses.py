"""Where Google Cloud answers; the one place that says so for what this runner asks itself."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator

from pipeline.vertex.resource_names import matching

Service = Literal[
    "aiplatform",
    "artifactregistry",
    "bigquery",
    "cloudresourcemanager",
    "compute",
    "dataflow",
    "iam",
    "iamcredentials",
    "registry",
    "serviceusage",
    "storage",
]

ADDRESSES: dict[Service, str] = {
    **{service: f"https://{service}.googleapis.com" for service in get_args(Service)},
    "aiplatform": "https://{region}-aiplatform.googleapis.com",
    "registry": "https://{registry}",  # The one that an image names.
}
"""By service, where it is in Google's public cloud."""

Address = Annotated[
    str,
    AfterValidator(lambda address: address.rstrip("/")),
    matching(r"https?://[^/\s]+", "https://us-central1-aiplatform-mine.p.googleapis.com"),
]
