"""What can be asked about the project and who may do what in it."""

from __future__ import annotations

from pipeline.vertex.check.result import CheckThere, Finding, There, note, right, wrong
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


def project(there: There) -> Finding:
    """The project is there, and in use."""
    state = there.project.get("lifecycleState", "ACTIVE")
    if state != "ACTIVE":
        return wrong(f"is {state.lower()}", "Restore it, or name another project.")
    return right(f"{there.settings.project}, number {there.project['projectNumber']}")


def apis(there: There) -> Finding:
    """Every API that a run uses is enabled."""
    parent = f"projects/{there.settings.project}"
    names = [f"{parent}/services/{api}.googleapis.com" for api in APIS]
    answer = there.cloud.ask(
        "serviceusage", f"v1/{parent}/services:batchGet", params={"names": names}
    )
    disabled = [
        service["name"].rpartition("/")[2]
        for service in answer.get("services", [])
        if service.get("state") != "ENABLED"
    ]
    if disabled:
        return wrong(
            f"not enabled: {', '.join(disabled)}",
            enable(" ".join(disabled), there.settings.project),
        )
    return right(f"all {len(APIS)} are enabled")


def permissions(there: There) -> Finding:
    """Who asks may start runs and schedule them."""
    path = f"v1/projects/{there.settings.project}:testIamPermissions"
    answer = there.cloud.ask("cloudresourcemanager", path, body={"permissions": PERMISSIONS})
    missing = sorted(set(PERMISSIONS) - set(answer.get("permissions", [])))
    if missing:
        roles = sorted({role_for(permission) for permission in missing})
        return wrong(
            f"you lack {', '.join(missing)}",
            f"Ask the project's owner for {', '.join(roles)}.",
        )
    return right("you may start runs, cancel them and put them on a schedule")


def service_accounts(there: There) -> Finding:
    """The identities of tasks and workers are there, and may be acted as."""
    accounts = sorted(
        {
            there.settings.service_account,
            there.settings.dataflow_service_account or there.settings.service_account,
        }
    )
    for account in accounts:
        if problem := _account(there, account):
            return problem
    return right(f"{', '.join(accounts)}; you may act as it")


def roles(there: There) -> Finding:
    """The service account has the roles that tasks need."""
    path = f"v1/projects/{there.settings.project}:getIamPolicy"
    policy = there.cloud.ask("cloudresourcemanager", path, body={})
    member = f"serviceAccount:{there.settings.service_account}"
    granted = {
        binding["role"]
        for binding in policy.get("bindings", [])
        if member in binding.get("members", [])
    }
    missing = set() if granted & ALL_ROLES else set(RUN_ROLES) - granted
    if missing:
        # A group, a folder above or a role of one's own may grant the same.
        return note(
            f"not granted to the service account by name: {', '.join(sorted(missing))}",
            " ".join(
                [
                    f"gcloud projects add-iam-policy-binding {there.settings.project}",
                    f"--member {member} --role ROLE, unless it has them in another way.",
                ]
            ),
        )
    return right(f"the service account has {', '.join(sorted(granted))}")


def _account(there: There, account: str) -> Finding | None:
    from google.api_core.exceptions import NotFound

    path = f"v1/projects/-/serviceAccounts/{account}"
    try:
        found = there.cloud.ask("iam", path)
    except NotFound:
        name = account.partition("@")[0]
        return wrong(
            f"there is no {account}",
            f"gcloud iam service-accounts create {name} --project {there.settings.project}, or "
            "correct service_account.",
        )
    if found.get("disabled"):
        return wrong(f"{account} is disabled", f"gcloud iam service-accounts enable {account}")
    act = "iam.serviceAccounts.actAs"
    answer = there.cloud.ask("iam", f"{path}:testIamPermissions", body={"permissions": [act]})
    if act not in answer.get("permissions", []):
        return wrong(f"you may not act as {account}", grant(act))
    return None


CHECKS: dict[str, CheckThere] = {
    "project": project,
    "APIs": apis,
    "permissions": permissions,
    "service account": service_accounts,
    "roles": roles,
}
