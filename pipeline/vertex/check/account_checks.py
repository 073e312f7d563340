"""What whoever asks may do with what a run needs, and what the run's service account may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.api_core.exceptions import Forbidden, NotFound

from pipeline.vertex.addresses import Service
from pipeline.vertex.check.check_result import (
    CheckResult,
    CloudCheck,
    Target,
    failed,
    not_asked,
    passed,
)
from pipeline.vertex.failures import role_for
from pipeline.vertex.vertex_settings import VertexSettings

IMPERSONATE = "roles/iam.serviceAccountTokenCreator"


@dataclass(frozen=True)
class Right:
    """What must be allowed somewhere.

    Attributes:
        what: Where, for people.
        service: Who knows.
        path: Where, for the service.
        permissions: What.
    """

    what: str
    service: Service
    path: str
    permissions: tuple[str, ...]


def your_rights(target: Target) -> CheckResult:
    """Who asks may put the schema into the bucket."""
    settings = target.settings
    bucket = settings.run_root.split("/")[2]
    rights = [_on_bucket(bucket, "storage.objects.create", "storage.objects.get")]
    missing = list(_missing(target, rights))
    if missing:
        return failed(f"you lack {'; '.join(missing)}", "Ask the owner of the bucket for them.")
    return passed(f"you may write to {bucket}")


def account_rights(target: Target) -> CheckResult:
    """The run's service account may do its part on project, bucket, image and itself.

    Asked as the account itself: it may have its rights by a group, a folder or a role of one's own.
    """
    account = target.settings.service_account
    path = f"v1/projects/-/serviceAccounts/{account}:generateAccessToken"
    scope = "https://www.googleapis.com/auth/cloud-platform"
    try:
        token = target.cloud.ask("iamcredentials", path, body={"scope": [scope]})["accessToken"]
    except (Forbidden, NotFound):
        return not_asked(
            f"only who may act as {account} for a moment can ask what it may do",
            f"Ask for {IMPERSONATE} on it, or compare its roles with docs/deploy.md.",
        )
    missing = list(_missing(target, _rights_of_account(target.settings), token))
    if missing:
        return failed(
            f"{account} lacks {'; '.join(missing)}", "Grant it what docs/deploy.md lists."
        )
    return passed("project, bucket, image and itself: the account may do all that a run does")


def _rights_of_account(settings: VertexSettings) -> Iterator[Right]:
    yield Right(
        "the project",
        "cloudresourcemanager",
        f"v1/projects/{settings.project}",
        (
            "aiplatform.customJobs.create",
            *(["aiplatform.hyperparameterTuningJobs.create"] if settings.tune_trials else []),
            "aiplatform.pipelineJobs.get",
            "bigquery.jobs.create",
            "dataflow.jobs.create",
            "logging.logEntries.create",
        ),
    )
    for bucket in sorted({f.split("/")[2] for f in (settings.run_root, settings.temp_root)}):
        objects = (f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list"))
        yield _on_bucket(bucket, "storage.buckets.get", *objects)
    host, project, repository, *_ = settings.image.split("/")
    if host.endswith("-docker.pkg.dev"):
        place = host.removesuffix("-docker.pkg.dev")
        yield Right(
            f"repository {repository}",
            "artifactregistry",
            f"v1/projects/{project}/locations/{place}/repositories/{repository}",
            ("artifactregistry.repositories.downloadArtifacts",),
        )
    yield Right(
        "itself",
        "iam",
        f"v1/projects/-/serviceAccounts/{settings.service_account}",
        ("iam.serviceAccounts.actAs",),
    )


def _on_bucket(bucket: str, *permissions: str) -> Right:
    return Right(f"bucket {bucket}", "storage", f"storage/v1/b/{bucket}", permissions)


def _missing(
    target: Target, rights: list[Right] | Iterator[Right], token: str = ""
) -> Iterator[str]:
    """What is not allowed, and the roles that would allow it."""
    for right in rights:
        held = _held(target, right, token)
        lacking = [permission for permission in right.permissions if permission not in held]
        if lacking:
            roles = ", ".join(sorted({role_for(permission) for permission in lacking}))
            yield f"{', '.join(lacking)} on {right.what} ({roles})"


def _held(target: Target, right: Right, token: str) -> list[str]:
    wanted = list(right.permissions)
    if right.service == "storage":  # Which asks in a way of its own.
        path = f"{right.path}/iam/testPermissions"
        answer = target.cloud.ask(right.service, path, params={"permissions": wanted}, token=token)
    else:
        path = f"{right.path}:testIamPermissions"
        answer = target.cloud.ask(right.service, path, body={"permissions": wanted}, token=token)
    return answer.get("permissions", [])


CHECKS: dict[str, CloudCheck] = {
    "your rights": your_rights,
    "account's rights": account_rights,
}
