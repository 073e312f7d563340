"""What Beam's boot program does to start a worker, step by step in the image's environment.

The program itself is in Beam's own image, which only a registry of images has. Its sources
(sdks/python/container/boot.go and piputil.go, sdks/go/pkg/beam/artifact/materialize.go) say that it

1. asks the service at --provision_endpoint for options, addresses and the list of what was staged;
2. makes a virtual environment below /opt/apache/beam-venv and puts it first, unless
   RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT is set;
3. makes the folder `staged` in --semi_persist_dir, on Dataflow a mount of root's at
   /var/opt/google, and fetches there what was staged;
4. asks `python` for its version, to know which wheels of Beam would fit;
5. asks `python -m pip` whether apache-beam is installed, and gives up where it is not;
6. installs with pip what was staged as requirements.txt, extra_packages.txt and workflow.tar.gz;
7. writes `python -m pip freeze` to the log;
8. starts `python -m apache_beam.runners.worker.sdk_worker_main`, which is told by its environment
   where to fetch work.

Here are 2 to 5, 7 and 8; that nothing is staged for 6 is shown in `test_evaluator`.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from image import PYTHON, stages
from workers import Workers

TASKS_USER = 1000


def test_a_worker_starts_with_the_boot_program_and_in_our_environment():
    workers = stages()["workers"]
    (entry_point,) = workers.texts("ENTRYPOINT")
    assert json.loads(entry_point) == ["/opt/apache/beam/boot"]
    assert workers.steps[-1][0] == "ENTRYPOINT"
    assert "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in workers.texts("ENV")
    (variables,) = stages()["tasks"].texts("ENV")
    assert "PATH=/opt/venv/bin:$PATH" in variables.split()


@pytest.fixture
def mounted() -> Iterator[Path]:
    """A folder of root's that others may look into, as Dataflow mounts one."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for other users")
@pytest.mark.parametrize(("target", "made"), [("tasks", False), ("workers", True)])
def test_only_as_root_can_it_make_its_folder_in_what_dataflow_mounts(
    mounted: Path, target: str, made: bool
):
    (user,) = stages()[target].texts("USER")
    number = 0 if user == "root" else TASKS_USER
    ended = subprocess.run(
        ["mkdir", "-p", mounted / "staged"], user=number, group=number, check=False
    )
    assert (ended.returncode == 0) == made == (mounted / "staged").exists()


def test_the_user_of_the_tasks_has_the_number_that_is_refused():
    (made,) = (text for text in stages()["tasks"].texts("RUN") if text.startswith("useradd"))
    assert f"--uid {TASKS_USER} " in made


@dataclass(frozen=True)
class Container:
    """A worker's container: a program is what its PATH leads to.

    Attributes:
        environment: The folder that is /opt/venv there.
        folder: What --semi_persist_dir names.
    """

    environment: Path
    folder: Path

    def variables(self) -> dict[str, str]:
        """The variables that the image sets, and those that any container has."""
        said = " ".join(
            text for name in ("tasks", "workers") for text in stages()[name].texts("ENV")
        )
        variables = dict(pair.split("=", 1) for pair in said.split())
        path = variables["PATH"].replace("/opt/venv", str(self.environment))
        return variables | {
            "PATH": path.replace("$PATH", "/usr/local/bin:/usr/bin:/bin"),
            "HOME": str(self.folder),
        }

    def run(self, *arguments: str, **told: str) -> subprocess.CompletedProcess[str]:
        """Runs `python`."""
        variables = self.variables() | told
        program = shutil.which("python", path=variables["PATH"])
        assert program
        return subprocess.run(
            [program, *arguments],
            cwd="/",
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )


@pytest.fixture
def container(image_python: Path, tmp_path: Path) -> Container:
    return Container(image_python.parents[1], tmp_path)


@pytest.mark.slow
@pytest.mark.cloud
@pytest.mark.image
def test_python_tells_its_version(container: Container):
    assert container.run("-V").stdout.startswith(f"Python {PYTHON}.")


@pytest.mark.slow
@pytest.mark.cloud
@pytest.mark.image
def test_pip_tells_that_beam_is_installed(container: Container):
    shown = container.run("-m", "pip", "show", "apache-beam")
    assert shown.returncode == 0, shown.stdout
    assert f"Location: {container.environment}" in shown.stdout


@pytest.mark.slow
@pytest.mark.cloud
@pytest.mark.image
def test_without_pip_beam_would_count_as_not_installed(container: Container, tmp_path: Path):
    workers = Workers.copied(container.environment, tmp_path)
    workers.uninstall("pip")
    lacking = Container(tmp_path / "venv", tmp_path)
    assert workers.has("apache_beam")
    shown = lacking.run("-m", "pip", "show", "apache-beam")
    assert shown.returncode != 0
    assert "No module named pip" in shown.stdout


@pytest.mark.slow
@pytest.mark.cloud
@pytest.mark.image
def test_pip_lists_what_a_worker_has(container: Container):
    listed = container.run("-m", "pip", "freeze")
    assert listed.returncode == 0, listed.stdout
    assert "apache-beam==" in listed.stdout
    assert "tfx-pipeline @ " in listed.stdout


class Runner(
    beam_fn_api_pb2_grpc.BeamFnControlServicer, beam_fn_api_pb2_grpc.BeamFnLoggingServicer
):
    """What hands out work to a worker and takes its log: one piece, then no more.

    Attributes:
        workers: The names of the workers that came.
        answers: What they answered.
        logged: What they logged.
    """

    def __init__(self):
        self.workers: list[str] = []
        self.answers: queue.Queue[beam_fn_api_pb2.InstructionResponse] = queue.Queue()
        self.logged: list[str] = []

    def Control(self, request_iterator, context):  # noqa: N802
        self.workers.append(dict(context.invocation_metadata())["worker_id"])
        yield beam_fn_api_pb2.InstructionRequest(
            instruction_id="1",
            harness_monitoring_infos=beam_fn_api_pb2.HarnessMonitoringInfosRequest(),
        )
        self.answers.put(next(request_iterator))

    def Logging(self, request_iterator, context):  # noqa: N802
        for entries in request_iterator:
            self.logged += [entry.message for entry in entries.log_entries]
        yield from ()


@pytest.fixture
def runner() -> Iterator[tuple[Runner, str]]:
    """It, and where it listens, as workers are told."""
    server = grpc.server(ThreadPoolExecutor(4))
    runner = Runner()
    beam_fn_api_pb2_grpc.add_BeamFnControlServicer_to_server(runner, server)
    beam_fn_api_pb2_grpc.add_BeamFnLoggingServicer_to_server(runner, server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    yield runner, f'url: "localhost:{port}"'
    server.stop(None).wait()


@pytest.mark.slow
@pytest.mark.cloud
@pytest.mark.image
def test_a_worker_comes_for_work_and_answers(container: Container, runner: tuple[Runner, str]):
    service, address = runner
    ended = container.run(
        *("-m", "apache_beam.runners.worker.sdk_worker_main"),
        WORKER_ID="sdk-0-0",
        PIPELINE_OPTIONS=json.dumps({"options": {"pickle_library": "cloudpickle"}}),
        SEMI_PERSISTENT_DIRECTORY=str(container.folder),
        CONTROL_API_SERVICE_DESCRIPTOR=address,
        LOGGING_API_SERVICE_DESCRIPTOR=address,
        RUNNER_CAPABILITIES="",
    )
    assert ended.returncode == 0, ended.stdout
    assert service.workers == ["sdk-0-0"]
    answer = service.answers.get(timeout=60)
    assert answer.instruction_id == "1"
    assert answer.WhichOneof("response") == "harness_monitoring_infos"
    assert any("starting" in message for message in service.logged)
