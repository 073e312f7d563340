"""An unchanged run is recognised at once, and never one that TFX would not take from its cache."""

# No `from __future__ import annotations`: TFX reads the annotations of a component as objects. What
# it makes of them, a type checker does not know.
# pyright: reportInvalidTypeArguments=false, reportArgumentType=false, reportCallIssue=false
import hashlib
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.orchestration import metadata

from models.judging import BOUNDS
from pipeline.cli.status import State
from pipeline.components.accepted_statistics import AcceptedStatistics
from pipeline.components.resolvers import OtherAcceptedStrategy
from pipeline.local import last_run
from pipeline.local.last_run import FILE, LastRun, inputs_of
from pipeline.local.runner import ObservedRunner, run_options
from pipeline.settings import ROOT, load_settings
from report.facts import Metric, Slice
from report.run_info import RunInfo
from report.runs.metadata_file import METADATA, open_metadata
from report.runs.run_records import RunRecords
from report.runs.summary import RunSummary

LOOK_UP = "Previous"
INFO = RunInfo("small", "rows", "error", BOUNDS, {}, "run", {}, {}, {})


@tfx.dsl.components.component
def Describe(  # noqa: N802, the name of a node
    statistics: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    source: tfx.dsl.components.Parameter[str] = "",
) -> None:
    statistics.split_names = '["train"]'
    Path(statistics.uri, "statistics").write_text(source)


@tfx.dsl.components.component
def Compare(  # noqa: N802
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    found: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.JsonValue],
    previous: tfx.dsl.components.InputArtifact[
        tfx.types.standard_artifacts.ExampleStatistics
    ] = None,
) -> None:
    found.value = {"same": bool(previous) and statistics.uri == previous.uri}


class Witness:
    """Writes down how components ended."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.ends: dict[str, State] = {}

    def loading(self) -> None: ...

    def noticed(self, sentence: str) -> None:
        raise AssertionError(sentence)

    def planned(self, components: Sequence[str]) -> None:
        self.names = list(components)

    def changed(self, component: str, state: State, seconds: float = 0.0) -> None:
        self.ends[component] = state


class Root:
    """A run root, and a pipeline that looks at earlier runs as the project's does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = "a"
        self.pushed = folder / "serving" / "1"
        self._runs = 0
        self.last_id = ""

    def name(self) -> str:
        self._runs += 1
        return f"run-{self._runs}"

    @property
    def inputs(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()

    @property
    def summary(self) -> RunSummary:
        """Of whatever came out: also what is not a number must survive."""
        error = Metric(1.5, baseline=math.inf)
        overall = Slice("", "", 7, error, error, error, error, judged=True, small=False)
        return RunSummary({"train": 7}, (), overall, False, ("bad",), str(self.pushed), None, "")

    def full(self, to: str | None = None) -> tuple[str, Witness]:
        """Runs as TFX does."""
        config = metadata.sqlite_metadata_connection_config(str(self.folder / METADATA))
        describe = Describe(source=self.source)
        previous = tfx.dsl.Resolver(
            strategy_class=OtherAcceptedStrategy,
            statistics=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ExampleStatistics),
        ).with_id(LOOK_UP)
        previous.add_upstream_node(describe)
        compare = Compare(
            statistics=describe.outputs["statistics"], previous=previous.outputs["statistics"]
        )
        accepted = AcceptedStatistics(statistics=describe.outputs["statistics"])
        accepted.add_upstream_node(compare)
        pipeline = tfx.dsl.Pipeline(
            pipeline_name="small",
            pipeline_root=str(self.folder / "pipeline"),
            components=[describe, previous, compare, accepted],
            enable_cache=True,
            metadata_connection_config=config,
        )
        run_id, witness = self.name(), Witness()
        with metadata.Metadata(config):  # Makes the file.
            pass
        RunRecords(mlmd.MetadataStore(config), self.folder).begin(run_id, INFO)
        ObservedRunner(witness, run_id).run(pipeline, run_options=run_options(None, to))
        if to is None:
            self.pushed.mkdir(parents=True, exist_ok=True)
            last_run.leave(self.folder, run_id, self.inputs, self.summary)
        return run_id, witness

    def repeat(self) -> tuple[str, Witness] | None:
        """Runs the short way, where that is one."""
        last = LastRun.read(self.folder)
        if last is None or not last.is_repeated_by(self.inputs, self.folder):
            return None
        run_id, witness = self.name(), Witness()
        assert last_run.repeat(last, self.folder, run_id, witness) == self.summary
        return run_id, witness

    def written(self, run_id: str) -> list[Any]:
        """What ML Metadata has of a run, without what differs in any two runs."""
        store = open_metadata(self.folder)
        types = {t.id: t.name for t in store.get_context_types()}
        run = store.get_context_by_type_and_name("pipeline_run", run_id)
        assert run is not None
        executions = sorted(store.get_executions_by_context(run.id), key=lambda e: e.id)
        return [
            [parent.name for parent in store.get_parent_contexts_by_context(run.id)],
            sorted(artifact.id for artifact in store.get_artifacts_by_context(run.id)),
            [
                (
                    execution.type,
                    metadata_store_pb2.Execution.State.Name(execution.last_known_state),
                    str(execution.properties),
                    sorted((name, str(v)) for name, v in execution.custom_properties.items()),
                    sorted(
                        (types[c.type_id], c.name if c.id != run.id else "this run")
                        for c in store.get_contexts_by_execution(execution.id)
                    ),
                    sorted(
                        (e.type, e.artifact_id, str(e.path))
                        for e in store.get_events_by_execution_ids([execution.id])
                    ),
                )
                for execution in executions
            ],
        ]


def removed(root: Root) -> None:
    places = sorted(root.folder.glob("pipeline/*/[a-z]*/*"))
    folder = random.Random(root.source).choice(places)
    shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


def rewritten(root: Root) -> None:
    file = max(root.folder.glob("pipeline/Describe/*/*/statistics"))
    file.write_text("something else")


def no_longer_pushed(root: Root) -> None:
    shutil.rmtree(root.pushed, ignore_errors=True)


def run_in_part(root: Root) -> None:
    root.full(to="Describe")


def with_other_source(name: str) -> Callable[[Root], None]:
    def change(root: Root) -> None:
        root.source = name

    return change


def nothing(root: Root) -> None:
    del root


CHANGES = (removed, rewritten, no_longer_pushed, run_in_part, *map(with_other_source, "ab"))


@pytest.mark.parametrize("seed", [1, 2])
def test_both_ways_give_the_same_answer(tmp_path: Path, seed: int):
    draw = random.Random(seed)
    root, aside = Root(tmp_path / "root"), tmp_path / "aside"
    root.full()
    changes = [*CHANGES, *[nothing] * len(CHANGES)]
    draw.shuffle(changes)
    repeated = 0
    for change in changes:
        change(root)
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(root.folder, aside)
        if short := root.repeat():
            repeated += 1
            short_way = short[1].names, short[1].ends, root.written(short[0])
            stay = draw.random() < 0.5
            if not stay:
                shutil.rmtree(root.folder)
                shutil.copytree(aside, root.folder)
            run_id, witness = root.full()
            assert (witness.names, witness.ends, root.written(run_id)) == short_way, change.__name__
            assert set(witness.ends.values()) == {State.CACHED, State.DONE}
            assert [n for n, s in witness.ends.items() if s is State.DONE] == [LOOK_UP]
        else:
            root.full()
    assert repeated >= 3


@pytest.mark.parametrize("change", CHANGES[:4])
def test_a_change_is_never_missed(tmp_path: Path, change: Callable[[Root], None]):
    root = Root(tmp_path)
    root.full()
    assert root.repeat()
    change(root)
    assert root.repeat() is None


def test_it_is_in_the_list_of_runs(tmp_path: Path):
    root = Root(tmp_path)
    first, _ = root.full()
    again = root.repeat()
    assert again
    runs = RunRecords.open(tmp_path).read()
    assert list(runs) == [again[0], first]
    assert runs[again[0]].info == runs[first].info


@pytest.mark.parametrize("content", ["", "{}", "[", '{"run_id": 1}'])
def test_what_another_version_left_says_nothing(tmp_path: Path, content: str):
    (tmp_path / FILE).write_text(content)
    assert LastRun.read(tmp_path) is None


def test_only_whole_runs_that_use_the_cache_can_be_repeats(tmp_path: Path):
    def inputs(*flags: str) -> str | None:
        return inputs_of(load_settings(["--run-root", str(tmp_path), *flags]))

    assert inputs() == inputs() is not None
    assert inputs() != inputs("--train-steps", "7")
    assert inputs() != inputs("--run-root", str(tmp_path / "other"))
    for flags in (["--no-cache"], ["--to", "Trainer"], ["--from", "Trainer"]):
        assert inputs(*flags) is None
    schema = tmp_path / "schema.pbtxt"
    schema.write_text(load_settings([]).schema_file.read_text() + "# reviewed\n")
    assert inputs("--schema-file", str(schema)) != inputs()


def test_an_unchanged_run_is_told_without_tensorflow_beam_and_tfx():
    heavy = "tensorflow", "apache_beam", "tfx", "tfx_bsl", "tensorflow_model_analysis"
    program = (
        "import sys; from pipeline.local import run, last_run; from report.runs import summary; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip() == "[]"
