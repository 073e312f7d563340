"""What can be asked about the project, and who may do what with what a run needs of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    warning,
)
from pipeline.vertex.cloud import SCOPE
from pipeline.vertex.failures import enable, grant, role_for
from pipeline.vertex.vertex_settings import VertexSettings

APIS = (
    "aiplatform",
    "artifactregistry",
    "bigquery",
    "compute",
    "dataflow",
    "iam",
    "storage",
)

PERMISSIONS = (
    "aiplatform.pipelineJobs.cancel",
    "aiplatform.pipelineJobs.create",
    "aiplatform.pipelineJobs.get",
    "aiplatform.schedules.create",
    "aiplatform.schedules.list",
)
"""What submit and schedule need; what tasks need, the service account has to have."""

RUN_ROLES = (
    "roles/aiplatform.user",
    "roles/bigquery.user",
    "roles/dataflow.developer",
    "roles/dataflow.worker",
)
"""What the service account must have on the project. What it needs on the bucket and the image's
repository may be granted there."""

ALL_ROLES = {"roles/editor", "roles/owner"}

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


def project(target: Target) -> CheckResult:
    """The project is there, and in use."""
    state = target.project.get("lifecycleState", "ACTIVE")
    if state != "ACTIVE":
        return failed(f"is {state.lower()}", "Restore it, or name another project.")
    return passed(f"{target.settings.project}, number {target.project['projectNumber']}")


def apis(target: Target) -> CheckResult:
    """Every API that a run uses is enabled."""
    parent = f"projects/{target.settings.project}"
    names = [f"{parent}/services/{api}.googleapis.com" for api in APIS]
    answer = target.cloud.ask(
        "serviceusage", f"v1/{parent}/services:batchGet", params={"names": names}
    )
    disabled = [
        service["name"].rpartition("/")[2]
        for service in answer.get("services", [])
        if service.get("state") != "ENABLED"
    ]
    if disabled:
        return failed(
            f"not enabled: {', '.join(disabled)}",
            enable(" ".join(disabled), target.settings.project),
        )
    return passed(f"all {len(APIS)} are enabled")


def permissions(target: Target) -> CheckResult:
    """Who asks may start runs and schedule them."""
    missing = _lacking(target, _on_project(target.settings, *PERMISSIONS))
    if missing:
        roles = sorted({role_for(permission) for permission in missing})
        return failed(
            f"you lack {', '.join(missing)}",
            f"Ask the project's owner for {', '.join(roles)}.",
        )
    return passed("you may start runs, cancel them and put them on a schedule")


def service_accounts(target: Target) -> CheckResult:
    """The identities of tasks and workers are there, and may be acted as."""
    settings = target.settings
    accounts = {settings.service_account, settings.dataflow_service_account} - {None}
    for account in sorted(accounts):
        if problem := _account(target, account):
            return problem
    return passed(f"{', '.join(sorted(accounts))}; you may act as it")


def roles(target: Target) -> CheckResult:
    """The service account has the roles that tasks need."""
    path = f"v1/projects/{target.settings.project}:getIamPolicy"
    policy = target.cloud.ask("cloudresourcemanager", path, body={})
    member = f"serviceAccount:{target.settings.service_account}"
    granted = {
        binding["role"]
        for binding in policy.get("bindings", [])
        if member in binding.get("members", [])
    }
    missing = set() if granted & ALL_ROLES else set(RUN_ROLES) - granted
    if missing:
        # A group, a folder above or a role of one's own may grant the same.
        return warning(
            f"not granted to the service account by name: {', '.join(sorted(missing))}",
            f"gcloud projects add-iam-policy-binding {target.settings.project} --member {member} "
            "--role ROLE, unless it has them in another way.",
        )
    return passed(f"the service account has {', '.join(sorted(granted))}")


def _account(target: Target, account: str) -> CheckResult | None:
    path = f"v1/projects/-/serviceAccounts/{account}"
    try:
        found = target.cloud.ask("iam", path)
    except NotFound:
        name = account.partition("@")[0]
        return failed(
            f"there is no {account}",
            f"gcloud iam service-accounts create {name} --project {target.settings.project}, or "
            "correct service_account.",
        )
    if found.get("disabled"):
        return failed(f"{account} is disabled", f"gcloud iam service-accounts enable {account}")
    right = _to_act_as(account)
    if _lacking(target, right):
        return failed(f"you may not act as {account}", grant(*right.permissions))
    return None


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
    try:
        token = target.cloud.ask("iamcredentials", path, body={"scope": [SCOPE]})["accessToken"]
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
    yield _on_project(
        settings,
        "aiplatform.customJobs.create",
        *(["aiplatform.hyperparameterTuningJobs.create"] if settings.tune_trials else []),
        "aiplatform.pipelineJobs.get",
        "bigquery.jobs.create",
        "dataflow.jobs.create",
        "logging.logEntries.create",
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
    yield _to_act_as(settings.service_account)


def _on_project(settings: VertexSettings, *permissions: str) -> Right:
    path = f"v1/projects/{settings.project}"
    return Right("the project", "cloudresourcemanager", path, permissions)


def _on_bucket(bucket: str, *permissions: str) -> Right:
    return Right(f"bucket {bucket}", "storage", f"storage/v1/b/{bucket}", permissions)


def _to_act_as(account: str) -> Right:
    path = f"v1/projects/-/serviceAccounts/{account}"
    return Right("itself", "iam", path, ("iam.serviceAccounts.actAs",))


def _missing(target: Target, rights: Iterable[Right], token: str = "") -> Iterator[str]:
    """What is not allowed, and the roles that would allow it."""
    for right in rights:
        if lacking := _lacking(target, right, token):
            roles = ", ".join(sorted({role_for(permission) for permission in lacking}))
            yield f"{', '.join(lacking)} on {right.what} ({roles})"


def _lacking(target: Target, right: Right, token: str = "") -> list[str]:
    wanted = list(right.permissions)
    if right.service == "storage":  # Which asks in a way of its own.
        path = f"{right.path}/iam/testPermissions"
        answer = target.cloud.ask(right.service, path, params={"permissions": wanted}, token=token)
    else:
        path = f"{right.path}:testIamPermissions"
        answer = target.cloud.ask(right.service, path, body={"permissions": wanted}, token=token)
    held = answer.get("permissions", [])
    return [permission for permission in wanted if permission not in held]


CHECKS: dict[str, CloudCheck] = {
    "project": project,
    "APIs": apis,
    "permissions": permissions,
    "service account": service_accounts,
    "roles": roles,
    "your rights": your_rights,
    "account's rights": account_rights,
}
