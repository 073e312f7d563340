"""The serving image: its build stage run for real, and the server in it, as on Vertex AI."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import image
import pytest
import storage
from image import CHECKOUT
from served_rows import ROW, answers
from small_model import write_model

DOCKERFILE = "serving/Dockerfile"
HERE = {"PYTHON": image.PYTHON}

pytestmark = [pytest.mark.slow, pytest.mark.cloud]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in place of the image's root."""
    root = tmp_path_factory.mktemp("serving-image")
    image.build(root, DOCKERFILE, HERE)
    return root


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of Cloud Storage on loopback, with a model in gs://models/pushed."""
    model = write_model(tmp_path_factory.mktemp("model"), 1, offset=0.2)
    with storage.serving(tmp_path_factory.mktemp("storage")) as url:
        client = storage.client(url)
        client.create_bucket("models")
        for file in sorted(model.rglob("*")):
            if file.is_file():
                name = f"pushed/{file.relative_to(model).as_posix()}"
                client.bucket("models").blob(name).upload_from_filename(str(file))
        yield url


def test_it_is_small_and_has_nothing_of_the_pipeline(root: Path):
    sizes = {path: path.stat().st_size for path in root.rglob("*") if path.is_file()}
    installed = sum(
        size
        for path, size in sizes.items()
        if not path.is_symlink() and "context" not in path.relative_to(root).parts
    )
    print(f"installed: {installed / 1e6:,.0f} MB")
    assert installed < 1e9
    (packages,) = root.glob("opt/venv/lib/python*/site-packages")
    names = {path.name.partition("-")[0] for path in packages.iterdir()}
    assert not names & {"tfx", "apache_beam", "tensorflow_transform", "ml_metadata", "pyarrow"}
    assert {path.name for path in (root / "app").iterdir()} == {
        *("common", "data", "models", "serving", "requirements.lock"),
    }


def test_a_container_of_vertex_ai_serves_a_model_from_a_bucket(
    root: Path, bucket: str, tmp_path: Path
):
    (entry,) = image.stages(HERE, DOCKERFILE)["final"].texts("ENTRYPOINT")
    _, *arguments = json.loads(entry)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "log"
    started = time.monotonic()
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [root / "opt/venv/bin/python", *arguments],
            cwd=root / "app",
            env={
                "AIP_HTTP_PORT": str(port),
                "AIP_HEALTH_ROUTE": "/v1/endpoints/1/deployedModels/2",
                "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/2:predict",
                "AIP_STORAGE_URI": "gs://models/pushed",
                "STORAGE_EMULATOR_HOST": bucket,
                "HOME": str(root),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as server,
    ):
        try:
            address = f"http://127.0.0.1:{port}/v1/endpoints/1/deployedModels/2"
            while not healthy(address):
                assert server.poll() is None, log.read_text()
                time.sleep(0.05)
            seconds = time.monotonic() - started
            ticks = sum(map(int, Path(f"/proc/{server.pid}/stat").read_text().split()[13:15]))
            cpu = ticks / os.sysconf("SC_CLK_TCK")
            print(f"cold start: {seconds:.1f} s, of which {cpu:.1f} s of CPU")
            request = urllib.request.Request(
                f"{address}:predict",
                json.dumps({"instances": [ROW]}).encode(),
                {"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request, timeout=30) as response:
                assert json.load(response)["predictions"] == answers([ROW], 2)
        finally:
            server.terminate()
    assert server.returncode == 0, log.read_text()


def healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_it_runs_as_a_user_of_its_own():
    final = image.stages(HERE, DOCKERFILE)["final"]
    assert final.texts("USER") == ["server"]
    assert final.base.startswith("python:")
    assert (CHECKOUT / "serving" / "requirements.lock").exists()
