"""A training that is killed after any operation on its files is taken up by the next attempt."""

# Keras and TensorFlow carry no types; the checker guesses those of parameters from their defaults.
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.python.lib.io import _pywrap_file_io as files
from tensorflow.python.ops import gen_io_ops, io_ops
from tfx.components.trainer.fn_args_utils import FnArgs

from models import history, task
from models.callbacks import CLEARING, Recorder, clear_rest
from models.features import HYPERPARAMETERS
from models.names import EXAMPLES, PREDICTION
from models.task import run_fn

STEPS, INTERVAL = 4, 2

pytestmark = pytest.mark.slow


class States:
    """What a kill would leave of a folder, by what it would leave of the checkpoints in it.

    Of those with the same checkpoints the last is kept, in which most has been exported.

    Args:
        folder: In which a training writes.
        kept: Gets the copies.
    """

    def __init__(self, folder: Path, kept: Path) -> None:
        self._folder = folder
        self._kept = kept
        self.operations = 0

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Takes a copy after each operation of TensorFlow on files."""
        for name in ("CreateDir", "RecursivelyCreateDir", "DeleteFile", "RenameFile", "CopyFile"):
            patch.setattr(files, name, self._watched(getattr(files, name)))
        for ops, name in ((io_ops, "save_v2"), (gen_io_ops, "merge_v2_checkpoints")):
            patch.setattr(ops, name, self._watched(getattr(ops, name)))
        opened, watched, taken = files.WritableFile, self._watched, self.take

        class WritableFile:
            """A file; what is written is there once it is flushed, or much has gathered."""

            def __init__(self, *args: Any) -> None:
                self._file = opened(*args)
                self.append = watched(self._file.append)
                self.flush = watched(self._file.flush)
                self.close = watched(self._file.close)
                self.tell = self._file.tell
                taken()

        patch.setattr(files, "WritableFile", WritableFile)
        patch.setattr(files, "DeleteRecursively", self._delete_one_by_one)

    def take(self) -> None:
        self.operations += 1
        digest = hashlib.sha256()
        for place in sorted((self._folder / "checkpoints").rglob("*")):
            content = place.read_bytes() if place.is_file() else b""
            digest.update(f"{place} {len(content)} ".encode() + content)
        copy = self._kept / digest.hexdigest()[:16]
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._folder, copy)

    def _watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            answer = function(*args, **kwargs)
            self.take()
            return answer

        return operation

    def _delete_one_by_one(self, path: bytes) -> None:
        folder = Path(path.decode())
        for place in sorted(folder.rglob("*"), reverse=True):
            place.rmdir() if place.is_dir() else place.unlink()
            self.take()
        folder.rmdir()
        self.take()


def predictions(args: FnArgs) -> list[float]:
    """Of the exported model, on a few rows of the eval split."""
    model = tf.saved_model.load(args.serving_model_dir)
    records = tf.data.TFRecordDataset(tf.io.gfile.glob(args.eval_files), "GZIP").take(20)
    examples = tf.constant(list(records.as_numpy_iterator()))
    return model.signatures[EXAMPLES](examples)[PREDICTION].numpy().tolist()


def done(checkpoints: Path) -> int:
    """Steps that need not be made again; 0 where checkpoints are being removed."""
    if list(checkpoints.glob(f"*/{CLEARING}")):
        return 0
    found = [tf.train.latest_checkpoint(str(f)) for f in checkpoints.glob("*/backup/chief")]
    latest = next(iter(found), None)
    return INTERVAL * int(latest.rpartition("-")[2]) if latest else 0


def put_back(state: Path, folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(state, folder)


def test_killed_after_any_operation_it_is_taken_up(
    make_fn_args: Callable[..., FnArgs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, kept = tmp_path / "training", tmp_path / "kept"
    folder.mkdir()
    args = make_fn_args(
        folder,
        steps=STEPS,
        checkpoint_interval=INTERVAL,
        batch_size=32,
        hyperparameters=dataclasses.replace(HYPERPARAMETERS, hidden_units=(4,)),
    )
    states = States(folder, kept)
    with monkeypatch.context() as patch:
        states.watch(patch)
        run_fn(args)
    expected = pytest.approx(predictions(args), rel=1e-5)
    assert states.operations > 80

    ended: list[Recorder] = []

    def load_only(*given: Any) -> None:
        """In place of an export, which takes most of the time: only what it needs is there."""
        *_, network, _, best, recorder, _ = given
        assert best.load_into(network.build()) in (INTERVAL, STEPS)
        ended.append(recorder)

    checkpoints = folder / "checkpoints"
    found = set(kept.iterdir())
    half_removed = [state for state in found if list(state.glob(f"checkpoints/*/{CLEARING}"))]
    assert len(half_removed) > 5
    for state in half_removed:
        put_back(state, folder)
        (training,) = checkpoints.iterdir()
        clear_rest(str(training))  # With which a training begins.
        assert not list(checkpoints.iterdir())

    # After that, all of those are as one.
    resumed: Counter[int] = Counter()
    for state in found - set(half_removed[1:]):
        put_back(state, folder)
        steps = done(checkpoints)
        half_exported = steps == STEPS and (folder / "model").exists()
        with monkeypatch.context() as patch:
            if not half_exported:
                patch.setattr(task, "export", load_only)
            run_fn(args)
        assert not list(checkpoints.iterdir())
        if half_exported:
            assert predictions(args) == expected
            record = history.read(args.model_run_dir)
        else:
            record = ended.pop()
        assert [interval.step for interval in record.records] == [INTERVAL, STEPS]
        assert not steps or record.resumed_from[-1] == steps
        resumed[steps] += 1
    assert set(resumed) == {0, INTERVAL, STEPS}
