"""A run root that was moved, and of which things were removed, runs on and tells of its runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2
from real_runs import Runs

from common.errors import UserError
from pipeline.cli.console import log_to
from pipeline.local import report
from report.runs.metadata_file import METADATA, open_metadata

pytestmark = pytest.mark.slow


@pytest.fixture
def moved(runs: Runs, tmp_path: Path) -> Iterator[Runs]:
    """A root with a run, called `first`, elsewhere than that was made; there, nothing is left."""
    away = runs.root.with_name("away")
    shutil.copytree(runs.root, tmp_path / "root", symlinks=True)
    runs.root.rename(away)
    yield Runs(tmp_path / "root")
    away.rename(runs.root)


def shown(on: Runs, capfd: pytest.CaptureFixture[str], **asked: object) -> Path:
    """The page that `report` names."""
    with log_to(Path(os.devnull)) as console:
        report.run(on.settings(), report.Options.model_validate(asked), console)
    return Path(capfd.readouterr().out.splitlines()[-1])


def test_it_goes_on_without_its_old_models(
    runs: Runs, moved: Runs, capfd: pytest.CaptureFixture[str]
):
    page = shown(moved, capfd, run="first")
    assert page.is_relative_to(moved.root) and page.is_file()

    shutil.rmtree(moved.root / "pipeline" / "Trainer" / "model")
    summary = moved.make("again")
    assert summary is not None and summary.blessed
    follows, gone = moved.witness.said
    assert follows.startswith(f"This run root was at {runs.root}: ")
    assert gone.startswith("No longer there, so passed over and made anew if needed: Trainer/model")
    assert summary.overall and summary.overall.rmse.baseline is None
    assert summary.pushed_to and Path(summary.pushed_to, "saved_model.pb").is_file()
    assert Path(summary.pushed_to).is_relative_to(moved.root)
    live = metadata_store_pb2.Artifact.LIVE
    artifacts = open_metadata(moved.root).get_artifacts()
    there = [artifact.uri for artifact in artifacts if artifact.state == live]
    assert len(there) == len(artifacts) - 1
    assert all(uri.startswith(f"{moved.root}/pipeline/") for uri in there)

    # The page of a run is a file of its own; once it is gone, the model is asked for again.
    assert shown(moved, capfd, run="first") == page
    page.unlink()
    for asked in ({"run": "first"}, {"compare": True, "runs": ["first", "again"]}):
        with pytest.raises(UserError, match=r"What run first made is no longer there: .*model"):
            shown(moved, capfd, **asked)


def test_files_that_its_metadata_does_not_know_are_not_learned_from(moved: Runs, tmp_path: Path):
    (moved.root / METADATA).rename(tmp_path / METADATA)
    summary = moved.make("fresh", "--sample", "0.05", "--to", "StatisticsGen")
    assert summary is not None
    (said,) = moved.witness.said
    assert "folders that its metadata does not know were set aside in" in said
    files = (moved.root / "pipeline" / "BigQueryExampleGen").rglob("Split-train/*")
    records = tf.data.TFRecordDataset(sorted(map(str, files)), compression_type="GZIP")
    count = int(records.reduce(0, lambda found, _: found + 1).numpy())
    assert 0 < count == summary.rows["train"]
    assert set(os.listdir(moved.root / "set-aside" / "fresh" / "pipeline")) >= {"Trainer", "Pusher"}
