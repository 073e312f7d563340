"""A copy of the project to run, edit and kill, as a user would: through its command line."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx

PROJECT = Path(__file__).parents[2]
ROOMS = ("common", "data", "models", "pipeline", "report", "schema", "serving")
QUICK = {
    "sample": "0.2",
    "train_steps": "60",
    "checkpoint_interval": "20",
    "batch_size": "128",
    "max_rmse": "20",
    "max_slice_rmse": "20",
    "max_rmse_rise": "20",
    "max_slice_rmse_rise": "20",
}
"""A run of half a minute whose model is blessed, however bad. Flags overrule it."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


class Project:
    """A copy of the project with a run root of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder.parent / "root"
        for room in ROOMS:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(PROJECT / room, folder / room, ignore=ignored)
        for file in PROJECT.glob("*.py"):
            shutil.copy(file, folder)
        lines = [f"{name} = {value}" for name, value in QUICK.items()]
        (folder / "natality.toml").write_text("\n".join([*lines, f"run_root = '{self.root}'"]))

    def start(self, *flags: str, **options: object) -> subprocess.Popen[str]:
        """Starts the runner in a process group of its own, as a shell does."""
        return subprocess.Popen(
            [sys.executable, "local_runner.py", *flags],
            cwd=self.folder,
            env=environment(),
            text=True,
            start_new_session=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,  # type: ignore
        )

    def run(self, *flags: str) -> Ended:
        """Runs the runner to its end."""
        process = self.start(*flags)
        out, err = process.communicate(timeout=900)
        return Ended(process.returncode, out, err)

    def run_on_terminal(self, *flags: str) -> Ended:
        """Runs the runner to its end on a terminal of 80 columns."""
        ours, theirs = pty.openpty()
        process = self.start(*flags, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 1 << 16):
                shown += chunk
        except OSError:
            pass  # Linux says it this way when the other side has closed.
        finally:
            os.close(ours)
        return Ended(process.wait(), shown.decode(), "")

    def stop(
        self, signal_: signal.Signals, when: Callable[[], bool], *flags: str, times: int = 1
    ) -> Ended:
        """Sends a run a signal as soon as something is true, and waits for its end."""
        return self.end(self.start(*flags), signal_, when, times=times)

    def end(
        self,
        process: subprocess.Popen[str],
        signal_: signal.Signals,
        when: Callable[[], bool],
        times: int = 1,
    ) -> Ended:
        """The same, of a run that has been started."""
        while process.poll() is None and not when():
            time.sleep(0.005)
        for _ in range(times):
            if process.poll() is None:
                os.killpg(process.pid, signal_)
            time.sleep(0.2)
        out, err = process.communicate(timeout=900)
        return Ended(process.returncode, out, err)

    @contextmanager
    def edited(self, file: str, old: str, new: str) -> Iterator[None]:
        """Replaces a text in a file of the project, for a while."""
        path = self.folder / file
        before = path.read_text()
        assert before.count(old) == 1, f"{file} has {old!r} {before.count(old)} times"
        path.write_text(before.replace(old, new))
        try:
            yield
        finally:
            path.write_text(before)

    @property
    def store(self) -> mlmd.MetadataStore:
        """ML Metadata of the root."""
        config = tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(self.root / "metadata.sqlite")
        )
        return mlmd.MetadataStore(config)

    @property
    def log(self) -> Path:
        """The log of the latest run."""
        return max((self.root / "logs").glob("*.log"), key=lambda file: file.stat().st_mtime_ns)

    @property
    def states(self) -> dict[str, str]:
        """State of each component's execution in the latest run, in order."""
        store = self.store
        run = store.get_context_by_type_and_name("pipeline_run", self.log.stem)
        found = {}
        executions = store.get_executions_by_context(run.id) if run else []
        for execution in sorted(executions, key=lambda e: e.id):
            types = {t.id: t.name for t in store.get_context_types()}
            (node,) = (
                context.name.partition(".")[2]
                for context in store.get_contexts_by_execution(execution.id)
                if types[context.type_id] == "node"
            )
            state = metadata_store_pb2.Execution.State.Name(execution.last_known_state)
            found[node] = state
        return found

    @property
    def pushed(self) -> set[str]:
        """Versions of the model that were pushed whole."""
        models = (self.root / "serving" / "natality").glob("*/saved_model.pb")
        return {model.parent.name for model in models}


def environment() -> dict[str, str]:
    """A user's: without settings of ours, and without what tests set to be quick or quiet."""
    ours = ("NATALITY_", "TF_", "PYTEST_", "COLUMNS")
    return {name: v for name, v in os.environ.items() if not name.startswith(ours)} | {
        "TERM": "xterm"
    }
