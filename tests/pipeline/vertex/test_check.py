"""What check finds: with all in place, with one thing wrong, and without Google Cloud."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import storage
from google_cloud import GoogleCloud, Request, refusal

from pipeline.vertex.check.check_result import CheckStatus, Target
from pipeline.vertex.check.local_checks import locked_versions
from pipeline.vertex.check.place_checks import image
from pipeline.vertex.cloud import Cloud
from pipeline.vertex.commands import main
from pipeline.vertex.vertex_settings import load_settings

PROJECT = "/v1/projects/my-project"
PLACE = f"{PROJECT}/locations/us-central1"
ACCOUNT = "/v1/projects/-/serviceAccounts/runner@my-project.iam.gserviceaccount.com"
COMPUTE = "/compute/v1/projects/my-project/regions/us-central1"
MANIFEST = "/v2/my-project/natality/natality/manifests/1"
WORKERS = "/v2/my-project/natality/natality-workers/manifests/1"
TABLE = "/bigquery/v2/projects/bigquery-public-data/datasets/samples/tables/natality"
ROLES = (
    "aiplatform.user",
    "artifactregistry.reader",
    "bigquery.user",
    "dataflow.developer",
    "dataflow.worker",
)


def held(request: Request) -> dict[str, Any]:
    return {"permissions": request.body["permissions"]}


def enabled(request: Request) -> dict[str, Any]:
    names = request.query["names"]
    return {"services": [{"name": name, "state": "ENABLED"} for name in names]}


@pytest.fixture
def in_place(google: GoogleCloud) -> GoogleCloud:
    """A project in which nothing is missing."""
    member = "serviceAccount:runner@my-project.iam.gserviceaccount.com"
    bindings = [{"role": f"roles/{role}", "members": [member]} for role in ROLES]
    google.on(f"GET {PROJECT}", {"projectNumber": "0", "lifecycleState": "ACTIVE"})
    google.on(f"POST {PROJECT}:testIamPermissions", held)
    google.on(f"POST {PROJECT}:getIamPolicy", {"bindings": bindings})
    google.on(f"GET {PROJECT}/services:batchGet", enabled)
    google.on(f"GET {ACCOUNT}", {"email": "runner@my-project.iam.gserviceaccount.com"})
    google.on(f"POST {ACCOUNT}:testIamPermissions", held)
    google.on(f"GET {PLACE}", {"locationId": "us-central1"})
    google.on(f"GET {PLACE}/endpoints", {})
    google.on(f"GET {TABLE}", {"location": "US"})
    google.on(f"GET {MANIFEST}", {"schemaVersion": 2})
    google.on(f"GET {WORKERS}", {"schemaVersion": 2})
    google.on(f"GET {COMPUTE}/subnetworks/default", {"privateIpGoogleAccess": True})
    quota = {"metric": "N2_CPUS", "limit": 200.0, "usage": 40.0}
    google.on(f"GET {COMPUTE}", {"quotas": [quota]})
    return google


Checked = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture
def checked(online: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> Checked:
    """Exit status, and what is told about each thing: its mark, the result and the cure."""

    def check(*flags: str) -> tuple[int, dict[str, str]]:
        status = main([*online, *flags, "check"])
        told: dict[str, str] = {}
        name = ""
        for line in capfd.readouterr().out.splitlines():
            if start := re.match(r"([✓!✗?]) (.{15}) (.*)", line):
                name = start[2].strip()
                told[name] = f"{start[1]} {start[3]}"
            elif line.startswith("  "):
                told[name] += f" {line.strip()}"
            elif line.strip():
                told["in all"] = line.strip()
        return status, {name: " ".join(text.split()) for name, text in told.items()}

    return check


def test_all_in_place(in_place: GoogleCloud, checked: Checked):
    status, told = checked()
    assert status == 0
    assert told["in all"] == "17 passed", told
    assert told["image"].endswith("us-central1-docker.pkg.dev/my-project/natality/natality:1")
    assert told["quota"] == "✓ N2_CPUS has 160 left, enough for 40"
    assert "as locked" in told["versions"]
    (asked,) = in_place.asked(f"GET {MANIFEST}")
    assert asked.token
    assert not in_place.asked("(POST|PATCH|DELETE) (?!.*(testIamPermissions|getIamPolicy)).*")


def disable(request: Request) -> dict[str, Any]:
    return {
        "services": [
            {"name": name, "state": "DISABLED" if "dataflow" in name else "ENABLED"}
            for name in request.query["names"]
        ]
    }


NOTHING = refusal(404, "not found", "NOT_FOUND")


@pytest.mark.parametrize(
    ("name", "pattern", "answer", "said", "flags"),
    [
        (
            "APIs",
            f"GET {PROJECT}/services:batchGet",
            disable,
            "gcloud services enable dataflow.googleapis.com --project my-project",
            [],
        ),
        (
            "permissions",
            f"POST {PROJECT}:testIamPermissions",
            {},
            "you lack aiplatform.pipelineJobs.cancel",
            [],
        ),
        (
            "project",
            f"GET {PROJECT}",
            {"projectNumber": "0", "lifecycleState": "DELETE_REQUESTED"},
            "is delete_requested",
            [],
        ),
        (
            "service account",
            f"GET {ACCOUNT}",
            NOTHING,
            "gcloud iam service-accounts create runner --project my-project",
            [],
        ),
        ("service account", f"GET {ACCOUNT}", {"disabled": True}, "is disabled", []),
        (
            "service account",
            f"POST {ACCOUNT}:testIamPermissions",
            {},
            "roles/iam.serviceAccountUser on the service account",
            [],
        ),
        ("region", f"GET {PLACE}", NOTHING, "Vertex AI knows no region us-central1", []),
        ("table", f"GET {TABLE}", {"location": "EU"}, "BigQuery exports only within one", []),
        ("table", f"GET {TABLE}", NOTHING, "there is no table", []),
        ("image", f"GET {MANIFEST}", NOTHING, "Build and push it, or correct image.", []),
        ("image", f"GET {WORKERS}", NOTHING, "there is no my-project/natality/natality-work", []),
        (
            "subnetwork",
            f"GET {COMPUTE}/subnetworks/default",
            {},
            "--enable-private-ip-google-access",
            [],
        ),
        ("subnetwork", f"GET {COMPUTE}/subnetworks/default", NOTHING, "dataflow_subnetwork", []),
        (
            "TensorBoard",
            "GET /none",
            {},
            "there is no projects/1/locations/us-central1/tensorboards/2",
            ["--tensorboard", "projects/1/locations/us-central1/tensorboards/2"],
        ),
        ("endpoint", "GET /none", {}, "Set it to 100", ["--endpoint-traffic", "10"]),
        (
            "quota",
            f"GET {COMPUTE}",
            {"quotas": [{"metric": "N2_CPUS", "limit": 8.0, "usage": 6.0}]},
            "N2_CPUS has 2 left, and Dataflow begins with 4",
            [],
        ),
        (
            "bucket",
            f"GET {PROJECT}",
            {"projectNumber": "42"},
            "my-bucket is not of my-project but of project 0",
            [],
        ),
        (
            "bucket",
            "GET /none",
            {},
            "gcloud storage buckets create gs://none-of-that",
            ["--run-root", "gs://none-of-that/natality", "--temp", "gs://my-bucket/temp"],
        ),
    ],
)
def test_one_thing_wrong_is_told_with_its_cure(
    in_place: GoogleCloud,
    checked: Checked,
    name: str,
    pattern: str,
    answer: Any,
    said: str,
    flags: list[str],
):
    in_place.on(pattern, answer)
    status, told = checked(*flags)
    assert status == 1
    assert told[name].startswith("✗"), told
    assert said in told[name]
    assert told["in all"] == "16 passed, 1 failed"


@pytest.mark.parametrize(
    ("name", "pattern", "answer", "said"),
    [
        (
            "quota",
            f"GET {COMPUTE}",
            {"quotas": [{"metric": "N2_CPUS", "limit": 24.0, "usage": 0.0}]},
            "Dataflow may grow to 40",
        ),
        ("roles", f"POST {PROJECT}:getIamPolicy", {}, "roles/dataflow.worker"),
    ],
)
def test_what_may_fail_is_no_error(
    in_place: GoogleCloud, checked: Checked, name: str, pattern: str, answer: Any, said: str
):
    in_place.on(pattern, answer)
    status, told = checked()
    assert status == 0
    assert told[name].startswith("!")
    assert said in told[name]


def test_what_may_not_be_asked_is_told(in_place: GoogleCloud, checked: Checked):
    in_place.on(
        f"GET {COMPUTE}/subnetworks/default",
        refusal(
            403,
            "Required 'compute.subnetworks.get' permission for 'projects/my-project'",
            "PERMISSION_DENIED",
        ),
    )
    status, told = checked()
    assert status == 0
    assert told["subnetwork"].startswith("? You lack the permission compute.subnetworks.get")
    assert "roles/compute.viewer" in told["subnetwork"]
    assert told["in all"] == "16 passed, 1 not asked"


def test_a_bucket_of_others_is_not_ours(in_place: GoogleCloud, checked: Checked):
    denied = "you@example.com does not have storage.buckets.get access to the bucket."
    in_place.on("GET /storage/v1/b/my-bucket", refusal(403, denied, "PERMISSION_DENIED"))
    status, told = checked("--addresses", f"storage={in_place.url}")
    assert status == 1
    assert told["bucket"].startswith("✗ my-bucket is there, but not for you to look at")


def test_no_token_is_shown_to_registries_that_are_not_google_s(google: GoogleCloud):
    host = google.url.removeprefix("http://")
    settings = load_settings(
        [
            *("--project", "my-project", "--run-root", "gs://my-bucket"),
            *("--service-account", "runner@my-project.iam.gserviceaccount.com"),
            *("--image", f"{host}/someone/natality:1"),
        ]
    )
    result = image(Target(settings, cast(Cloud, None)))  # Asking would fail.
    assert result.status is CheckStatus.NOT_ASKED
    assert host in result.text


def test_without_a_network_all_else_is_checked(checked: Checked, tmp_path: Path):
    storage.write_credentials(tmp_path / "offline.json", "http://127.0.0.1:9/token")
    os.replace(tmp_path / "offline.json", tmp_path / "key.json")
    status, told = checked()
    assert status == 0
    assert told["spec"].startswith("✓ compiles to ")
    assert told["credentials"].startswith("? Google Cloud can't be reached at 127.0.0.1")
    assert told["bucket"] == "? see credentials"
    assert told["in all"] == "3 passed, 14 not asked"


def test_bad_credentials_are_wrong(google: GoogleCloud, checked: Checked):
    google.on("POST /token", (400, {"error": "invalid_grant", "error_description": "revoked"}))
    status, told = checked()
    assert status == 1
    assert told["credentials"].startswith("✗ The credentials for Google Cloud have expired")
    assert told["in all"] == "3 passed, 1 failed, 13 not asked"


def test_a_lock_is_read_for_this_python(tmp_path: Path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "tfx==1.16.0 ; python_full_version >= '3' \\\n    --hash=sha256:ab\n"
        "tfx==1.21.0 ; python_full_version < '3' \\\n    --hash=sha256:cd\n"
        "rich==15.0.0 \\\n    --hash=sha256:ef\n# nothing\n"
    )
    assert locked_versions(lock) == {"tfx": "1.16.0", "rich": "15.0.0"}
