"""Versions in a bucket: a real server of Cloud Storage's API, asked by Google's own client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import storage

from serving.versions.places import BucketFolder, LocalFolder, is_whole, place_of
from serving.versions.watcher import Watcher


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with storage.serving(tmp_path_factory.mktemp("storage")) as url:
        storage.client(url).create_bucket("models")
        yield url


@pytest.fixture(autouse=True)
def lead(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)


def upload(url: str, model: Path, prefix: str) -> None:
    for file in model.rglob("*"):
        if file.is_file():
            name = f"{prefix}/{file.relative_to(model).as_posix()}"
            storage.client(url).bucket("models").blob(name).upload_from_filename(str(file))


def contents(folder: str | Path) -> dict[str, bytes]:
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_each_version_is_fetched_whole(url: str, models: dict[int, Path]):
    for version in (1, 2):
        upload(url, models[version], f"pushed/{version}")
    storage.client(url).bucket("models").blob("pushed/3/variables/half").upload_from_string(b"")
    storage.client(url).bucket("models").blob("pushed/notes").upload_from_string(b"no version")
    place = place_of("gs://models/pushed/")
    versions = place.versions()
    assert {number: is_whole(print_) for number, print_ in versions.items()} == {
        1: True,
        2: True,
        3: False,
    }
    with place.fetched(2) as folder:
        assert contents(folder) == contents(models[2])
    assert not Path(folder).exists()
    watcher = Watcher("gs://models/pushed", "model", largest=4)
    watcher.look()
    assert watcher.versions == [2]
    assert "no saved_model.pb yet" in watcher.statuses()[0].reason
    assert place.versions() == versions, "the same as long as no file changes"
    storage.client(url).bucket("models").blob("pushed/2/saved_model.pb").upload_from_string(b"")
    assert place.versions()[2] != versions[2]


def test_a_folder_of_one_saved_model_is_version_one(url: str, models: dict[int, Path]):
    upload(url, models[1], "single")
    place = BucketFolder("gs://models/single")
    assert list(place.versions()) == [1]
    with place.fetched(1) as folder:
        assert contents(folder) == contents(models[1])


def test_no_object_is_written_outside_of_its_version(url: str):
    bucket = storage.client(url).bucket("models")
    bucket.blob("evil/1/saved_model.pb").upload_from_string(b"model")
    bucket.blob("evil/1/../../../outside").upload_from_string(b"out")
    place = BucketFolder("gs://models/evil")
    with place.fetched(1) as folder:
        assert contents(folder) == {"saved_model.pb": b"model"}


def test_what_is_no_address_of_a_bucket_is_a_folder(tmp_path: Path):
    assert isinstance(place_of(str(tmp_path)), LocalFolder)
    assert place_of(str(tmp_path / "missing")).versions() == {}
