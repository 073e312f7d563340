"""What Google Cloud asks of names, so that a wrong one is told before anything runs."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator


def matching(pattern: str, example: str) -> AfterValidator:
    """Asks for text that matches a pattern.

    Args:
        pattern: What all of it must match.
        example: What to write instead, for people.
    """

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"write it like {example}")
        return text

    return AfterValidator(check)


def _check_cron(cron: str) -> str:
    usual = "write minute, hour, day, month and weekday, like 0 6 * * 1"
    try:
        CronSim(cron, datetime(2000, 1, 1))
    except CronSimError as error:
        raise ValueError(f"{error}; {usual}") from error
    # CronSim knows seconds, last days and the second Monday of a month too.
    if len(cron.split()) != 5 or not re.fullmatch(_CRON, cron, re.IGNORECASE):
        raise ValueError(f"Vertex AI knows numbers, names, * , - and / alone; {usual}")
    return cron


def _check_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("write a place or UTC, like Europe/Berlin or Etc/UTC") from error
    return name


def _check_spec(file: Path) -> Path:
    if file.suffix not in (".json", ".yaml", ".yml"):
        raise ValueError("the name must end in .json, .yaml or .yml")
    return file.expanduser()


_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_WEEKDAYS = "mon|tue|wed|thu|fri|sat|sun"
_CRON = rf"([\d*,/\s-]|\b({_MONTHS}|{_WEEKDAYS})\b)+"

_ID = r"[a-z][a-z0-9-]*[a-z0-9]"
_PROJECT = rf"([a-z0-9.-]+:)?{_ID}"
_REGION = r"[a-z]+-[a-z]+\d+"
_IMAGE_NAME = r"[\w.-]+(:\d+)?(/[\w.-]+)+"

Project = Annotated[str, matching(_PROJECT, "my-project, an id and not a name or a number")]
Region = Annotated[str, matching(_REGION, "us-central1, a region and not a zone")]
ServiceAccount = Annotated[
    str,
    matching(r"[\w-]+@[\w.-]+\.gserviceaccount\.com", "runner@my-project.iam.gserviceaccount.com"),
]
# What an image without a tag is changes from day to day.
Image = Annotated[
    str,
    matching(
        rf"{_IMAGE_NAME}(:[\w.-]+|@sha256:[0-9a-f]{{64}})",
        "us-central1-docker.pkg.dev/my-project/repository/image:1, with a tag or a digest",
    ),
]
MachineType = Annotated[str, matching(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", "n2-standard-4")]
Accelerator = Annotated[str, matching(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", "NVIDIA_L4")]
Network = Annotated[
    str, matching(r"projects/\d+/global/networks/[\w-]+", "projects/123456/global/networks/default")
]
Subnetwork = Annotated[
    str,
    matching(
        rf"(https://www\.googleapis\.com/compute/v1/)?(projects/{_PROJECT}/)?"
        rf"regions/{_REGION}/subnetworks/[\w-]+",
        "regions/us-central1/subnetworks/default",
    ),
]
TensorBoard = Annotated[
    str,
    matching(
        rf"projects/[\w:.-]+/locations/{_REGION}/tensorboards/\d+",
        "projects/123456/locations/us-central1/tensorboards/789",
    ),
]
Folder = Annotated[
    str,
    AfterValidator(lambda uri: uri.rstrip("/")),
    matching(r"gs://[a-z0-9][a-z0-9._-]+[a-z0-9](/[^\s/?#\[\]*]+)*", "gs://my-bucket/folder"),
]
BucketFile = Annotated[
    str,
    matching(r"gs://[a-z0-9][a-z0-9._-]+[a-z0-9](/[^\s/?#\[\]*]+)+", "gs://my-bucket/rows.jsonl"),
]
Subscription = Annotated[
    str,
    matching(
        rf"projects/{_PROJECT}/subscriptions/[\w.~+%-]{{3,255}}", "projects/p/subscriptions/s-1"
    ),
]
Topic = Annotated[
    str, matching(rf"projects/{_PROJECT}/topics/[\w.~+%-]{{3,255}}", "projects/p/topics/t-1")
]
BigQueryTable = Annotated[
    str,
    AfterValidator(lambda name: name.removeprefix("bq:")),
    matching(rf"{_PROJECT}\.\w+\.[\w-]+", "bq:my-project.my_dataset.my_table"),
]
EndpointName = Annotated[
    str, matching(r"[\w -]{1,128}", "my-endpoint, at most 128 letters and digits")
]
Webhook = Annotated[
    str,
    matching(
        r"https://[^\s/]+/\S*|projects/[\w:.-]+/secrets/[\w-]+/versions/(\d+|latest)",
        "https://chat.example.com/hooks/1, or projects/my-project/secrets/webhook/versions/latest",
    ),
]
LabelKey = Annotated[str, matching(r"[a-z][a-z0-9_-]{0,62}", "team, in lower case")]
LabelValue = Annotated[str, matching(r"[a-z0-9_-]{0,63}", "research, in lower case")]
Cron = Annotated[str, AfterValidator(_check_cron)]
JobId = Annotated[str, matching(r"[a-z][a-z0-9-]{0,127}", "run-20260101-060000-1a2b")]
TimeZone = Annotated[str, AfterValidator(_check_time_zone)]
SpecFile = Annotated[Path, AfterValidator(_check_spec)]
