"""What check finds: with all in place, with one thing wrong, and without Google Cloud."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
import storage
import werkzeug
from google_cloud import GoogleCloud, Request, refusal
from werkzeug.serving import make_server

from pipeline.vertex.check.check_result import CheckStatus, Target
from pipeline.vertex.check.local_checks import locked_versions, serving_image
from pipeline.vertex.check.place_checks import image
from pipeline.vertex.cloud import Cloud
from pipeline.vertex.commands import main
from pipeline.vertex.vertex_settings import VertexSettings, load_settings

PROJECT = "/v1/projects/my-project"
PLACE = f"{PROJECT}/locations/us-central1"
ACCOUNT = "/v1/projects/-/serviceAccounts/runner@my-project.iam.gserviceaccount.com"
COMPUTE = "/compute/v1/projects/my-project/regions/us-central1"
MANIFEST = "/v2/my-project/natality/natality/manifests/1"
WORKERS = "/v2/my-project/natality/natality-workers/manifests/1"
BUCKET = "/storage/v1/b/my-bucket"
REPOSITORY = f"{PLACE}/repositories/natality"
TOKEN = f"{ACCOUNT}:generateAccessToken"
OURS = "us-central1-docker.pkg.dev/my-project/natality/natality-serving:1"
SERVER = "/v2/my-project/natality/natality-serving/manifests/1"
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


def held_by_the_account(request: Request) -> dict[str, Any]:
    """Whoever asks has none of the permissions, and the run's service account all."""
    if request.token != "as-the-account":
        return {}
    return held(request) if request.body else held_on_bucket(request)


def held_on_bucket(request: Request) -> dict[str, Any]:
    return {"permissions": request.query["permissions"]}


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
    google.on(f"GET {BUCKET}", {"name": "my-bucket", "location": "US", "projectNumber": "0"})
    google.on(f"GET {BUCKET}/iam/testPermissions", held_on_bucket)
    google.on(f"POST {TOKEN}", {"accessToken": "as-the-account"})
    google.on(f"POST {REPOSITORY}:testIamPermissions", held)
    google.on(f"GET {MANIFEST}", {"schemaVersion": 2})
    google.on(f"GET {WORKERS}", {"schemaVersion": 2})
    google.on(f"GET {SERVER}", {"schemaVersion": 2})
    google.on(f"GET {COMPUTE}/subnetworks/default", {"privateIpGoogleAccess": True})
    google.on(f"GET {COMPUTE}", quotas(N2_CPUS=(200, 40)))
    return google


def quotas(**limits: tuple[float, float]) -> dict[str, Any]:
    """Limit and usage by metric; of disks there is always enough."""
    told = {"DISKS_TOTAL_GB": (4096.0, 0.0)} | limits
    return {"quotas": [{"metric": m, "limit": of, "usage": used} for m, (of, used) in told.items()]}


Checked = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture
def checked(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> Checked:
    """Exit status, and what is told about each thing: its mark, the result and the cure."""

    def check(*flags: str) -> tuple[int, dict[str, str]]:
        # A serving image whose support ends some day would make these tests end that day.
        settings = ("--serving-image", OURS, "--addresses", f"storage={google.url}")
        status = main([*online, *settings, *flags, "check"])
        told: dict[str, str] = {}
        name = ""
        for line in capfd.readouterr().out.splitlines():
            if start := re.match(r"([✓!✗?]) (.{16}) (.*)", line):
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
    assert told["in all"] == "20 right, 1 not seen", told
    assert told["other quotas"].startswith("? Vertex AI's own quotas; a run wants 1 n2-standard-8")
    assert told["image"].endswith("us-central1-docker.pkg.dev/my-project/natality/natality:1")
    assert told["quota"] == "✓ N2_CPUS has 160 left, enough for 40"
    assert "as locked" in told["versions"]
    (asked,) = in_place.asked(f"GET {MANIFEST}")
    assert asked.token
    asks = "testIamPermissions|getIamPolicy|generateAccessToken"
    assert not in_place.asked(f"(POST|PATCH|DELETE) (?!.*({asks})).*")


def test_what_the_service_account_may_do_is_asked_as_that_account(
    in_place: GoogleCloud, checked: Checked
):
    checked()
    asked = [r for r in in_place.requests if r.token == "as-the-account"]
    assert [request.path for request in asked] == [
        *(f"{PROJECT}:testIamPermissions", f"{BUCKET}/iam/testPermissions"),
        *(f"{REPOSITORY}:testIamPermissions", f"{ACCOUNT}:testIamPermissions"),
    ]
    assert "storage.objects.delete" in asked[1].query["permissions"]
    assert asked[3].body == {"permissions": ["iam.serviceAccounts.actAs"]}


def test_what_nobody_may_ask_is_not_taken_for_right(in_place: GoogleCloud, checked: Checked):
    in_place.on(f"POST {TOKEN}", refusal(403, "denied", "PERMISSION_DENIED"))
    status, told = checked()
    assert status == 0
    assert told["account's rights"].startswith("? only who may act as runner@")
    assert "roles/iam.serviceAccountTokenCreator" in told["account's rights"]
    assert told["in all"] == "19 right, 2 not seen"


def test_google_cloud_is_asked_for_several_things_at_once(in_place: GoogleCloud, checked: Checked):
    together = threading.Barrier(4)  # None of the four is answered before all are asked.

    def after_all(answer: Any) -> Callable[[Request], Any]:
        def wait(request: Request) -> Any:
            together.wait(timeout=900)
            return answer(request) if callable(answer) else answer

        return wait

    in_place.on(f"GET {PROJECT}/services:batchGet", after_all(enabled))
    in_place.on(f"POST {PROJECT}:getIamPolicy", after_all({}))
    in_place.on(f"GET {ACCOUNT}", after_all({}))
    in_place.on(f"GET {PLACE}", after_all({}))
    _, told = checked()
    assert [told[name][0] for name in ("APIs", "service account", "region")] == ["✓"] * 3


@pytest.mark.parametrize(
    ("image", "today", "status", "said"),
    [
        ("tf2-cpu.2-15", date(2026, 1, 1), "right", "TensorFlow 2.15, until 2027-01-14"),
        ("tf2-cpu.2-15", date(2026, 7, 15), "worth a look", "ends on 2027-01-14"),
        ("tf2-gpu.2-15", date(2026, 11, 25), "worth a look", "no patches since 2026-07-14"),
        ("tf2-cpu.2-15", date(2027, 1, 15), "wrong", "ended on 2027-01-14"),
        ("tf2-cpu.2-18", date(2027, 1, 15), "not seen", "TensorFlow 2.18 is not known here"),
    ],
)
def test_the_end_of_a_ready_made_serving_image_is_told(
    vertex_settings: Callable[..., VertexSettings],
    image: str,
    today: date,
    status: str,
    said: str,
):
    name = f"us-docker.pkg.dev/vertex-ai/prediction/{image}:latest"
    result = serving_image(vertex_settings("--serving-image", name), today)
    assert (result.status.value, said in result.text) == (status, True), result
    stored = vertex_settings("--serving-image", name, "--push-to", "storage")
    assert serving_image(stored, today).status is CheckStatus.PASSED
    assert serving_image(vertex_settings("--serving-image", OURS), today).cure == ""


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
            held_by_the_account,
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
            held_by_the_account,
            "roles/iam.serviceAccountUser on the service account",
            [],
        ),
        ("region", f"GET {PLACE}", NOTHING, "Vertex AI knows no region us-central1", []),
        ("table", f"GET {TABLE}", {"location": "EU"}, "BigQuery exports only within one", []),
        ("table", f"GET {TABLE}", NOTHING, "there is no table", []),
        ("image", f"GET {MANIFEST}", NOTHING, "Build and push it, or correct image.", []),
        ("image", f"GET {SERVER}", NOTHING, "there is no my-project/natality/natality-serv", []),
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
            quotas(N2_CPUS=(8, 6)),
            "N2_CPUS has 2 left, and Dataflow begins with 4",
            [],
        ),
        (
            "your rights",
            f"GET {BUCKET}/iam/testPermissions",
            held_by_the_account,
            "you lack storage.objects.create, storage.objects.get on bucket my-bucket (roles/",
            [],
        ),
        (
            "account's rights",
            f"POST {REPOSITORY}:testIamPermissions",
            {},
            "lacks artifactregistry.repositories.downloadArtifacts on repository natality",
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
    assert " 1 wrong, " in told["in all"]


@pytest.mark.parametrize(
    ("name", "pattern", "answer", "said"),
    [
        (
            "quota",
            f"GET {COMPUTE}",
            quotas(N2_CPUS=(24, 0)),
            "Dataflow may grow to 40",
        ),
        (
            "quota",
            f"GET {COMPUTE}",
            quotas(N2_CPUS=(200, 0), DISKS_TOTAL_GB=(100, 0)),
            "DISKS_TOTAL_GB has 100 left, and Dataflow may grow to 500",
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


def test_a_bucket_on_another_continent_is_told(in_place: GoogleCloud, checked: Checked):
    in_place.on(f"GET {TABLE}", {"location": "EU"})
    bucket = {"name": "my-bucket", "location": "EU", "projectNumber": "0"}
    in_place.on(f"GET {BUCKET}", bucket)
    status, told = checked()
    assert status == 0
    assert told["bucket"].startswith("! my-bucket is in eu, and runs are in us-central1")


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
    assert told["in all"] == "19 right, 2 not seen"


def test_a_bucket_of_others_is_not_ours(in_place: GoogleCloud, checked: Checked):
    denied = "you@example.com does not have storage.buckets.get access to the bucket."
    in_place.on(f"GET {BUCKET}", refusal(403, denied, "PERMISSION_DENIED"))
    status, told = checked()
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
    assert told["in all"] == "4 right, 17 not seen"


def test_bad_credentials_are_wrong(google: GoogleCloud, checked: Checked):
    google.on("POST /token", (400, {"error": "invalid_grant", "error_description": "revoked"}))
    status, told = checked()
    assert status == 1
    assert told["credentials"].startswith("✗ The credentials for Google Cloud have expired")
    assert told["in all"] == "4 right, 1 wrong, 16 not seen"


@pytest.mark.parametrize(("http", "title"), [(200, ""), (403, " (Log in to the hotel)")])
def test_a_web_page_in_place_of_a_token_is_no_expired_login(
    checked: Checked, tmp_path: Path, http: int, title: str
):
    page = b"<!DOCTYPE html><html><head><title>Log in to\n the hotel</title></head></html>"

    @werkzeug.Request.application
    def hotel(_: werkzeug.Request) -> werkzeug.Response:
        return werkzeug.Response(page, http, content_type="text/html")

    server = make_server("127.0.0.1", 0, hotel)
    with server.socket:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        url = f"http://127.0.0.1:{server.port}/token"
        storage.write_credentials(tmp_path / "hotel.json", url)
        os.replace(tmp_path / "hotel.json", tmp_path / "key.json")
        _, told = checked()
        server.shutdown()
    assert f"a web page answers{title}." in told["credentials"]
    assert "HTTPS_PROXY" in told["credentials"]
    assert "expired" not in told["credentials"]


def test_a_lock_is_read_for_this_python(tmp_path: Path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "tfx==1.16.0 ; python_full_version >= '3' \\\n    --hash=sha256:ab\n"
        "tfx==1.21.0 ; python_full_version < '3' \\\n    --hash=sha256:cd\n"
        "rich==15.0.0 \\\n    --hash=sha256:ef\n# nothing\n"
    )
    assert locked_versions(lock) == {"tfx": "1.16.0", "rich": "15.0.0"}
