"""cloudbuild.yaml: fields that Cloud Build knows, and commands that are there."""

from __future__ import annotations

import re
import string
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from image import CHECKOUT, stages
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from pipeline.cli.config import load_command
from pipeline.vertex.commands import COMMANDS
from pipeline.vertex.vertex_settings import VertexSettings

BUILT_IN = {"PROJECT_ID": "my-project", "BUILD_ID": "b-1"}
DURATION = r"\d+s"


class Model(BaseModel):
    """Part of a Build of Cloud Build's API, version 1; what it does not know is refused."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)


class Step(Model):
    id: str
    name: str
    entrypoint: str | None = None
    args: list[str] = []
    env: list[str] = []
    timeout: str | None = Field(None, pattern=DURATION)


class Objects(Model):
    location: str = Field(pattern="gs://.+")
    paths: list[str]


class Artifacts(Model):
    objects: Objects


class Options(Model):
    machine_type: str = Field(pattern="E2_HIGHCPU_(8|32)|E2_MEDIUM|UNSPECIFIED")
    logging: str = Field(pattern="CLOUD_LOGGING_ONLY|GCS_ONLY|LEGACY|NONE")
    dynamic_substitutions: bool


class Build(Model):
    substitutions: dict[str, str]
    service_account: str = Field(
        pattern=r"projects/[\w-]+/serviceAccounts/[\w-]+@[\w-]+\.iam\.gserviceaccount\.com"
    )
    steps: list[Step]
    artifacts: Artifacts
    timeout: str = Field(pattern=DURATION)
    options: Options


@pytest.fixture(scope="module")
def build() -> Build:
    """The file, with all that Cloud Build would substitute."""
    read = yaml.safe_load((CHECKOUT / "cloudbuild.yaml").read_text(encoding="utf-8"))
    values = dict(BUILT_IN)
    for _ in read["substitutions"]:  # One may stand in another, in any order.
        ours = {k: _substituted(v, values) for k, v in read["substitutions"].items()}
        values |= {name: value for name, value in ours.items() if "$" not in value}
    assert set(values) == set(BUILT_IN) | set(read["substitutions"])
    return Build.model_validate(_substituted(read, values))


def test_all_fields_are_known_and_all_values_there(build: Build):
    # What a container's shell is to substitute would be written $$.
    assert "$" not in build.model_dump_json()


def test_steps_come_in_the_order_that_they_need(build: Build):
    assert [step.id for step in build.steps] == [
        *("test", "build", "build-workers", "build-serving"),
        *("push", "push-workers", "push-serving"),
        *("prepare", "compile", "submit"),
    ]
    steps = {step.id: step for step in build.steps}
    image = f"us-central1-docker.pkg.dev/{BUILT_IN['PROJECT_ID']}/pipeline/pipeline:b-1"
    assert image in steps["build"].args
    assert steps["push"].args == ["push", image]
    workers = image.replace(":b-1", "-workers:b-1")
    assert workers in steps["build-workers"].args
    assert steps["push-workers"].args == ["push", workers]
    serving = image.replace(":b-1", "-serving:b-1")
    assert serving in steps["build-serving"].args
    assert steps["push-serving"].args == ["push", serving]
    for step in (steps["build"], steps["build-workers"]):
        assert step.args[step.args.index("--target") + 1] in stages()
    assert steps["compile"].name == steps["submit"].name == image


def test_tests_run_on_the_python_of_the_image_by_targets_there_are(build: Build):
    test = build.steps[0]
    assert test.name == stages({})["build"].base
    assert test.entrypoint == "make"
    ended = subprocess.run(
        ["make", "--dry-run", *test.args], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "-m 'not slow'" in ended.stdout


def test_the_image_s_commands_are_ones_that_the_runner_takes(
    build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    steps = {step.id: step for step in build.steps}
    monkeypatch.chdir(tmp_path)
    prepare = steps["prepare"]
    subprocess.run([str(prepare.entrypoint), *prepare.args], check=True)
    *start, command, flag, output = steps["compile"].args
    assert start == ["-m", "vertex_runner"]
    compiled, *_ = load_command(VertexSettings, [command, flag, output], COMMANDS)
    assert compiled.image == steps["compile"].name
    assert compiled.workers_image == steps["push-workers"].args[-1]
    assert compiled.serving_container == steps["push-serving"].args[-1]
    assert build.artifacts.objects.paths == [output]
    assert Path(output).parent.is_dir()
    (submit,) = re.findall(r"python -m vertex_runner (.*)", steps["submit"].args[-1])
    assert load_command(VertexSettings, submit.split(), COMMANDS)[1] == "submit"


def test_nothing_runs_and_costs_unless_asked(build: Build):
    submit = build.steps[-1].args
    asked = submit[-1].replace("python -m vertex_runner", "echo started")
    ended = subprocess.run(
        ["bash", *submit[:-1], asked], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "No run was asked for.\n"
    asked = asked.replace('"no"', '"yes"')
    ended = subprocess.run(
        ["bash", *submit[:-1], asked], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "started submit\n"


def _substituted(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _substituted(held, values) for name, held in value.items()}
    if isinstance(value, list):
        return [_substituted(held, values) for held in value]
    if isinstance(value, str):
        return string.Template(value).safe_substitute(values)
    return value
