"""A trained model, Cloud Storage, Dataflow and its workers, once for all jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import image
import pytest
import storage
from compiled import BUCKET
from dataflow_service import Dataflow
from image import CHECKOUT
from workers import Workers


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Examples, schema and a model trained on them, as the local runner makes them."""
    folder = tmp_path_factory.mktemp("run")
    quick = ["--sample", "0.05", "--train-steps", "30", "--batch-size", "128"]
    ended = subprocess.run(
        [
            sys.executable,
            CHECKOUT / "local_runner.py",
            "--run-root",
            ".",
            *quick,
            "--to",
            "Trainer",
        ],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("NATALITY_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    made = {
        "examples": "BigQueryExampleGen/examples",
        "model": "Trainer/model",
        "schema": "ImportSchemaGen/schema",
    }
    found = {}
    for key, output in made.items():
        (found[key],) = (folder / "pipeline" / output).iterdir()
    return found


@pytest.fixture(scope="session")
def image_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of the image."""
    return image.build(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def workers(image_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Workers:
    """Workers with the locked dependencies and without our package."""
    folder = tmp_path_factory.mktemp("workers")
    workers = Workers.copied(image_python.parents[1], folder)
    workers.uninstall("tfx-pipeline")
    assert workers.has("tfx")
    assert not workers.has("models")
    return workers


@pytest.fixture(scope="session")
def dataflow(tmp_path_factory: pytest.TempPathFactory, workers: Workers) -> Iterator[Dataflow]:
    """Dataflow and Cloud Storage, with the bucket there."""
    folder = tmp_path_factory.mktemp("cloud")
    with storage.serving(folder) as url:
        storage.client(url).create_bucket(BUCKET)
        with Dataflow(url, workers, folder) as service:
            yield service


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory, dataflow: Dataflow) -> Path:
    """A key that only the service on loopback takes."""
    file = tmp_path_factory.mktemp("credentials") / "key.json"
    storage.write_credentials(file, dataflow.token_url)
    return file
