"""What can be asked about the project and who may do what in it."""

from __future__ import annotations

from pipeline.vertex.check.check_result import (
    CheckResult,
    CloudCheck,
    Target,
    failed,
    passed,
    warning,
)
from pipeline.vertex.failures import enable, grant, role_for

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
    path = f"v1/projects/{target.settings.project}:testIamPermissions"
    answer = target.cloud.ask("cloudresourcemanager", path, body={"permissions": PERMISSIONS})
    missing = sorted(set(PERMISSIONS) - set(answer.get("permissions", [])))
    if missing:
        roles = sorted({role_for(permission) for permission in missing})
        return failed(
            f"you lack {', '.join(missing)}",
            f"Ask the project's owner for {', '.join(roles)}.",
        )
    return passed("you may start runs, cancel them and put them on a schedule")


def service_accounts(target: Target) -> CheckResult:
    """The identities of tasks and workers are there, and may be acted as."""
    accounts = sorted(
        {
            target.settings.service_account,
            target.settings.dataflow_service_account or target.settings.service_account,
        }
    )
    for account in accounts:
        if problem := _account(target, account):
            return problem
    return passed(f"{', '.join(accounts)}; you may act as it")


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
            " ".join(
                [
                    f"gcloud projects add-iam-policy-binding {target.settings.project}",
                    f"--member {member} --role ROLE, unless it has them in another way.",
                ]
            ),
        )
    return passed(f"the service account has {', '.join(sorted(granted))}")


def _account(target: Target, account: str) -> CheckResult | None:
    from google.api_core.exceptions import NotFound

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
    act = "iam.serviceAccounts.actAs"
    answer = target.cloud.ask("iam", f"{path}:testIamPermissions", body={"permissions": [act]})
    if act not in answer.get("permissions", []):
        return failed(f"you may not act as {account}", grant(act))
    return None


CHECKS: dict[str, CloudCheck] = {
    "project": project,
    "APIs": apis,
    "permissions": permissions,
    "service account": service_accounts,
    "roles": roles,
}
