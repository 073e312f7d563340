"""What a user may choose about the server: defaults, then the environment, then flags."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.table import TABLE
from serving.records.request_log import RequestLogSettings

MIB = 2**20

VERTEX_VARIABLES = {
    "AIP_HTTP_PORT": "SERVING_PORT",
    "AIP_STORAGE_URI": "SERVING_MODEL_FOLDER",
    "AIP_HEALTH_ROUTE": "SERVING_HEALTH_ROUTE",
    "AIP_PREDICT_ROUTE": "SERVING_PREDICT_ROUTE",
}
"""What Vertex AI tells a container, and which settings that is."""


class ServerSettings(BaseSettings):
    """Serves a pushed model over HTTP.

    Each option can also stand in the environment (SERVING_PORT=8501); flags overrule it. The
    variables that Vertex AI gives to a container (AIP_HTTP_PORT and the like) are read too.
    """

    model_config = SettingsConfigDict(
        env_prefix="SERVING_",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        validate_default=True,
        protected_namespaces=(),
        cli_prog_name="python -m serving",
        cli_exit_on_error=False,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
    )

    model_folder: str = Field(
        default=f"runs/serving/{TABLE.pipeline}",
        description="folder of numbered versions, or of one version; also gs://...",
    )
    model_name: str = Field(
        default=TABLE.pipeline, min_length=1, description="name in the addresses"
    )
    reports: str | None = Field(
        default=None,
        description="folder with the report of each version, as VERSION.html, for the page to link",
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(
        default=8501,
        ge=0,
        le=65535,
        description="port to listen on; 0 for any that is free",
    )
    workers: int = Field(
        default=1, ge=1, le=256, description="processes, each with the model loaded"
    )

    health_route: str = Field(
        default="/health",
        description="where Vertex AI asks whether the container is ready",
    )
    predict_route: str = Field(
        default="/predict",
        description="where Vertex AI sends requests for predictions",
    )

    versions_kept: int = Field(
        default=1, ge=1, le=10, description="newest versions that are kept loaded"
    )
    labels: dict[str, int] = Field(
        default={},
        description='names of versions, such as {"stable": 1, "canary": 2}; these stay loaded',
    )
    poll_seconds: float = Field(
        default=1.0, gt=0, le=3600, description="time between looks for new versions, in seconds"
    )

    max_body_bytes: int = Field(
        default=10 * MIB, ge=1, description="longest body of a request, in bytes"
    )
    max_rows: int = Field(default=100_000, ge=1, description="most rows in one request")
    max_waiting: int = Field(
        default=1024,
        ge=1,
        description="requests that may wait for the model; more are told to come again",
    )
    batch_window_ms: float = Field(
        default=0,
        ge=0,
        le=1000,
        description="time a request waits for others to be answered with, in milliseconds; with 0, "
        "those that came while the model was busy are answered together",
    )
    max_batch_rows: int = Field(
        default=1024, ge=1, description="rows in a batch of several requests"
    )

    request_log: str | None = Field(
        default=None,
        description="folder that gets requests and answers as tf.Examples; by default, none does",
    )
    request_log_share: float = Field(
        default=1.0, gt=0, le=1, description="share of the requests that are written there"
    )
    request_log_file_mb: float = Field(
        default=16, gt=0, le=1024, description="size of a file before it is compressed, in MB"
    )
    request_log_file_seconds: float = Field(
        default=3600, gt=0, le=86400, description="age at which a file is closed, in seconds"
    )
    request_log_total_mb: float = Field(
        default=1024, gt=0, description="size of all files, in MB; the oldest are removed"
    )
    access_log: bool = Field(default=True, description="write a line of JSON for each request")
    drain_seconds: float = Field(
        default=0,
        ge=0,
        le=600,
        description="time to go on answering, no longer ready, after SIGTERM",
    )
    stop_seconds: int = Field(
        default=30,
        ge=1,
        le=3600,
        description="time that requests in progress have to end in, after that",
    )

    @property
    def request_log_settings(self) -> RequestLogSettings | None:
        """How requests are logged; None if they are not."""
        if self.request_log is None:
            return None
        return RequestLogSettings(
            folder=Path(self.request_log).expanduser(),
            share=self.request_log_share,
            file_bytes=int(self.request_log_file_mb * 1e6),
            file_seconds=self.request_log_file_seconds,
            total_bytes=int(self.request_log_total_mb * 1e6),
        )

    @field_validator("health_route", "predict_route")
    @classmethod
    def _check_route(cls, route: str) -> str:
        if not route.startswith("/"):
            raise ValueError("write a path that starts with /")
        return route

    @field_validator("model_folder")
    @classmethod
    def _check_folder(cls, folder: str) -> str:
        return folder if "://" in folder else str(Path(folder).expanduser())
