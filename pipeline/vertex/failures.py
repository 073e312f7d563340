"""What Google Cloud refuses, told as a cause and a cure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import requests
from google.api_core import exceptions
from google.auth import exceptions as auth

from common.errors import UserError, causes

LOGIN = "Run 'gcloud auth application-default login'"

ROLES = {
    "iam.serviceAccounts.actAs": "roles/iam.serviceAccountUser",
    "iam.serviceAccounts": "roles/iam.serviceAccountViewer",
    "aiplatform": "roles/aiplatform.user",
    "artifactregistry": "roles/artifactregistry.reader",
    "bigquery.jobs": "roles/bigquery.user",
    "bigquery": "roles/bigquery.dataViewer",
    "compute": "roles/compute.viewer",
    "dataflow": "roles/dataflow.developer",
    "resourcemanager": "roles/browser",
    "serviceusage": "roles/serviceusage.serviceUsageConsumer",
    "storage.buckets": "roles/storage.legacyBucketReader",
    "storage": "roles/storage.objectUser",
}
"""By the beginning of a permission, the smallest role that has it; the first that fits is meant."""

_PERMISSION = re.compile(r"\b([a-z]+(?:\.[A-Za-z]+){2})\b(?= access| denied|['\"`\]]| permission)")


def explain(error: BaseException, project: str | None = None) -> UserError | None:
    """The error that a user can act on, wherever in the chain of causes it is.

    Returns:
        Cause and cure; None if it is none of Google Cloud's doing.
    """
    for cause in causes(error):
        if isinstance(cause, UserError):
            return cause
        for kinds, explained in _EXPLAINED:
            if isinstance(cause, kinds):
                return explained(cause, project or "PROJECT")
    return None


def explain_task(message: str, project: str) -> str:
    """What to do about a task that failed, by what Vertex AI says about it."""
    for pattern, cure in _TASK_CURES.items():
        if re.search(pattern, message, re.IGNORECASE | re.DOTALL):
            return cure.format(project=project)
    return "Its log says more; mend what it names and submit again: what is done is reused."


def role_for(permission: str) -> str:
    """The smallest predefined role that has a permission."""
    fits = (role for start, role in ROLES.items() if permission.startswith(start))
    return next(fits, f"a role with {permission}")


def enable(service: str, project: str) -> str:
    """How an API is enabled."""
    return (
        f"Run 'gcloud services enable {service} --project {project}', and wait for a minute or two."
    )


def _no_credentials(error: Any, project: str) -> UserError:
    return UserError(
        f"No credentials for Google Cloud are found here ({_brief(error)}).",
        f"{LOGIN}, or name a key or workload identity file in GOOGLE_APPLICATION_CREDENTIALS.",
    )


def _expired(error: Any, project: str) -> UserError:
    page = re.search(r"<(!doctype html|html)\b", str(error), re.IGNORECASE)
    if page:
        title = re.search(r"<title>(.*?)</title>", str(error), re.IGNORECASE | re.DOTALL)
        said = f" ({' '.join(title[1].split())[:100]})" if title else ""
        return UserError(
            f"Where Google Cloud's tokens are asked for, a web page answers{said}.",
            "Look at HTTPS_PROXY, and whether this network wants you to log in to it first; or, "
            "if it is an outage, try again in a few minutes.",
        )
    if getattr(error, "retryable", False):
        return _unavailable(error, project)
    return UserError(
        f"The credentials for Google Cloud have expired or were revoked ({_brief(error)}).",
        f"{LOGIN}; if GOOGLE_APPLICATION_CREDENTIALS names a key, look whether it is still there "
        "and the clock of this machine is right.",
    )


def _unknown_user(error: Any, project: str) -> UserError:
    return UserError(f"Google Cloud does not know who asks ({_brief(error)}).", f"{LOGIN}.")


def _no_network(error: Any, project: str) -> UserError:
    host = _host(error)
    region = re.fullmatch(r"([a-z]+-[a-z]+\d+)-aiplatform\.googleapis\.com", host)
    if region:
        return UserError(
            f"Vertex AI does not answer at {host}: there is no region {region[1]}, or no network.",
            "Compare region with https://cloud.google.com/vertex-ai/docs/general/locations, "
            "and look whether this machine reaches the internet.",
        )
    return UserError(
        f"Google Cloud can't be reached{f' at {host}' if host else ''}.",
        "Look whether this machine reaches the internet, and at HTTPS_PROXY and addresses "
        "if you need them.",
    )


def _forbidden(error: Any, project: str) -> UserError:
    reason, facts = _info(error)
    if reason == "SERVICE_DISABLED" or "has not been used in project" in error.message:
        named = re.search(r"[a-z]+\.googleapis\.com", error.message)
        service = facts.get("service") or (named[0] if named else "SERVICE.googleapis.com")
        consumer = facts.get("consumer", "").removeprefix("projects/")
        return UserError(
            f"The API {service} is not enabled in project {consumer or project}.",
            enable(service, project),
        )
    if reason in ("BILLING_DISABLED", "UREQ_PROJECT_BILLING_NOT_OPEN"):
        return UserError(
            f"Project {project} has no billing account.",
            f"Link one: gcloud billing projects link {project} --billing-account ACCOUNT.",
        )
    if reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT":
        return UserError(
            "The credentials found here are not for all of Google Cloud: their scopes are few.",
            f"{LOGIN}, or start this machine with the scope cloud-platform.",
        )
    found = _PERMISSION.search(error.message)
    permission = facts.get("permission") or (found[1] if found else "")
    if "act as" in error.message or "actAs" in error.message:
        permission = "iam.serviceAccounts.actAs"
    if not permission:
        return UserError(
            f"Google Cloud does not allow it: {_brief(error)}.",
            f"Look whether project {project} is the right one, and which roles you have there.",
        )
    return UserError(f"You lack the permission {permission}: {_brief(error)}.", grant(permission))


def grant(permission: str) -> str:
    """Which role to ask for."""
    where = "the service account" if "actAs" in permission else "the project or resource"
    return f"Ask its owner for {role_for(permission)} on {where}."


def _not_found(error: Any, project: str) -> UserError:
    if "bucket" in error.message.lower():
        return UserError(
            f"There is no such bucket: {_brief(error)}.",
            "Create it with 'gcloud storage buckets create', or name another.",
        )
    return UserError(
        f"Google Cloud finds nothing there: {_brief(error)}.",
        f"Look whether project {project}, region and the name are right.",
    )


def _bad_request(error: Any, project: str) -> UserError:
    if re.search(r"\b(location|region)\b", error.message, re.IGNORECASE):
        return UserError(
            f"Vertex AI does not take the region: {_brief(error)}.",
            "Compare region, and that of the bucket, with "
            "https://cloud.google.com/vertex-ai/docs/general/locations.",
        )
    return UserError(
        f"Google Cloud refuses the request: {_brief(error)}.",
        "Change the setting it names; 'vertex_runner.py check' looks at all of them.",
    )


def _quota(error: Any, project: str) -> UserError:
    _, facts = _info(error)
    metric = facts.get("quota_metric") or facts.get("quota_limit")
    place = f" in {facts['quota_location']}" if facts.get("quota_location") else ""
    return UserError(
        f"A quota is used up: {f'{metric}{place}: ' if metric else ''}{_brief(error)}.",
        f"Wait, ask for less, or for more of it at {quotas(project)}.",
    )


def quotas(project: str) -> str:
    """The page where more of a quota is asked for."""
    return f"https://console.cloud.google.com/iam-admin/quotas?project={project}"


def _conflict(error: Any, project: str) -> UserError:
    return UserError(f"It is there already: {_brief(error)}.", "Choose another name.")


def _unavailable(error: Any, project: str) -> UserError:
    return UserError(
        f"Google Cloud is not up to it right now: {_brief(error)}.",
        "Try again in a few minutes; https://status.cloud.google.com tells of outages.",
    )


def _other(error: Any, project: str) -> UserError:
    return UserError(
        f"Google Cloud answers with an error: {_brief(error)}.",
        "'vertex_runner.py check' looks at all that is needed.",
    )


_Explained = Callable[[Any, str], UserError]
_EXPLAINED: list[tuple[type[BaseException] | tuple[type[BaseException], ...], _Explained]] = [
    (auth.DefaultCredentialsError, _no_credentials),
    (auth.RefreshError, _expired),
    (auth.TransportError, _no_network),
    (auth.GoogleAuthError, _unknown_user),
    ((requests.exceptions.ConnectionError, requests.exceptions.Timeout), _no_network),
    (exceptions.Unauthorized, _expired),
    (exceptions.Forbidden, _forbidden),
    (exceptions.NotFound, _not_found),
    (exceptions.TooManyRequests, _quota),
    (exceptions.BadRequest, _bad_request),
    (exceptions.Conflict, _conflict),
    (exceptions.ServerError, _unavailable),
    (exceptions.GoogleAPICallError, _other),
]
"""By kind of error, the first that fits, how it is explained."""

_TASK_CURES = {
    r"image.*(not found|not exist|failed to pull)|(not found|pull).*image|manifest unknown": (
        "The image is not there, or its registry does not let the service account read it: push "
        "it, correct image, or grant roles/artifactregistry.reader."
    ),
    r"quota|resource.?exhausted|RESOURCES?_POOL": (
        "Ask for more of the quota at "
        "https://console.cloud.google.com/iam-admin/quotas?project={project}, choose smaller "
        "machines, or try another region."
    ),
    r"permission|forbidden|does not have .* access|\b403\b": (
        "Grant the service account the role that it lacks; 'vertex_runner.py check' names those "
        "that are needed."
    ),
    r"has not been used in project|SERVICE_DISABLED": (
        "Enable the API that it names: 'vertex_runner.py check' tells how."
    ),
    r"exit code:? 124|took more than \d+ minutes": (
        "It was given up after task_timeout: look in its log for what it waited for."
    ),
}


def _info(error: Any) -> tuple[str, Mapping[str, str]]:
    """Reason and facts of an API's error; REST clients leave them as the JSON that came."""
    for detail in error.details:
        if isinstance(detail, dict) and "reason" in detail:
            return detail["reason"], detail.get("metadata", {})
        if hasattr(detail, "reason"):
            return detail.reason, detail.metadata
    return "", {}


def _host(error: Any) -> str:
    url = getattr(getattr(error, "request", None), "url", None)
    if url:
        return requests.utils.urlparse(url).netloc
    found = re.search(r"host='([^']+)'", str(error))
    return found[1] if found else ""


def _brief(error: Any) -> str:
    """What it says itself, as one line without a full stop."""
    said = getattr(error, "message", None) or (error.args[0] if error.args else error)
    text = " ".join(str(said).split())
    text = re.sub(r"^(GET|POST|PATCH|DELETE|PUT) \S+ ", "", text)  # Where it was asked.
    return text[:400].rstrip(".")
