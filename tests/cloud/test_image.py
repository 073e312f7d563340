"""The image: what the Dockerfile promises, and its build stage run for real."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import image
import pytest
from image import CHECKOUT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.environment import IMAGE

ENTRY_POINT = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"


def locked(python: str = image.PYTHON) -> dict[str, str]:
    """Version by name, for a Python."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    found = {}
    for line in (CHECKOUT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate(environment):
                (version,) = requirement.specifier
                found[canonicalize_name(requirement.name)] = version.version
    return found


def run(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the image's Python in a folder that knows nothing of the checkout."""
    return subprocess.run(
        [python, *arguments],
        cwd=folder,
        env={"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "python", "debian"), [({}, "3.13", "trixie"), (image.OLDER, "3.10", "bookworm")]
)
def test_the_versions_are_those_of_the_lock(arguments: dict[str, str], python: str, debian: str):
    stages = image.stages(arguments)
    versions = locked(python)
    assert stages["uv"].base == f"ghcr.io/astral-sh/uv:{versions['uv']}"
    assert stages["beam"].base == f"apache/beam_python{python}_sdk:{versions['apache-beam']}"
    assert stages["build"].base == f"python:{python}-{debian}"
    assert stages["tasks"].base == f"python:{python}-slim-{debian}"
    assert f"uv venv --python python{python} /opt/venv" in stages["build"].texts("RUN")


def test_the_older_stack_is_named_at_the_head_of_the_file():
    head = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").partition("\nARG")[0]
    assert dict(re.findall(r"--build-arg (\w+)=(\w+(?:\.\w+)*)", head)) == image.OLDER


def test_tasks_run_as_a_user_of_their_own_and_so_does_what_is_built_by_default():
    stages = image.stages()
    tasks = stages["tasks"]
    (user,) = tasks.texts("USER")
    (made,) = (text for text in tasks.texts("RUN") if text.startswith("useradd"))
    assert made.split()[-1] == user
    assert tasks.steps.index(("USER", user)) > max(
        place for place, (kind, _) in enumerate(tasks.steps) if kind in ("RUN", "COPY")
    )
    assert stages["final"] == image.Stage("final", "tasks")


def test_the_two_targets_have_the_same_environment():
    (variables,) = image.stages()["tasks"].texts("ENV")
    assert IMAGE.items() <= dict(pair.split("=", 1) for pair in variables.split()).items()
    workers = image.stages()["workers"]
    assert workers.base == "tasks"
    assert not workers.texts("RUN")
    assert workers.texts("COPY") == ["--from=beam /opt/apache/beam /opt/apache/beam"]


def test_all_rooms_of_the_package_and_no_more_get_into_the_image(tmp_path: Path):
    image.context(tmp_path)
    packages = re.search(r"include=\[(.*?)\]", (CHECKOUT / "setup.py").read_text())
    modules = re.search(r"py_modules=\[(.*?)\]", (CHECKOUT / "setup.py").read_text())
    assert packages
    assert modules
    rooms = set(re.findall(r'"(\w+)\*"', packages[1]))
    files = {f"{name}.py" for name in re.findall(r'"(\w+)"', modules[1])}
    held = {path.name for path in tmp_path.iterdir()}
    assert held == rooms | files | {
        *("setup.py", "pyproject.toml", "requirements.lock", "README.md", "LICENSE"),
    }


@pytest.mark.slow
@pytest.mark.cloud
@pytest.mark.image
def test_what_is_installed_is_what_is_locked(image_python: Path, tmp_path: Path):
    listed = run(
        image_python,
        tmp_path,
        "-c",
        "import importlib.metadata as m, json\n"
        "print(json.dumps({d.name: d.version for d in m.distributions()}))",
    )
    assert listed.returncode == 0, listed.stdout
    installed = {canonicalize_name(k): v for k, v in json.loads(listed.stdout).items()}
    assert installed.pop(canonicalize_name("tfx-pipeline"))
    assert len(installed) > 100
    pinned = locked()
    assert {name: pinned.get(name) for name in installed} == installed
    assert "pytest" not in installed


@pytest.mark.slow
@pytest.mark.cloud
@pytest.mark.image
def test_nothing_is_compiled_when_a_container_starts(image_python: Path):
    (packages,) = image_python.parents[1].glob("lib/python*/site-packages")
    for module in ("tfx/version.py", "models/task.py", "pipeline/pipeline.py"):
        source = packages / module
        assert list((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc")), module


@pytest.mark.slow
@pytest.mark.cloud
@pytest.mark.image
@pytest.mark.parametrize("module", [ENTRY_POINT, "pipeline.vertex.entry_point"])
def test_the_entry_points_of_tasks_work_in_it(image_python: Path, tmp_path: Path, module: str):
    ended = run(image_python, tmp_path, "-m", module)
    assert ended.returncode == 2
    assert "--executor_class_path" in ended.stdout.splitlines()[-1]
    assert "are required" in ended.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.cloud
@pytest.mark.image
def test_the_vertex_runner_works_in_it(image_python: Path, tmp_path: Path):
    ended = run(image_python, tmp_path, "-m", "vertex_runner", "--help")
    assert ended.returncode == 0, ended.stdout
    assert "submit" in ended.stdout
