"""What a user may choose about runs on Vertex AI, besides what is chosen about the pipeline."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from data.table import TABLE
from pipeline.cli.config import VERTEX_PREFIX, load
from pipeline.settings import ROW_FILES, Settings
from pipeline.vertex import resource_names
from pipeline.vertex.addresses import ADDRESSES, Address, Service
from pipeline.vertex.scales import SCALES, Scale


class VertexSettings(Settings):
    """Takes the pipeline to Vertex AI, with its Beam steps on Dataflow.

    Each option can also stand in a TOML file (region = "us-central1") or in the environment
    (PREFIX_REGION=us-central1); flags overrule the environment, the environment overrules
    the file. vertex.toml.example explains them all.
    """

    model_config = SettingsConfigDict(cli_prog_name="vertex_runner.py", env_prefix=VERTEX_PREFIX)
    default_config = Path("vertex.toml")
    incidental = Settings.incidental | {"addresses", "notify_webhook"}

    project: resource_names.Project = Field(
        description="Google Cloud project that runs all of it and pays, BigQuery included"
    )
    replay_requests: resource_names.Folder | None = Field(
        None, description=Settings.model_fields["replay_requests"].description
    )
    region: resource_names.Region = Field(
        "us-central1", description="region of pipeline, Dataflow, training and endpoint"
    )
    run_root: resource_names.Folder = Field(
        description="gs:// folder for artifacts, checkpoints, schemas and pushed models"
    )
    temp: resource_names.Folder | None = Field(
        None,
        description="gs:// folder for what BigQuery hands over and Dataflow stages, which may be "
        "deleted after a day; by default, temp below run_root",
    )
    service_account: resource_names.ServiceAccount = Field(
        description="identity of pipeline, training and Dataflow's workers"
    )
    image: resource_names.Image = Field(description="container image that every task runs in")
    network: resource_names.Network | None = Field(
        None, description="peered network of training jobs; by default, none"
    )
    labels: dict[resource_names.LabelKey, resource_names.LabelValue] = Field(
        {}, description="labels of all that costs money, as name=value"
    )
    notify_webhook: resource_names.Webhook | None = Field(
        None,
        description="who is told how each run ended: a webhook's address, or the version of a "
        "secret that has it; by default, nobody",
    )
    addresses: dict[Service, Address] = Field(
        {},
        description="where Google Cloud answers this runner, as service=address; by default, its "
        "public addresses",
    )
    task_timeout: int = Field(
        360, ge=10, le=10_000, description="minutes after which a task is given up"
    )
    task_retries: int = Field(
        2, ge=0, le=10, description="times that a task which failed is tried again"
    )

    dataflow_machine_type: resource_names.MachineType = Field(
        "n2-standard-4", description="machine type of Dataflow's workers"
    )
    dataflow_workers: int = Field(
        1, ge=1, le=1000, description="workers that a Dataflow job starts with"
    )
    dataflow_max_workers: int = Field(
        10, ge=1, le=1000, description="most workers that a Dataflow job may grow to"
    )
    dataflow_disk: int = Field(50, ge=30, le=10_000, description="disk of a worker, in GB")
    dataflow_subnetwork: resource_names.Subnetwork | None = Field(
        None, description="subnetwork of the workers; by default, that of the default network"
    )
    dataflow_public_ips: bool = Field(
        False,
        description="give workers public addresses; without, the subnetwork needs Private Google "
        "Access",
    )
    dataflow_service_account: resource_names.ServiceAccount | None = Field(
        None, description="identity of the workers; by default, service_account"
    )
    dataflow_timeout: int = Field(
        180, ge=10, le=10_000, description="minutes after which Dataflow cancels a job"
    )
    dataflow_image: resource_names.Image | None = Field(
        None,
        description="container image of the workers; by default, that of image's name with "
        "-workers before the tag",
    )

    scale: str = Field(
        "basic", description=f"size of the training job: {', '.join(SCALES)}, or one of scales"
    )
    scales: dict[str, Scale] = Field(
        {}, description="sizes of your own, as tables in the file; see vertex.toml.example"
    )
    training_timeout: int = Field(
        240, ge=10, le=10_000, description="minutes after which Vertex AI cancels training"
    )
    tensorboard: resource_names.TensorBoard | None = Field(
        None, description="TensorBoard instance that shows training as it goes; by default, none"
    )

    push_to: Literal["endpoint", "storage", "bigquery"] = Field(
        "endpoint",
        description="deploy a blessed model to an endpoint, or only store it, or have BigQuery "
        "import it into bigquery_ml_dataset",
    )
    endpoint: resource_names.EndpointName = Field(
        TABLE.pipeline, description="name of the endpoint; created if there is none"
    )
    endpoint_machine_type: resource_names.MachineType = Field(
        "n2-standard-2", description="machine type that serves"
    )
    endpoint_min_replicas: int = Field(
        1, ge=1, le=1000, description="fewest machines that serve, day and night"
    )
    endpoint_max_replicas: int = Field(
        2, ge=1, le=1000, description="most machines that serve under load"
    )
    endpoint_traffic: int = Field(
        100,
        ge=0,
        le=100,
        description="per cent of requests that a new model gets, the one before gets the rest; "
        "with 0 it is only registered, until 'release promote' deploys it",
    )
    endpoint_dedicated: bool = Field(
        True, description="give an endpoint that is made an address of its own"
    )
    serving_image: resource_names.Image | None = Field(
        None,
        description="container image that serves; by default, that of image's name with -serving "
        "before the tag; or one that Google serves ready-made",
    )

    @model_validator(mode="after")
    def _check_scale(self) -> VertexSettings:
        if self.scale not in self.all_scales:
            raise ValueError(
                f"no scale is called {self.scale!r}; there are {', '.join(self.all_scales)}"
            )
        return self

    @model_validator(mode="after")
    def _check_batch(self) -> VertexSettings:
        scale = self.all_scales[self.scale]
        count = scale.machines * max(scale.accelerator_count, 1)
        if self.batch_size % count:
            raise ValueError(
                f"batch_size is {self.batch_size}, which scale {self.scale!r} can't divide evenly "
                f"among its {count} replicas"
            )
        return self

    @model_validator(mode="after")
    def _check_bounds(self) -> VertexSettings:
        for low, high in (
            ("dataflow_workers", "dataflow_max_workers"),
            ("endpoint_min_replicas", "endpoint_max_replicas"),
            # Else a task is given up on while what it started runs on and costs.
            ("dataflow_timeout", "task_timeout"),
            ("training_timeout", "task_timeout"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(
                    f"{low} is {getattr(self, low)}, more than {high}, {getattr(self, high)}"
                )
        return self

    @model_validator(mode="after")
    def _check_workers_image(self) -> VertexSettings:
        needed = {"dataflow_image": "workers"}
        if self.push_to == "endpoint":
            needed["serving_image"] = "server"
        for setting, whose in needed.items():
            if "@" in self.image and not getattr(self, setting):
                raise ValueError(
                    f"image is named by its digest, and that of the {whose} has another: "
                    f"{setting} must be set too"
                )
        return self

    @model_validator(mode="after")
    def _check_scored_places(self) -> VertexSettings:
        for name in ("score_input", "score_output"):
            place = getattr(self, name)
            if place and place.endswith(ROW_FILES) and not place.startswith("gs://"):
                raise ValueError(f"{name} is {place!r}, which Dataflow's workers do not reach")
        return self

    @model_validator(mode="after")
    def _check_model_dataset(self) -> VertexSettings:
        if self.push_to == "bigquery" and not self.bigquery_ml_dataset:
            raise ValueError("push_to 'bigquery' needs bigquery_ml_dataset as well")
        return self

    @model_validator(mode="after")
    def _check_regions(self) -> VertexSettings:
        for name in ("dataflow_subnetwork", "tensorboard"):
            place = getattr(self, name)
            if place and self.region not in place.split("/"):
                raise ValueError(f"{name} is {place!r}, which is not in region {self.region}")
        return self

    @property
    def parent(self) -> str:
        """Where Vertex AI keeps runs, schedules and endpoints."""
        return f"projects/{self.project}/locations/{self.region}"

    def address(self, service: Service, *, registry: str = "") -> str:
        """Where a service answers.

        Args:
            service: Its name.
            registry: Host of an image's name, for the service of that name.

        Returns:
            Such as https://iam.googleapis.com.
        """
        address = self.addresses.get(service, ADDRESSES[service])
        return address.format(region=self.region, registry=registry)

    @property
    def workers_image(self) -> str:
        """Container image of Dataflow's workers."""
        return self.dataflow_image or self._image("workers")

    @property
    def serving_container(self) -> str:
        """Container image that serves."""
        return self.serving_image or self._image("serving")

    @property
    def all_scales(self) -> dict[str, Scale]:
        """Sizes of a training job by name: ours, and the user's, which overrule ours."""
        return SCALES | self.scales

    @property
    def artifact_root(self) -> str:
        """gs:// folder of the artifacts."""
        return f"{self.run_root}/pipeline"

    @property
    def temp_root(self) -> str:
        """gs:// folder of what may be deleted after a day."""
        return self.temp or f"{self.run_root}/temp"

    @property
    def serving_folder(self) -> str:
        """gs:// folder of the pushed models, where they are only stored."""
        return f"{self.run_root}/serving/{TABLE.pipeline}"

    @property
    def bigquery_model(self) -> str:
        """Name of the model in BigQuery, where it is imported there; each push replaces it."""
        name = f"{TABLE.pipeline}_{self.environment}".replace("-", "_")
        return f"{self.bigquery_ml_dataset}.{name}"

    def _image(self, target: str) -> str:
        name, _, tag = self.image.rpartition(":")
        return f"{name}-{target}:{tag}"

    def reproduction(self) -> str:
        """The command that makes the same run again."""
        return f"{super().reproduction()} submit"


# As --help shows it.
VertexSettings.__doc__ = inspect.cleandoc(VertexSettings.__doc__ or "").replace(
    "PREFIX_", VERTEX_PREFIX
)


def load_settings(arguments: Sequence[str] = ()) -> VertexSettings:
    """Reads the settings of the Vertex runner; see `pipeline.cli.config.load`."""
    return load(VertexSettings, arguments)
