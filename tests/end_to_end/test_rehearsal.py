"""`vertex_runner.py rehearse`: the whole compiled pipeline, twice, with trials and two replicas."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tensorflow as tf
from answers import as_the_evaluator, by_pubsub, read_examples
from checkout import PROJECT, QUICK, environment
from pubsub import emulated
from request_logs import drawn, write_log

from models.features import FEATURES
from models.names import PREDICTION, SERVING
from models.request import parse_request
from pipeline.rehearsal.custom_job import free_addresses

pytestmark = [pytest.mark.slow, pytest.mark.cloud]

VERTEX_ROOT = "gs://my-bucket/natality"
VERTEX = f"""
project = "my-project"
run_root = "{VERTEX_ROOT}"
service_account = "runner@my-project.iam.gserviceaccount.com"
image = "us-central1-docker.pkg.dev/my-project/natality/natality:1"
labels = {{team = "births"}}
notify_webhook = "projects/my-project/secrets/webhook/versions/latest"
scale = "pair"
warm_start = true
tune_trials = 2
tune_steps = 20
scales.pair = {{machine_type = "n2-standard-8", machines = 2}}
"""
RESOLVERS = {
    "PreviousStatistics",
    *(
        f"{name}-model{of}-resolver"
        for name in ("BaseModel", "Baseline")
        for of in ("", "-blessing")
    ),
}
LOOK_BACK = {"AnomalyGate", "Trainer", "Evaluator", "Replay", "Pusher", "Report"} | {"Notification"}
"""Tasks that run again in a second, unchanged rehearsal: now there is a previous one."""
BIRTHS = [
    {"mother_age": age, "gestation_weeks": week, "plurality": plurality}
    for age in (16, 28, 41)
    for week in (26, 34, 39, 42)
    for plurality in ("Single(1)", "Twins(2)")
]


@dataclass(frozen=True)
class Ended:
    """What a command that ended well printed, and the folder of the rehearsal's logs."""

    out: str
    logs: Path

    @property
    def states(self) -> dict[str, str]:
        """How each task ended, in order."""
        return dict(re.findall(r"^(\S+): (\w+) [\d.]+ s$", self.out, re.MULTILINE))

    def line(self, name: str) -> str:
        """What stands behind a name in the summary."""
        return "\n".join(re.findall(rf"^  {name} +(.*)$", self.out, re.MULTILINE))


class Folder:
    """A working folder with settings, outside of the checkout."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        settings = "\n".join(f"{name} = {value}" for name, value in QUICK.items())
        (folder / "natality.toml").write_text(settings)
        (folder / "vertex.toml").write_text(settings + VERTEX)

    def start(self, runner: str, *flags: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, PROJECT / runner, *flags],
            cwd=self.path,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def rehearse(self) -> Ended:
        process = self.start("vertex_runner.py", "rehearse")
        out, err = process.communicate(timeout=1100)
        assert process.returncode == 0, out + err
        return Ended(out, self.logs)

    @property
    def logs(self) -> Path:
        """Of the latest rehearsal."""
        return max((self.path / "rehearsal" / "logs").iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("rehearsal"))


@pytest.fixture(scope="module")
def first(folder: Folder) -> Ended:
    """The first rehearsal on a new root."""
    return folder.rehearse()


def test_the_first_rehearsal_runs_all_and_pushes(folder: Folder, first: Ended) -> None:
    assert {"BigQueryExampleGen", "Trainer", "Pusher"} < set(first.states)
    assert set(first.states.values()) == {"done"}
    assert (first.line("Verdict"), first.line("Baseline")) == ("blessed", "none yet")
    assert (folder.path / first.line("Pushed to") / "saved_model.pb").exists()


def test_it_tells_at_the_start_what_is_replaced(first: Ended) -> None:
    before, _, _ = first.out.partition("environment:")
    for name in ("BigQuery", "Dataflow", "Vertex AI training", "Cloud Storage"):
        assert f"  {name}: " in before


def test_trials_are_containers_of_a_tuning_job(folder: Folder, first: Ended) -> None:
    assert first.states["Tuner"] == "done"
    lines = (first.logs / "requests.jsonl").read_text().splitlines()
    jobs = [r["body"] for r in map(json.loads, lines) if "hyperparameterTuningJobs" in r["path"]]
    assert [job["maxTrialCount"] for job in jobs] == [2]
    reported = {
        name: json.loads((first.logs / f"Tuner-trial-{name}.metrics").read_text())["val_rmse"]
        for name in ("1", "2")
    }
    assert (first.logs / "Tuner-trial-2-worker-0.log").exists()
    (made,) = (folder.path / "rehearsal" / "buckets").glob("**/Tuner_*/tuner_results")
    results = json.loads((made / "tuner_results.json").read_text())
    assert {trial["trial_id"]: str(trial["score"]) for trial in results} == reported
    (best,) = (made.parent / "best_hyperparameters").iterdir()
    values = json.loads(best.read_text())["values"]
    assert values.items() <= min(results, key=lambda trial: trial["score"]).items()
    page = (folder.path / first.line("Report")).read_text()
    assert 'id="chart-trials"' in page


def test_two_replicas_trained_one_model(first: Ended) -> None:
    steps = [
        re.findall(r"step (\d+): rmse ([\d.]+)", (first.logs / f"Trainer-{name}.log").read_text())
        for name in ("chief-0", "worker-0")
    ]
    assert [step for step, _ in steps[0]] == ["20", "40", "60"]
    assert steps[0] == steps[1]


def test_requests_are_those_that_vertex_would_get(first: Ended) -> None:
    lines = (first.logs / "requests.jsonl").read_text().splitlines()
    bodies = {
        re.sub(r".*/|\?.*", "", request["path"]): request["body"]
        for request in map(json.loads, lines)
        if request["task"] != "release"
    }
    image = "us-central1-docker.pkg.dev/my-project/natality/natality:1"
    training = bodies["customJobs"]
    assert training["displayName"] == "natality-training"
    assert training["labels"]["team"] == "births"
    job = training["jobSpec"]
    assert job.pop("baseOutputDirectory")["outputUriPrefix"].endswith("/model_run")
    pools = job.pop("workerPoolSpecs")
    assert job == {
        "serviceAccount": "runner@my-project.iam.gserviceaccount.com",
        "scheduling": {"timeout": "14400s", "restartJobOnWorkerRestart": True},
    }
    for pool in pools:
        command = pool["containerSpec"].pop("command")
        assert command[:3] == ["python", "-m", "tfx.scripts.run_executor"]
        assert pool == {
            "machineSpec": {"machineType": "n2-standard-8"},
            "replicaCount": "1",
            "containerSpec": {
                "imageUri": image,
                "env": [{"name": "TF_USE_LEGACY_KERAS", "value": "1"}],
            },
        }
    assert len(pools) == 2

    assert bodies["endpoints"]["displayName"] == "natality"
    assert bodies["endpoints"]["labels"]["team"] == "births"
    model = bodies["models:upload"]["model"]
    assert model["displayName"] == "natality-development"
    assert model["artifactUri"].startswith("gs://my-bucket/natality/pipeline/1/")
    assert model["labels"]["run"] == model["artifactUri"].split("/")[6]
    assert model["containerSpec"]["imageUri"] == f"{image[:-2]}-serving:1"
    (deployment,) = (body for path, body in bodies.items() if path.endswith(":deployModel"))
    assert deployment["deployedModel"]["model"].endswith("/models/natality-development@1")
    assert deployment["trafficSplit"] == {"0": 100}


def test_the_webhook_is_told_how_the_run_ended(folder: Folder, first: Ended) -> None:
    requests = map(json.loads, (first.logs / "requests.jsonl").read_text().splitlines())
    *_, last = (request for request in requests if request["task"] != "release")
    assert (last["task"], last["path"]) == ("Notification", "/webhook")
    said, verdict, pushed, report, run = last["body"]["text"].splitlines()
    assert said == "natality-development: the run succeeded, and its model is blessed."
    assert verdict.startswith("Blessed: RMSE ")
    assert pushed.startswith("Pushed to: projects/my-project/locations/us-central1/models/")
    page = report.removeprefix("Report: https://storage.cloud.google.com/")
    assert (folder.path / "rehearsal" / "buckets" / page).exists()
    assert run.endswith(f"/pipelines/runs/natality-development-{first.logs.name}?project=1")


def test_the_release_is_rehearsed_too(first: Ended) -> None:
    assert first.line("Release") == (
        "canary: version 1 90%, version 2 10%; promote: version 2 100%; rollback: version 1 100%"
    )


def test_it_ends_with_a_page_that_tells_of_vertex(folder: Folder, first: Ended) -> None:
    page = (folder.path / first.line("Report")).read_text()
    assert "Blessed: RMSE" in page
    assert "vertex_runner.py" in page


def test_containers_have_the_locked_dependencies_and_the_package(
    folder: Folder, first: Ended
) -> None:
    python = folder.path / "rehearsal" / "environment" / "venv" / "bin" / "python"
    code = (
        "import importlib.metadata as m, pipeline; print(pipeline.__file__); "
        "print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
    )
    said = subprocess.check_output([python, "-c", code], cwd="/", env={}, text=True)
    package, *installed = said.splitlines()
    assert str(PROJECT) not in package
    lock = (PROJECT / "requirements.lock").read_text()
    pinned = set(map(plain, re.findall(r"^[\w.-]+==[^\s;]+", lock, re.MULTILINE)))
    assert set(map(plain, installed)) - pinned == {"tfx-pipeline==0-1-0"}


def plain(pin: str) -> str:
    """A name and version in the form in which all that are equal look equal."""
    return re.sub(r"[-_.]+", "-", pin.lower())


def test_the_rehearsed_model_predicts_what_two_processes_train_here(
    folder: Folder, first: Ended, tmp_path: Path
) -> None:
    asked = map(json.loads, (first.logs / "requests.jsonl").read_text().splitlines())
    (job,) = (request["body"]["jobSpec"] for request in asked if request["task"] == "Trainer")
    (command, _) = (pool["containerSpec"]["command"] for pool in job["workerPoolSpecs"])
    train_here(command, folder.path / "rehearsal" / "buckets", tmp_path)
    here = predictions(tmp_path / "chief" / "model" / "Format-Serving")
    there = predictions(folder.path / first.line("Pushed to"))
    assert there == pytest.approx(here, abs=1e-5)


def train_here(command: list[str], buckets: Path, folder: Path) -> None:
    """Runs what a chief and a worker are asked to run, here and with outputs of their own.

    Args:
        command: Of the replicas' containers.
        buckets: Where the files of Cloud Storage are.
        folder: Gets the outputs of `chief` and `worker`, and a log for each.
    """
    (outputs,) = set(re.findall(r'gs://[^"]*/Trainer_\d+', command[command.index("--outputs") + 1]))
    addresses = free_addresses(2)
    cluster = {"chief": addresses[:1], "worker": addresses[1:]}
    processes, logs = [], []
    for replica in cluster:
        text = "\0".join(command[1:]).replace(outputs, str(folder / replica))
        text = text.replace(f"{VERTEX_ROOT}/checkpoints", str(folder / "checkpoints"))
        task = {"cluster": cluster, "task": {"type": replica, "index": 0}}
        variables = {"TF_CONFIG": json.dumps(task), "PYTHONPATH": str(PROJECT)}
        logs.append(folder / f"{replica}.log")
        with logs[-1].open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *text.replace("gs://", f"{buckets}/").split("\0")],
                cwd=PROJECT,
                env=environment() | variables | {"TF_USE_LEGACY_KERAS": "1"},
                stdout=log,
                stderr=log,
            )
        processes.append(process)
    try:
        ended = [process.wait(timeout=900) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert ended == [0, 0], "".join(log.read_text()[-3000:] for log in logs)


def predictions(model: Path) -> list[float]:
    """Of all `BIRTHS`, in pounds."""
    signature = tf.saved_model.load(str(model)).signatures[SERVING]
    births = [parse_request(json.dumps(birth)) for birth in BIRTHS]
    columns = {f.name: tf.constant([birth[f.name] for birth in births]) for f in FEATURES}
    return list(signature(**columns)[PREDICTION].numpy())


def test_a_thousand_messages_of_pubsub_get_the_answer_that_the_evaluator_got(
    folder: Folder, first: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder.path / first.line("Pushed to"), tmp_path / "pushed" / "1")
    (made,) = (folder.path / "rehearsal" / "buckets").glob("**/BigQueryExampleGen_*")
    examples = read_examples(made, 1000)
    with emulated(tmp_path) as emulator:
        emulator.create()
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.address)
        answers = by_pubsub(tmp_path / "pushed", tmp_path, emulator, examples)
    assert len(answers) == 1000
    expected = as_the_evaluator(tmp_path / "pushed", examples)
    assert [answers[i] for i in range(1000)] == pytest.approx(expected, rel=1e-5)


def test_a_watch_is_rehearsed_on_the_version_that_was_pushed(folder: Folder, first: Ended) -> None:
    yesterday = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(1)
    days = [drawn(400, 1), drawn(400, 2).assign(mother_age=44.0)]
    for name, rows, status in (("quiet", days[:1], 0), ("older", days, 4)):
        write_log(folder.path / name, rows, version=1, first=yesterday)
        flags = ("--log", f"gs://my-bucket/{name}", "--requests", name, "--retrain")
        process = folder.start("vertex_runner.py", "watch", "rehearse", *flags)
        out, err = process.communicate(timeout=900)
        assert process.returncode == status, out + err
    asked = map(json.loads, (folder.logs / "requests.jsonl").read_text().splitlines())
    retraining, told = (request["body"] for request in asked)
    assert retraining["displayName"] == "natality-development"
    assert "Not as learned: mother age." in told["text"]


@pytest.fixture(scope="module")
def second(folder: Folder, first: Ended) -> Ended:
    """Another one, with nothing changed."""
    return folder.rehearse()


def test_a_second_rehearsal_finds_the_blessed_model_and_reuses_the_rest(
    folder: Folder, first: Ended, second: Ended
) -> None:
    ran = {task for task, state in second.states.items() if state == "done"}
    assert ran == RESOLVERS | LOOK_BACK
    unchanged = {task: s for task, s in second.states.items() if task not in ran}
    assert unchanged.pop("environment") == "reused"
    assert set(unchanged.values()) == {"cached"}
    assert second.line("Baseline") == "the latest blessed model"
    assert second.line("Pushed to") != first.line("Pushed to")


def test_a_second_rehearsal_goes_on_from_the_blessed_model(second: Ended) -> None:
    for name in ("chief-0", "worker-0"):
        log = (second.logs / f"Trainer-{name}.log").read_text()
        assert re.search(r"Training goes on from step \d+ of", log)


def test_ctrl_c_stops_the_task_and_all_its_processes(folder: Folder, second: Ended) -> None:
    before = folder.logs
    # With another bound, else the Evaluator would be cached.
    process = folder.start("vertex_runner.py", "--max-rmse", "30", "rehearse", "--from=Evaluator")

    def begun() -> bool:
        log = folder.logs / "Evaluator.log"
        return folder.logs != before and log.exists() and log.stat().st_size > 0

    wait(begun, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 130, out + err
    assert "Stopped in Evaluator; --from Evaluator continues there." in out
    assert "Trainer: reused" in out
    environment_ = str(folder.path / "rehearsal" / "environment")
    assert not [c for c in commands() if environment_ in c]


def wait(until: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not until():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def commands() -> Iterator[str]:
    """The program and environment of each process on this machine that is ours."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            yield os.readlink(entry / "exe") + (entry / "environ").read_bytes().decode()
        except OSError:
            continue  # It has ended, or is another user's.
