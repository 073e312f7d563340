"""A hundred runs on one root, each killed at a random moment of its work: nothing is ever lost.

An attack that is stopped goes on where it was when it is started again; pytest's --cache-clear
starts anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2

from data.table import TABLE
from report.runs.artifact_places import is_there
from report.runs.metadata_file import open_metadata

PROJECT = Path(__file__).parents[2]
KILLS = 100
TO_THE_END = 25
"""Kills between two runs that may end; after each of those, settings change."""

SEED = 20261125
PROGRESS = "kills/progress"
"""Where pytest keeps how far the attack has come."""

QUICK = {
    **{"train-steps": 60, "checkpoint-interval": 20, "batch-size": 128},
    **{"max-rmse": 20, "max-slice-rmse": 20, "max-rmse-rise": 20, "max-slice-rmse-rise": 20},
}


class Runs:
    """Runs on one root, in forks of a process that has loaded what they need."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.shown = folder / "shown"
        command = [sys.executable, str(Path(__file__).with_name("runs.py")), str(self.shown)]
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._read() == "ready"

    def run(self, number: int, seconds: float | None) -> int:
        """Runs; kills the run and its children once they have worked so many CPU seconds."""
        flags = QUICK | {"sample": 0.1 + number / 1000, "run-root": self.root}
        arguments = [f"--{name}={value}" for name, value in flags.items()]
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        pid = int(self._read())
        while seconds is not None and (worked := _worked(pid)) is not None:
            if worked >= seconds:
                os.killpg(pid, signal.SIGKILL)
                break
            time.sleep(0.005)
        return int(self._read())

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def _worked(pid: int) -> float | None:
    """CPU seconds of a run and the children that have ended; None once it has ended itself."""
    try:
        # Behind the name, which is in brackets and may be anything; see proc(5).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] == "Z":
        return None
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Kept:
    """What a root has, which no kill may take away."""

    def __init__(self, root: Path) -> None:
        self.executions: set[int] = set()
        self.versions: dict[str, str] = {}
        if not (root / "metadata.sqlite").exists():
            return
        store = open_metadata(root, write=True)
        complete = metadata_store_pb2.Execution.COMPLETE
        found = [e for e in store.get_executions() if e.last_known_state == complete]
        self.executions = {e.id for e in found}
        events = store.get_events_by_execution_ids(sorted(self.executions)) if found else []
        made = sorted({e.artifact_id for e in events})
        types = {kind.id: kind.name for kind in store.get_artifact_types()}
        for artifact in store.get_artifacts_by_id(made) if made else []:
            assert is_there(types[artifact.type_id], artifact.uri), artifact.uri
        folder = root / "serving" / TABLE.pipeline
        for version in folder.glob("[0-9]*"):
            assert (version / "saved_model.pb").exists()
            self.versions[version.name] = _digest(version)

    def assert_none_lost(self, now: Kept) -> None:
        """Holds what there was before a run to what there is after it."""
        assert self.executions <= now.executions
        newest = sorted(self.versions.items())[-3:]  # Runs remove old ones, on purpose.
        assert set(newest) <= now.versions.items()


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return digest.hexdigest()


@dataclass
class Progress:
    """How far the attack has come; one that was cut off goes on from there.

    Attributes:
        killed: Runs that were killed.
        ended: Runs that ended well.
        newest: The version that the last of these pushed.
    """

    killed: int = 0
    ended: int = 0
    newest: str = ""

    @property
    def began(self) -> int:
        """Runs so far."""
        return self.killed + self.ended

    def seconds(self) -> float:
        """How long the next run may work: the same, however often the attack was cut off."""
        chosen = random.Random(f"{SEED} {self.began}")
        # Mostly early: what is done comes from the cache, so work goes on from there.
        return chosen.uniform(0, 6 if chosen.random() < 0.8 else 20)


@pytest.mark.timeout(7200)
def test_killed_a_hundred_times_nothing_is_lost(
    cache: pytest.Cache, capfd: pytest.CaptureFixture[str]
):
    folder = cache.mkdir("kills")
    progress = Progress(**cache.get(PROGRESS, {}))
    if not progress.began:
        shutil.rmtree(folder)
        folder.mkdir()
    runs, kept, started = Runs(folder), Kept(folder / "root"), time.monotonic()

    def check(status: int) -> None:
        nonlocal kept
        shown = runs.shown.read_text()
        assert status in (0, -signal.SIGKILL), shown[-4000:]
        assert "Traceback" not in shown
        assert "This is not something a setting explains" not in shown
        now = Kept(runs.root)
        kept.assert_none_lost(now)
        if status == 0:
            newest = max(now.versions)
            assert newest > progress.newest
            progress.newest, progress.ended = newest, progress.ended + 1
        else:
            progress.killed += 1
        kept = now
        cache.set(PROGRESS, asdict(progress))
        said = f"{progress.killed} of {KILLS} killed, {progress.ended} ended"
        with capfd.disabled():
            print(f"{said}, {time.monotonic() - started:.0f} s", flush=True)

    try:
        while progress.killed < KILLS:
            status = runs.run(progress.ended, progress.seconds())
            check(status)
            if status and progress.killed % TO_THE_END == 0:
                check(runs.run(progress.ended, None))
    except AssertionError:
        cache.set(PROGRESS, {})  # What failed is to be mended, and then all is tried again.
        raise
    finally:
        runs.end()
    cache.set(PROGRESS, {})
    shutil.rmtree(folder)
