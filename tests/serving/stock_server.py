"""Holds TensorFlow Serving's own server to the tests that ours passes; see `--help`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from small_model import write_model

IMAGE = "tensorflow/serving:2.19.1"
PORT = 8501
LABELS = {"stable": 1, "canary": 2}
SECONDS = 120.0
"""For the image to be fetched is another matter; for the server to load two small models."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", default=IMAGE, help="default: %(default)s")
    parser.add_argument("--url", help="a server of these models that runs already")
    parser.add_argument("--write", type=Path, help="only write the models and their configuration")
    options = parser.parse_args()
    if options.write:
        write_models(options.write)
        return 0
    if options.url:
        return test(options.url)
    if not shutil.which("docker"):
        print("There is no docker. Start a server yourself: --write FOLDER, then --url ADDRESS.")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        with started(Path(folder), options.image) as url:
            return test(url)


def write_models(folder: Path) -> None:
    """Writes two versions of a small model, and the configuration that labels them."""
    for version in LABELS.values():
        write_model(folder / "model", version, offset=version / 10)
    labels = "".join(f' version_labels {{ key: "{k}" value: {v} }}' for k, v in LABELS.items())
    (folder / "models.config").write_text(
        'model_config_list { config { name: "model" base_path: "/models/model" '
        f'model_platform: "tensorflow" model_version_policy {{ all {{}} }}{labels} }} }}\n'
    )
    for path in [folder, *folder.rglob("*")]:  # The server is another user.
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))


@contextmanager
def started(folder: Path, image: str) -> Iterator[str]:
    """Runs the image until the models answer, and stops it again."""
    command = ["docker", "run", "--rm", "--detach", "--publish", f"127.0.0.1::{PORT}"]
    command += ["--volume", f"{folder}:/models:ro", image]
    command += ["--model_config_file=/models/models.config"]
    command += ["--allow_version_labels_for_unavailable_models=true"]
    container = output(*command)
    try:
        url = f"http://{output('docker', 'port', container, str(PORT)).splitlines()[0]}"
        wait_until_ready(url, container)
        yield url
    finally:
        subprocess.run(["docker", "stop", container], check=True, stdout=subprocess.DEVNULL)


def output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def wait_until_ready(url: str, container: str) -> None:
    until = time.monotonic() + SECONDS
    while True:
        try:
            states = httpx.get(f"{url}/v1/models/model").json()["model_version_status"]
        except (httpx.TransportError, KeyError):
            states = []
        if len(states) == len(LABELS) and all(s["state"] == "AVAILABLE" for s in states):
            return
        if time.monotonic() > until:
            raise TimeoutError(f"It is not ready:\n{output('docker', 'logs', container)}")
        time.sleep(0.2)


def test(url: str) -> int:
    os.environ["TENSORFLOW_SERVING_URL"] = url
    file = Path(__file__).with_name("test_tensorflow_serving.py")
    return pytest.main(["-p", "no:cacheprovider", str(file)])


if __name__ == "__main__":
    sys.exit(main())
