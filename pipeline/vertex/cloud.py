"""Google Cloud, asked by its own client libraries with the credentials that are found here."""

from __future__ import annotations

import functools
from functools import cached_property
from typing import Any

import google.auth
import google.auth.transport.requests
import requests
from google.api_core import exceptions, retry
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.aiplatform_v1.services.endpoint_service import EndpointServiceClient
from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient
from google.cloud.aiplatform_v1.services.pipeline_service import PipelineServiceClient
from google.cloud.aiplatform_v1.services.schedule_service import ScheduleServiceClient
from google.oauth2.credentials import Credentials

from pipeline.vertex.addresses import Service
from pipeline.vertex.vertex_settings import VertexSettings

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

TIMEOUT = 20
"""Seconds within which a request must be answered."""

PATIENTLY = retry.Retry(
    retry.if_exception_type(
        exceptions.InternalServerError,
        exceptions.BadGateway,
        exceptions.ServiceUnavailable,
        exceptions.GatewayTimeout,
        requests.exceptions.ConnectionError,
    ),
    initial=0.5,
    maximum=5,
    timeout=15,
)
"""How requests are repeated. Where there is no network, that is known before: by the token."""


class Cloud:
    """Google Cloud, as the user's credentials see it.

    Where it refuses, those who ask it raise google.api_core.exceptions.GoogleAPICallError, which
    `pipeline/vertex/failures.py` explains.

    Raises:
        google.auth.exceptions.GoogleAuthError: If there are no credentials, if they are no longer
            good for anything, or if there is no network.
    """

    def __init__(self, settings: VertexSettings) -> None:
        self._settings = settings
        self.credentials, _ = google.auth.default(scopes=[SCOPE])
        asked = google.auth.transport.requests.Request()
        # Asked for now rather than with the first request, which would be repeated in vain.
        try:
            self.credentials.refresh(functools.partial(asked, timeout=TIMEOUT))
        except TypeError as error:  # The client takes whatever comes with status 200 for JSON.
            raise RefreshError("<html> in place of a token") from error
        self.session = AuthorizedSession(self.credentials)

    @property
    def account(self) -> str | None:
        """Email of the service account that the credentials are of, if they are of one."""
        return getattr(self.credentials, "service_account_email", None)

    @cached_property
    def pipelines(self) -> PipelineServiceClient:
        """Asks for pipeline runs."""
        return PipelineServiceClient(**self._client_options)

    @cached_property
    def schedules(self) -> ScheduleServiceClient:
        """Asks for schedules."""
        return ScheduleServiceClient(**self._client_options)

    @cached_property
    def models(self) -> ModelServiceClient:
        """Asks for the models of the registry."""
        return ModelServiceClient(**self._client_options)

    @cached_property
    def endpoints(self) -> EndpointServiceClient:
        """Asks for endpoints."""
        return EndpointServiceClient(**self._client_options)

    @cached_property
    def storage(self) -> storage.Client:
        """Asks for buckets and what is in them."""
        return storage.Client(
            project=self._settings.project,
            credentials=self.credentials,
            client_options={"api_endpoint": self._settings.address("storage")},
        )

    def table(self, name: str) -> dict[str, Any]:
        """What BigQuery tells of a table, by its name as project.dataset.table."""
        project, dataset, table = name.split(".")
        path = f"bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}"
        return self.ask("bigquery", path)

    def ask(
        self,
        service: Service,
        path: str,
        *,
        body: Any = None,
        params: Any = None,
        headers: dict[str, str] | None = None,
        registry: str = "",
        token: str = "",
    ) -> dict[str, Any]:
        """Asks what no client library here asks.

        Args:
            service: Whom.
            path: What, below the service's address.
            body: Sent as JSON by POST; without, the method is GET.
            params: Of the query.
            headers: Besides those that every request has.
            registry: Host of an image's name, where the service is its registry.
            token: Asks as someone else.

        Returns:
            The answer.

        Raises:
            google.api_core.exceptions.GoogleAPICallError: If it is an error.
            requests.exceptions.RequestException: If there is none.
        """
        session = AuthorizedSession(Credentials(token)) if token else self.session
        answer = session.request(
            "GET" if body is None else "POST",
            f"{self._settings.address(service, registry=registry)}/{path}",
            json=body,
            params=params,
            headers=headers,
            timeout=TIMEOUT,
        )
        if not answer.ok:
            raise exceptions.from_http_response(answer)
        return answer.json()

    @property
    def _client_options(self) -> dict[str, Any]:
        """Where a client of Vertex AI asks, how, and as whom."""
        options = {"api_endpoint": self._settings.address("aiplatform")}
        return {"credentials": self.credentials, "transport": "rest", "client_options": options}


CALL: dict[str, Any] = {"retry": PATIENTLY, "timeout": TIMEOUT}
"""What goes with each call of a client, for it to be answered soon or not at all."""
