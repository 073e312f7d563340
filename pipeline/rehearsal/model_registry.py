"""Models, their versions, and endpoints, as Vertex AI keeps them: in a JSON file, and folders.

What is deployed is a folder endpoints/NAME/NUMBER. Requests and answers are those of the API.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from common.files import replacing, write_atomically
from models.features import FEATURES
from models.names import PREDICTION, SERVING
from models.request import RequestError, check_request
from pipeline.rehearsal.buckets import Buckets

Body = dict[str, Any]
Route = tuple[str, str, Callable[[tuple[str, ...], Body, Mapping[str, str]], Body]]
"""Method, pattern of the path, and what answers: with its groups, the body, the query."""

NAME = r"projects/[^/]+/locations/[^/]+"
_ALIAS = r"-?[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]"


class RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ModelRegistry:
    """The registry, and the endpoints that its models are deployed to.

    Args:
        folder: Gets NAME/NUMBER for each model deployed, and the file that all is kept in.
        buckets: Where models are.
    """

    def __init__(self, folder: Path, buckets: Buckets) -> None:
        self._folder = folder
        self._buckets = buckets
        self._asked = 0
        self._file = folder / "registry.json"
        kept = json.loads(self._file.read_text("utf-8")) if self._file.exists() else {}
        self._versions: dict[str, list[Body]] = kept.get("versions", {})
        self._endpoints: dict[str, Body] = kept.get("endpoints", {})
        model, endpoint = rf"({NAME}/models/[\w-]+)", rf"({NAME}/endpoints/[\w-]+)"
        self.routes: list[Route] = [
            ("POST", rf"({NAME})/models:upload", self._upload),
            ("GET", rf"{model}:listVersions", self._list_versions),
            ("POST", rf"{model}@(\d+):mergeVersionAliases", self._merge_aliases),
            ("POST", rf"({NAME})/endpoints", self._create),
            ("GET", rf"({NAME})/endpoints", self._list),
            ("GET", endpoint, self._endpoint),
            ("PATCH", endpoint, self._update),
            ("POST", rf"{endpoint}:deployModel", self._deploy),
            ("POST", rf"{endpoint}:undeployModel", self._undeploy),
            ("POST", rf"{endpoint}:predict", self._predict),
        ]

    def artifact_of(self, version: str) -> str:
        """The folder that a version was made of, by its name."""
        name, _, number = version.partition("@")
        return self._versions[name][int(number) - 1]["artifactUri"]

    def folder_of(self, version: str) -> Path | None:
        """Where a version is deployed; None if it is not.

        Args:
            version: Its name, as .../models/MODEL@NUMBER.
        """
        for endpoint in self._endpoints.values():
            for deployed in endpoint.get("deployedModels", ()):
                if f"{deployed['model']}@{deployed['modelVersionId']}" == version:
                    return self._folder / endpoint["displayName"] / deployed["id"]
        return None

    def _upload(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        (parent,) = groups
        name = body.get("parentModel") or f"{parent}/models/{body['modelId']}"
        versions = self._versions.setdefault(name, [])
        if versions and "parentModel" not in body:
            raise RefusedError(409, f"{name} is there already")
        number = str(len(versions) + 1)
        made = {
            "name": name,
            "versionId": number,
            "versionAliases": [] if versions else ["default"],
        }
        # Containers know folders in place of buckets.
        versions.append({**self._buckets.remote_json(body["model"]), **made})
        self._keep()
        return _done("UploadModelResponse", {"model": name, "modelVersionId": number})

    def _list_versions(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        return {"models": list(reversed(_found(self._versions, groups[0])))}

    def _merge_aliases(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        versions, version = self._version(*groups)
        for alias in body["versionAliases"]:
            if not re.fullmatch(_ALIAS, alias):
                raise RefusedError(400, f"{alias!r} can't be an alias")
            taken = [v for v in versions if alias in v["versionAliases"] and v is not version]
            if taken:
                raise RefusedError(400, f"{alias} is that of version {taken[0]['versionId']}")
            if alias.startswith("-"):
                version["versionAliases"].remove(alias[1:])
            elif alias not in version["versionAliases"]:
                version["versionAliases"].append(alias)
        self._keep()
        return version

    def _create(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        display_name = body.get("displayName", "")
        if not re.fullmatch(r"[\w-]+", display_name):
            raise RefusedError(400, f"an endpoint called {display_name!r} can't be a folder")
        name = f"{groups[0]}/endpoints/{_number()}"
        self._endpoints[name] = {**body, "name": name, "deployedModels": [], "trafficSplit": {}}
        (self._folder / display_name).mkdir(parents=True, exist_ok=True)
        self._keep()
        return _done("Endpoint", self._endpoints[name])

    def _list(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        found = list(self._endpoints.values())
        if "filter" in query:
            match = re.fullmatch(r'display_name="([^"]*)"', query["filter"])
            if match is None:
                raise RefusedError(501, f"the filter {query['filter']} is not rehearsed")
            found = [endpoint for endpoint in found if endpoint["displayName"] == match[1]]
        return {"endpoints": found}

    def _endpoint(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        return _found(self._endpoints, groups[0])

    def _update(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        if query.get("updateMask") != "trafficSplit":
            raise RefusedError(501, "no other part of an endpoint is rehearsed")
        endpoint = _found(self._endpoints, groups[0])
        self._share(endpoint, body["trafficSplit"])
        return endpoint

    def _deploy(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        endpoint = _found(self._endpoints, groups[0])
        name, _, number = body["deployedModel"]["model"].partition("@")
        _, model = self._version(name, number)
        key = _number()
        with replacing(self._folder / endpoint["displayName"] / key) as partial:
            shutil.copytree(self._buckets.path(model["artifactUri"]), partial)
        made = {"id": key, "model": name, "modelVersionId": number}
        deployed = {**body["deployedModel"], **made}
        endpoint["deployedModels"].append(deployed)
        split = {key if k == "0" else k: share for k, share in body["trafficSplit"].items()}
        self._share(endpoint, split)
        return _done("DeployModelResponse", {"deployedModel": deployed})

    def _undeploy(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        endpoint = _found(self._endpoints, groups[0])
        key = body["deployedModelId"]
        if endpoint["trafficSplit"].get(key):
            raise RefusedError(400, f"{key} gets requests")
        left = [deployed for deployed in endpoint["deployedModels"] if deployed["id"] != key]
        if len(left) == len(endpoint["deployedModels"]):
            raise RefusedError(404, f"{key} is not deployed")
        endpoint["deployedModels"] = left
        endpoint["trafficSplit"].pop(key, None)
        shutil.rmtree(self._folder / endpoint["displayName"] / key)
        self._keep()
        return _done("UndeployModelResponse", {})

    def _predict(self, groups: tuple[str, ...], body: Body, query: Mapping[str, str]) -> Body:
        endpoint = _found(self._endpoints, groups[0])
        shares = [key for key, share in sorted(endpoint["trafficSplit"].items()) if share]
        if not shares:
            raise RefusedError(400, f"{endpoint['displayName']} has no model")
        self._asked += 1
        key = shares[self._asked % len(shares)]  # In turn, where Vertex AI draws lots.
        try:
            rows = [check_request(instance) for instance in body["instances"]]
        except RequestError as refused:
            raise RefusedError(400, str(refused)) from refused
        import tensorflow as tf  # Loaded by now, as the pipeline was compiled.

        model = tf.saved_model.load(str(self._folder / endpoint["displayName"] / key))
        columns = {f.name: tf.constant([row[f.name] for row in rows]) for f in FEATURES}
        answer = model.signatures[SERVING](**columns)[PREDICTION].numpy()
        return {"predictions": [float(value) for value in answer], "deployedModelId": key}

    def _version(self, name: str, number: str) -> tuple[list[Body], Body]:
        """All versions of a model, and one of them."""
        versions = _found(self._versions, name)
        for version in versions:
            if version["versionId"] == number:
                return versions, version
        raise RefusedError(404, f"there is no {name}@{number}")

    def _share(self, endpoint: Body, split: Mapping[str, int]) -> None:
        unknown = split.keys() - {deployed["id"] for deployed in endpoint["deployedModels"]}
        if unknown or sum(split.values()) != 100:
            raise RefusedError(400, f"requests can't be shared so: {dict(split)}")
        endpoint["trafficSplit"] = dict(split)
        self._keep()

    def _keep(self) -> None:
        state = {"versions": self._versions, "endpoints": self._endpoints}
        write_atomically(self._file, json.dumps(state, indent=1))


def _found(resources: Mapping[str, Any], name: str) -> Any:
    if name not in resources:
        raise RefusedError(404, f"there is no {name}")
    return resources[name]


def _number() -> str:
    """Rises with time, as the names of versions must."""
    return str(time.time_ns() // 1000)


def _done(kind: str, response: Body) -> Body:
    """A long-running operation that has ended."""
    kind = f"type.googleapis.com/google.cloud.aiplatform.v1.{kind}"
    name = f"projects/1/locations/rehearsal/operations/{time.time_ns()}"
    return {"name": name, "done": True, "response": {"@type": kind, **response}}
