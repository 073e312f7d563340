"""What a task as compiled leaves for the resolvers of later runs, and what those resolvers find."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from compiled import command, compiled, output_properties
from small_model import write_model

from models.judging import EXAMPLE_REQUEST
from pipeline.rehearsal.filters import Filter
from pipeline.rehearsal.spec import Job
from pipeline.rehearsal.store import Artifact
from pipeline.vertex.compile import Job as CompiledJob
from pipeline.vertex.entry_point import TIMED_OUT
from serving.examples import example_of
from serving.instances import from_rows
from serving.replay.comparison import FILE, Replayed

PROJECT = Path(__file__).parents[3]


def resolved(job: CompiledJob, task: str, *properties: Mapping[str, object]) -> list[str]:
    """Which of some statistics or blessings a resolver takes, by number."""
    (text,) = Job(job).tasks[task].filters.values()
    title = re.findall(r'schema_title="([\w.]+)"', text)[0]
    stored = [
        Artifact(
            name=str(number), uri="gs://b/x", type={"schemaTitle": title}, metadata=dict(found)
        )
        for number, found in enumerate(properties)
    ]
    return [artifact.name for artifact in Filter(text).latest(stored, {})]


def test_a_task_that_takes_too_long_is_given_up(tmp_path: Path):
    statistics = tmp_path / "statistics"
    statistics.mkdir()
    os.mkfifo(statistics / "FeatureStats.pb")  # Nobody writes what the task would read.
    program = command(compiled(), "AcceptedStatistics", tmp_path, {"statistics": (statistics, {})})
    at = next(place for place, part in enumerate(program) if part.startswith("--task-timeout="))
    program[at] = "--task-timeout=1"
    done = subprocess.run(program, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == TIMED_OUT
    assert "raise task_timeout" in done.stderr


def test_accepted_statistics_are_found_by_the_next_run_of_the_environment_alone(tmp_path: Path):
    job = compiled("--environment", "production")
    statistics, made = tmp_path / "statistics", tmp_path / "made"
    (statistics / "Split-train").mkdir(parents=True)
    (statistics / "Split-train" / "FeatureStats.pb").write_bytes(b"statistics")
    names = '["train"]'
    inputs = {"statistics": (statistics, {"split_names": names})}
    python, *program = command(job, "AcceptedStatistics", made, inputs)
    told = [python, "-X", "importtime", *program]
    ended = subprocess.run(told, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"\| +tfx\n", ended.stderr)
    assert not re.search(r"\| +google.cloud.aiplatform\n", ended.stderr), "no task here needs it"
    copy = made / "accepted" / "Split-train" / "FeatureStats.pb"
    assert copy.read_bytes() == b"statistics"
    properties = dict(output_properties(made, "accepted"))
    assert properties["split_names"] == names

    stopped = {"split_names": names, "environment": "production"}  # Of StatisticsGen alone.
    assert resolved(job, "PreviousStatistics", properties, stopped) == ["0"]
    assert resolved(compiled(), "PreviousStatistics", properties, stopped) == []


def test_a_model_is_replayed_in_its_container(tmp_path: Path):
    write_model(tmp_path / "model", 1).rename(tmp_path / "model" / "Format-Serving")
    split = tmp_path / "examples" / "Split-test"
    split.mkdir(parents=True)
    row = {name: values[0] for name, values in from_rows([dict(EXAMPLE_REQUEST)]).items()}
    with tf.io.TFRecordWriter(str(split / "data-00000-of-00001.gz"), "GZIP") as writer:
        writer.write(example_of(row).SerializeToString())
    inputs = {
        "model": (tmp_path / "model", {}),
        "examples": (tmp_path / "examples", {"split_names": '["test"]'}),
    }
    made = tmp_path / "made"
    program = command(compiled("--max-replay-p99-ms", "60000"), "Replay", made, inputs)
    ended = subprocess.run(program, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert dict(output_properties(made, "blessing"))["blessed"] == 1
    assert Replayed.from_json((made / "blessing" / FILE).read_text()).passed


def test_a_blessing_is_of_its_environment():
    blessing = {"blessed": 1.0, "environment": "development"}
    task = "Baseline-model-blessing-resolver"
    assert resolved(compiled(), task, blessing, blessing | {"blessed": 0.0}) == ["0"]
    assert resolved(compiled("--environment", "production"), task, blessing) == []
