"""A model's versions in Vertex AI's Model Registry, and which of them an endpoint asks.

One entry of the registry has all versions of an environment. Aliases tell how they stand:

    blessed     the newest that passed the evaluation
    candidate   the newest, while it gets a part of the requests, or none yet
    champion    the one that gets the rest, or all
    previous    the champion before, which `release rollback` goes back to

Each step looks at what is there and does what is missing, so that one that was cut off can be
repeated. What gets no requests is undeployed, for it would be billed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1.services.endpoint_service import EndpointServiceClient
from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient
from google.cloud.aiplatform_v1.types import (
    DeployedModel,
    Endpoint,
    Model,
    ModelContainerSpec,
    UploadModelRequest,
)
from google.protobuf.field_mask_pb2 import FieldMask

from common.errors import UserError

BLESSED, CANDIDATE, CHAMPION, PREVIOUS = "blessed", "candidate", "champion", "previous"

RUN = "run"
"""Label of a version with the run that made it."""

ALL = 100
"""Per cent."""

_PREBUILT = "/vertex-ai/prediction/"
"""Part of the name of each image that Google serves ready-made."""

_NEW = "0"
"""In a traffic split: the model that is being deployed."""


@dataclass(frozen=True)
class Place:
    """Where a model is served, and on what.

    Attributes:
        parent: Project and region, as projects/PROJECT/locations/REGION.
        model: Id of the model in the registry.
        endpoint: Name of the endpoint, as people see it.
        dedicated: Whether an endpoint that is made has an address of its own.
        image: Container image that serves.
        machine_type: Machines that serve.
        min_replicas: Fewest of them.
        max_replicas: Most of them.
        labels: Of the endpoint, and of versions.
    """

    parent: str
    model: str
    endpoint: str
    dedicated: bool
    image: str
    machine_type: str
    min_replicas: int
    max_replicas: int
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def model_name(self) -> str:
        """The model's whole name."""
        return f"{self.parent}/models/{self.model}"

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class ReleaseStatus:
    """How a version stands.

    Attributes:
        version: Its number.
        aliases: What it is called as well.
        run: The run that made it.
        traffic: Per cent of requests that it gets; None if it is not deployed.
    """

    version: str
    aliases: tuple[str, ...]
    run: str
    traffic: int | None


@dataclass(frozen=True)
class Releases:
    """The versions of one model.

    Attributes:
        place: Where it is served.
        models: Asks the registry.
        endpoints: Asks for endpoints.
        seconds: How long a deployment may take.
    """

    place: Place
    models: ModelServiceClient
    endpoints: EndpointServiceClient
    seconds: int = 3600

    def upload(self, artifact_uri: str, run: str, about: str, labels: Mapping[str, str]) -> str:
        """Makes a version, unless the run has made one already, and returns its number.

        Args:
            artifact_uri: Folder of the SavedModel.
            run: The run that made it.
            about: What people shall read of it.
            labels: Of the version, besides those of the place.
        """
        versions = self._versions()
        run = label_value(run)
        made = [version for version in versions if version.labels.get(RUN) == run]
        number = made[0].version_id if made else self._upload(artifact_uri, run, about, labels)
        self._call(BLESSED, number)
        return number

    def deploy(self, version: str, traffic: int) -> None:
        """Has a version get a share of the requests; the champion gets the rest.

        Args:
            version: Its number.
            traffic: Per cent. Without a champion it gets all of them, unless it is to get none.
        """
        endpoint = self._endpoint() or self._create_endpoint()
        mine = next((d.id for d in self._deployed(endpoint) if _version(d) == version), None)
        champion = self._champion(endpoint, other_than=mine)
        if traffic and not champion:
            traffic = ALL
        shares = {mine or _NEW: traffic}
        if champion and traffic < ALL:
            shares[champion] = ALL - traffic
        if mine is None and traffic:
            self.endpoints.deploy_model(
                endpoint=endpoint.name,
                deployed_model=self._to_deploy(version),
                traffic_split=shares,
            ).result(timeout=self.seconds)
        elif champion or mine:
            self._split(endpoint, {key: share for key, share in shares.items() if share})
        self._undeploy_idle()
        if traffic < ALL:
            self._call(CANDIDATE, version)
        else:
            self._crown(version)

    def deployed(self, version: str) -> tuple[Endpoint, str] | None:
        """The endpoint that asks a version, and the version's id there; None if none does."""
        endpoint = self._endpoint()
        for deployed in self._deployed(endpoint) if endpoint else ():
            if endpoint and _version(deployed) == version:
                return endpoint, deployed.id
        return None

    def promote(self, version: str | None = None) -> str:
        """Has a version, by default the candidate, get all requests, and returns its number.

        Raises:
            UserError: If there is no such version.
        """
        numbers = [found.version_id for found in self._versions()]
        chosen = version or self._called(CANDIDATE)
        if chosen is None:
            raise UserError(
                f"{self.place.model} has no candidate.",
                f"Name a version: {', '.join(numbers)}." if numbers else "Run the pipeline first.",
            )
        if chosen not in numbers:
            raise UserError(
                f"{self.place.model} has no version {chosen}.", f"It has {', '.join(numbers)}."
            )
        self.deploy(chosen, ALL)
        return chosen

    def roll_back(self) -> str:
        """Takes the candidate back; where there is none, goes back to the champion before.

        Returns:
            The version that gets all requests now.

        Raises:
            UserError: If there is none to go back to.
        """
        candidate, champion = self._called(CANDIDATE), self._called(CHAMPION)
        if candidate and champion:
            self.deploy(champion, ALL)
            self._uncall(CANDIDATE)
            return champion
        previous = self._called(PREVIOUS)
        if previous is None:
            raise UserError(
                f"{self.place.model} has no version to go back to.",
                "Name one that shall serve, with 'release promote VERSION'.",
            )
        self.deploy(previous, ALL)
        self._uncall(PREVIOUS)  # It was the one taken back, by now: nothing to go back to.
        return previous

    def in_service(self) -> Model | None:
        """The version that answers: the champion, else the newest that is blessed."""
        versions = self._versions()
        for alias in (CHAMPION, BLESSED):
            for version in versions:
                if alias in version.version_aliases:
                    return version
        return None

    def status(self) -> list[ReleaseStatus]:
        """All versions, the newest first."""
        endpoint = self._endpoint()
        traffic: dict[str, int] = {}
        if endpoint:
            for deployed in self._deployed(endpoint):
                traffic[_version(deployed)] = endpoint.traffic_split.get(deployed.id, 0)
        return [
            ReleaseStatus(
                found.version_id,
                tuple(alias for alias in found.version_aliases if alias != "default"),
                found.labels.get(RUN, ""),
                traffic.get(found.version_id),
            )
            for found in sorted(self._versions(), key=lambda v: -int(v.version_id))
        ]

    def _upload(self, artifact_uri: str, run: str, about: str, labels: Mapping[str, str]) -> str:
        model = Model(
            display_name=self.place.model,
            version_description=about,
            artifact_uri=artifact_uri,
            container_spec=_container(self.place.image),
            labels={**self.place.labels, **labels, RUN: run},
        )
        request = UploadModelRequest(parent=self.place.parent, model=model)
        if self._versions():
            request.parent_model = self.place.model_name
        else:
            request.model_id = self.place.model
        uploading = self.models.upload_model(request=request)
        uploaded: Any = uploading.result(timeout=self.seconds)
        return uploaded.model_version_id

    def _versions(self) -> list[Model]:
        try:
            return list(self.models.list_model_versions(name=self.place.model_name))
        except exceptions.NotFound:
            return []

    def _called(self, alias: str) -> str | None:
        """The version that an alias means."""
        found = (v.version_id for v in self._versions() if alias in v.version_aliases)
        return next(found, None)

    def _call(self, alias: str, version: str) -> None:
        """Has an alias mean a version, and no other."""
        if self._called(alias) != version:
            self._uncall(alias)
            self._merge(version, alias)

    def _uncall(self, alias: str) -> None:
        if before := self._called(alias):
            self._merge(before, f"-{alias}")

    def _merge(self, version: str, alias: str) -> None:
        name = f"{self.place.model_name}@{version}"
        self.models.merge_version_aliases(name=name, version_aliases=[alias])

    def _crown(self, version: str) -> None:
        before = self._called(CHAMPION)
        if before and before != version:
            self._call(PREVIOUS, before)
        if self._called(CANDIDATE) == version:
            self._uncall(CANDIDATE)
        self._call(CHAMPION, version)

    def _endpoint(self) -> Endpoint | None:
        """The one of this name; the oldest, should there be several."""
        request = {
            "parent": self.place.parent,
            "filter": f'display_name="{self.place.endpoint}"',
            "order_by": "create_time",
        }
        found: Any = self.endpoints.list_endpoints(request=request)
        return next(iter(found), None)

    def _create_endpoint(self) -> Endpoint:
        endpoint = Endpoint(
            display_name=self.place.endpoint,
            labels=dict(self.place.labels),
            dedicated_endpoint_enabled=self.place.dedicated,
        )
        creating = self.endpoints.create_endpoint(parent=self.place.parent, endpoint=endpoint)
        created: Any = creating.result(timeout=self.seconds)
        return created

    def _deployed(self, endpoint: Endpoint) -> list[DeployedModel]:
        return [
            deployed
            for deployed in endpoint.deployed_models
            if deployed.model.partition("@")[0].endswith(f"/models/{self.place.model}")
        ]

    def _champion(self, endpoint: Endpoint, other_than: str | None) -> str | None:
        """Which of those deployed a new one shares requests with, by its id there."""
        others = [d for d in endpoint.deployed_models if d.id != other_than]
        called = self._called(CHAMPION)
        named = [d.id for d in others if d in self._deployed(endpoint) and _version(d) == called]
        most = sorted(others, key=lambda d: -endpoint.traffic_split.get(d.id, 0))
        return next(iter(named or [d.id for d in most]), None)

    def _to_deploy(self, version: str) -> DeployedModel:
        return DeployedModel(
            model=f"{self.place.model_name}@{version}",
            display_name=f"{self.place.model}-{version}",
            dedicated_resources={
                "machine_spec": {"machine_type": self.place.machine_type},
                "min_replica_count": self.place.min_replicas,
                "max_replica_count": self.place.max_replicas,
            },
        )

    def _split(self, endpoint: Endpoint, shares: Mapping[str, int]) -> None:
        if dict(endpoint.traffic_split) != shares:
            self.endpoints.update_endpoint(
                endpoint=Endpoint(name=endpoint.name, traffic_split=shares),
                update_mask=FieldMask(paths=["traffic_split"]),
            )

    def _undeploy_idle(self) -> None:
        endpoint = self._endpoint()
        if endpoint is None:
            return
        for deployed in endpoint.deployed_models:
            if not endpoint.traffic_split.get(deployed.id):
                self.endpoints.undeploy_model(
                    endpoint=endpoint.name, deployed_model_id=deployed.id
                ).result(timeout=self.seconds)


def label_value(text: str) -> str:
    """A text as the value of a label: what Google Cloud doesn't allow in one is replaced."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[-63:]


def is_prebuilt(image: str) -> bool:
    """Whether an image is one that Google serves ready-made."""
    return _PREBUILT in image


def _container(image: str) -> ModelContainerSpec:
    if is_prebuilt(image):
        return ModelContainerSpec(image_uri=image)
    return ModelContainerSpec(
        image_uri=image,
        predict_route="/predict",
        health_route="/health",
        ports=[{"container_port": 8080}],
    )


def _version(deployed: DeployedModel) -> str:
    return deployed.model_version_id or deployed.model.partition("@")[2]
