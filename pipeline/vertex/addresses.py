"""Where Google Cloud answers; the one place that says so for what this runner asks itself."""

from __future__ import annotations

from typing import Annotated, Literal

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
    "aiplatform": "https://{region}-aiplatform.googleapis.com",
    "artifactregistry": "https://artifactregistry.googleapis.com",
    "bigquery": "https://bigquery.googleapis.com",
    "cloudresourcemanager": "https://cloudresourcemanager.googleapis.com",
    "compute": "https://compute.googleapis.com",
    "dataflow": "https://dataflow.googleapis.com",
    "iam": "https://iam.googleapis.com",
    "iamcredentials": "https://iamcredentials.googleapis.com",
    "registry": "https://{registry}",  # The one that an image names.
    "serviceusage": "https://serviceusage.googleapis.com",
    "storage": "https://storage.googleapis.com",
}
"""By service, where it is in Google's public cloud."""

Address = Annotated[
    str,
    AfterValidator(lambda address: address.rstrip("/")),
    matching(r"https?://[^/\s]+", "https://us-central1-aiplatform-mine.p.googleapis.com"),
]
