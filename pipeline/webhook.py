"""Posts a few lines to a chat or a mail gateway: how a run has ended, or what a watch has found."""

from __future__ import annotations

import base64
import re

import google.auth
import requests
from google.auth.transport.requests import AuthorizedSession

from common.errors import UserError

SECRETS = "https://secretmanager.googleapis.com"
TIMEOUT = 20
"""Seconds within which a webhook must answer."""


def webhook_address(webhook: str) -> str:
    """Where to post.

    Args:
        webhook: The address itself, or the version of a secret of Secret Manager that has it.

    Raises:
        UserError: If the secret can't be read.
    """
    if not webhook.startswith("projects/"):
        return webhook
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    answer = AuthorizedSession(credentials).get(f"{SECRETS}/v1/{webhook}:access", timeout=TIMEOUT)
    if not answer.ok:
        raise UserError(
            f"The secret {webhook} can't be read: {answer.status_code} {answer.reason}.",
            "Create it, and grant the run's service account roles/secretmanager.secretAccessor.",
        )
    return base64.b64decode(answer.json()["payload"]["data"]).decode().strip()


def post(address: str, text: str) -> None:
    """Posts a text, in the form that Slack, Google Chat, Teams and Mattermost have in common.

    Args:
        address: The webhook's, which is kept out of errors: who knows it may post.
        text: A few lines.

    Raises:
        UserError: If it is not taken.
    """
    cure = "Look whether it is that of a chat that is still there."
    try:
        answer = requests.post(address, json={"text": text}, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise UserError(f"The webhook can't be reached: {type(error).__name__}.", cure) from None
    if not answer.ok:
        said = re.sub(r"\s+", " ", answer.text)[:200]
        raise UserError(f"The webhook answers {answer.status_code}: {said}", cure)
