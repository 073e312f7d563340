"""Rehearsals of small pipelines: real processes that run a few lines of Python."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from specs import READ, Watcher, container, kind, pipeline, run, task

from common.environment import IMAGE
from common.errors import UserError
from pipeline.cli.status import State
from pipeline.rehearsal.container import TaskFailed

MAKE = READ + (
    "import os; uri = task['outputs']['artifacts']['model']['artifacts'][0]['uri']; "
    "os.makedirs(uri); open(uri + '/text', 'w').write('made'); print('made', uri); "
    "written = {'artifacts': {'model': {'artifacts': [{'uri': uri, 'metadata': {'rows': 5.0}}]}}}; "
    "json.dump(written, open(task['outputs']['outputFile'], 'w'))"
)
SHOW = READ + "print(json.dumps(task))"
FAIL = "import sys; print('the cause'); sys.exit(3)"


def maker(**options: Any) -> dict[str, Any]:
    return task(container(MAKE), outputs={"model": "tfx.Model"}, **options)


def shown(root: Path, name: str) -> Any:
    """What a task that shows its ExecutorInput was told in the latest rehearsal."""
    logs = max((root / "logs").iterdir())
    return json.loads((logs / f"{name}.log").read_text())


def test_a_task_is_told_its_inputs_and_outputs_as_vertex_does(tmp_path: Path) -> None:
    used = task(
        container(SHOW),
        inputs={"model": "make.model"},
        outputs={"result": "tfx.ModelEvaluation"},
        parameters={"steps": 60.0, "word": "a"},
    )
    run(pipeline(make=maker(), use=used), tmp_path)
    executor_input = shown(tmp_path, "use")
    (model,) = executor_input["inputs"]["artifacts"]["model"]["artifacts"]
    assert sorted(model) == ["metadata", "name", "type", "uri"]
    assert model["type"] == kind("tfx.Model")
    assert model["metadata"] == {"rows": 5.0}
    assert Path(model["uri"], "text").read_text() == "made"
    assert "/metadataStores/default/artifacts/" in model["name"]
    assert executor_input["inputs"]["parameterValues"] == {"steps": 60.0, "word": "a"}

    folder = Path(executor_input["outputs"]["outputFile"]).parent
    assert folder.name.startswith("use_")
    assert folder.parents[2] == tmp_path / "buckets" / "bucket" / "root"
    assert (
        executor_input["outputs"]["artifacts"]["result"]["artifacts"][0]["uri"]
        == f"{folder}/result"
    )


def test_a_rehearsal_of_another_pipeline_leaves_what_can_be_reused(tmp_path: Path) -> None:
    job = pipeline(make=maker(), use=task(container(SHOW), inputs={"model": "make.model"}))
    run(job, tmp_path)
    run(pipeline(watch=task(container(""))), tmp_path)
    watcher = Watcher()
    run(job, tmp_path, watcher, from_task="use")
    assert ("make", State.REUSED) in watcher.changes


def test_a_run_is_told_as_vertex_tells_it_to_later_ones(tmp_path: Path) -> None:
    run(pipeline(make=maker()), tmp_path)
    (file,) = (tmp_path / "logs").glob("*/run.json")
    told = json.loads(file.read_text())
    assert told["displayName"] == "small"
    (task_,) = told["jobDetail"]["taskDetails"]
    assert (task_["taskName"], task_["state"]) == ("make", "SUCCEEDED")
    (model,) = task_["outputs"]["model"]["artifacts"]
    assert model["uri"].startswith("gs://bucket/root/1/small-")
    assert model["metadata"] == {"rows": 5.0}


def test_a_container_has_only_the_variables_and_folder_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/secret.json")
    executor = container("import json, os; print(json.dumps([dict(os.environ), os.listdir()]))")
    run(pipeline(a=task(executor)), tmp_path)
    variables, files = shown(tmp_path, "a")
    known = {*IMAGE, "PATH", "HOME", "LANG", "NO_GCE_CHECK"}
    assert set(variables) - {"LC_CTYPE"} == known
    assert files == []


def test_the_observer_is_told_of_each_task_in_order(tmp_path: Path) -> None:
    watcher = Watcher()
    run(pipeline(b=task(container("")), a=task(container(""), upstream=["b"])), tmp_path, watcher)
    assert watcher.plan == ["environment", "b", "a"]
    assert watcher.changes[2:] == [
        ("b", State.RUNNING),
        ("b", State.DONE),
        ("a", State.RUNNING),
        ("a", State.DONE),
    ]


def test_the_first_failure_stops_with_the_end_of_its_log(tmp_path: Path) -> None:
    watcher = Watcher()
    job = pipeline(a=task(container(FAIL)), b=task(container(""), upstream=["a"]))
    with pytest.raises(TaskFailed, match="a failed with status 3") as failure:
        run(job, tmp_path, watcher)
    assert "the cause" in failure.value.cause
    assert "--from a" in failure.value.cure
    assert failure.value.log.read_text() == "the cause\n"
    assert watcher.changes[-1] == ("a", State.FAILED)


TRAIN = """
import json, os, sys, time, urllib.request
access = json.loads(os.environ["REHEARSAL"])
jobs = access["address"] + "/v1/projects/p/locations/l/customJobs"

def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": "Bearer " + access["token"]}
    return json.load(urllib.request.urlopen(urllib.request.Request(url, data, headers)))

command = ["python3", "-c", "import sys; print('why it failed'); sys.exit(5)"]
pool = {"replicaCount": "1", "containerSpec": {"command": command}}
job = ask(jobs, {"jobSpec": {"workerPoolSpecs": [pool]}})
while job["state"] == "JOB_STATE_RUNNING":
    job = ask(jobs + "/1")
    time.sleep(0.02)
sys.exit("The job failed, as such.")
"""


def test_a_training_job_that_fails_stops_with_the_end_of_its_replicas_log(tmp_path: Path) -> None:
    config = {"custom_config": '{"ai_platform_enable_vertex": true}'}
    with pytest.raises(TaskFailed, match="Replica chief-0 ended with status 5") as failure:
        run(pipeline(Trainer=task(container(TRAIN), parameters=config)), tmp_path)
    assert "why it failed" in failure.value.cause
    assert failure.value.log.name == "Trainer-chief-0.log"


def test_only_tasks_that_talk_to_vertex_can(tmp_path: Path) -> None:
    show = container("import os; print('REHEARSAL' in os.environ)")
    assert (run(pipeline(a=task(show)), tmp_path).logs / "a.log").read_text() == "False\n"


def test_names_in_what_is_shown_are_those_of_cloud_storage(tmp_path: Path) -> None:
    failing = READ + "print(task['outputs']['outputFile']); sys.exit(1)"
    with pytest.raises(TaskFailed, match="gs://bucket/root/") as failure:
        run(pipeline(a=task(container(failing))), tmp_path)
    assert str(tmp_path / "buckets") not in failure.value.cause


def test_a_program_that_the_image_has_not_is_told(tmp_path: Path) -> None:
    executor = container("")
    executor["container"]["command"] = ["no-such-program"]
    with pytest.raises(UserError, match="'no-such-program' is not in its environment"):
        run(pipeline(a=task(executor)), tmp_path)


def test_what_is_not_known_is_refused_before_anything_runs(tmp_path: Path) -> None:
    touch = task(container(f"open({str(tmp_path / 'ran')!r}, 'w')"))
    resolver = {"resolver": {"outputArtifactQueries": {"m": {"filter": "id>5"}}}}
    refused = [
        task(container("", "{{$.json_escape[1]}}"), upstream=["a"]),
        task(resolver, upstream=["a"]),
    ]
    for each in refused:
        with pytest.raises(UserError):
            run(pipeline(a=touch, b=each), tmp_path)
    assert not (tmp_path / "ran").exists()


def test_equal_tasks_are_cached_and_changed_ones_run(tmp_path: Path) -> None:
    def job(word: str = "a", image: str = "image:1") -> dict[str, Any]:
        made = maker(parameters={"word": word}, caches=True)
        made["executor"]["container"]["image"] = image
        used = task(container(SHOW), inputs={"model": "make.model"}, caches=True)
        return pipeline(make=made, use=used)

    def states(job: dict[str, Any]) -> list[State]:
        return list(run(job, tmp_path).states.values())

    done, cached = [State.DONE] * 2, [State.CACHED] * 2
    assert [states(job()), states(job())] == [done, cached]
    assert [states(job("b")), states(job("b", "image:2")), states(job())] == [done, done, cached]


def test_what_was_removed_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    job = pipeline(make=maker(caches=True))
    run(job, tmp_path)
    subprocess.run(["rm", "-r", tmp_path / "buckets"], check=True)
    assert run(job, tmp_path).states == {"make": State.DONE}


def test_failures_and_tasks_without_caching_are_not_cached(tmp_path: Path) -> None:
    once = tmp_path / "once"
    flaky = (
        f"import os, sys; there = os.path.exists({str(once)!r}); "
        f"open({str(once)!r}, 'w'); sys.exit(not there)"
    )
    job = pipeline(a=task(container(flaky), caches=True), b=task(container("")))
    with pytest.raises(TaskFailed):
        run(job, tmp_path)
    assert run(job, tmp_path).states == {"a": State.DONE, "b": State.DONE}
    assert run(job, tmp_path).states == {"a": State.CACHED, "b": State.DONE}


def test_resolvers_find_what_an_earlier_rehearsal_made(tmp_path: Path) -> None:
    query = {"filter": 'schema_title="tfx.Model" AND state=LIVE'}
    find = task({"resolver": {"outputArtifactQueries": {"found": query}}}, outputs={"found": "x"})
    use = task(container(SHOW), inputs={"baseline": "find.found", "model": "make.model"})
    job = pipeline(find=find, make=maker(upstream=["find"]), use=use)
    first = run(job, tmp_path)
    executor_input = shown(tmp_path, "use")
    assert "baseline" not in executor_input["inputs"]["artifacts"], (
        "nothing was found, so nothing is said"
    )
    second = run(job, tmp_path)
    second_inputs = shown(tmp_path, "use")
    assert (
        second_inputs["inputs"]["artifacts"]["baseline"]
        == executor_input["inputs"]["artifacts"]["model"]
    )
    assert (first.baseline, second.baseline) == (False, True)


def test_from_a_task_reuses_what_the_latest_rehearsal_made(tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    flaky = f"import os, sys; sys.exit(not os.path.exists({str(mended)!r}))"
    job = pipeline(
        make=maker(),
        use=task(container(flaky), inputs={"model": "make.model"}),
        then=task(container(""), upstream=["use"]),
    )
    with pytest.raises(UserError, match="no outputs of make to reuse"):
        run(job, tmp_path, from_task="use")
    with pytest.raises(TaskFailed):
        run(job, tmp_path)
    mended.touch()
    states = run(job, tmp_path, from_task="use").states
    assert states == {"make": State.REUSED, "use": State.DONE, "then": State.DONE}
    states = run(job, tmp_path, from_task="then").states
    assert states == {"make": State.REUSED, "use": State.REUSED, "then": State.DONE}


def test_files_are_uploaded_before_the_first_task(tmp_path: Path) -> None:
    (tmp_path / "schema").write_text("text")
    read = container("import sys; print(open(sys.argv[1]).read())", "gs://bucket/schemas/1")
    uploads = {"gs://bucket/schemas/1": tmp_path / "schema"}
    outcome = run(pipeline(a=task(read)), tmp_path / "root", uploads=uploads)
    assert (outcome.logs / "a.log").read_text() == "text\n"


def test_the_outcome_tells_what_became_of_the_model(tmp_path: Path) -> None:
    def push(blessed: int) -> Any:
        bless = READ + (
            "json.dump({'artifacts': {'b': {'artifacts': [{'metadata': {'blessed': float("
            f"{blessed})}}}}]}}}}}}, open(task['outputs']['outputFile'], 'w'))"
        )
        pushed = READ + (
            "json.dump({'artifacts': {'p': {'artifacts': [{'metadata': {'pushed': float("
            f"{blessed}), 'pushed_destination': 'gs://bucket/serving/1'}}}}]}}}}}}, "
            "open(task['outputs']['outputFile'], 'w'))"
        )
        job = pipeline(
            a=task(
                container(bless),
                outputs={"b": "tfx.ModelBlessing", "e": "tfx.ModelEvaluation"},
            ),
            b=task(container(pushed), outputs={"p": "tfx.PushedModel"}),
        )
        return run(job, tmp_path)

    outcome = push(1)
    assert outcome.blessed is True
    assert outcome.evaluation
    assert outcome.evaluation.is_relative_to(tmp_path / "buckets" / "bucket" / "root")
    assert outcome.pushed == tmp_path / "buckets" / "bucket" / "serving" / "1"
    outcome = push(0)
    assert (outcome.blessed, outcome.pushed) == (False, None)


def test_artifacts_never_share_a_name(tmp_path: Path) -> None:
    cached, made = maker(caches=True), maker()
    for _ in range(3):
        run(pipeline(a=cached, b=made, c=made), tmp_path)
    stored = json.loads((tmp_path / "store.json").read_text())["artifacts"]
    assert len({artifact["name"] for artifact in stored}) == len(stored) == 7


def test_a_root_in_use_is_told(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(UserError, match="Another run is using"):
        run(pipeline(a=task(container(""))), tmp_path)


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(UserError, match=r"store\.json is damaged"):
        run(pipeline(a=task(container(""))), tmp_path)


def test_ctrl_c_ends_a_container_and_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = (
        "import os, signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "child = subprocess.Popen(['sleep', '300']); "
        f"open({str(pids)!r} + '.new', 'w').write(f'{{os.getpid()}} {{child.pid}}'); "
        f"os.rename({str(pids)!r} + '.new', {str(pids)!r}); time.sleep(300)"
    )
    (tmp_path / "job.json").write_text(json.dumps(pipeline(a=task(container(script)))))
    runner = (
        "import json, pathlib, sys; from specs import run; "
        "run(json.load(open(sys.argv[1])), pathlib.Path(sys.argv[2]))"
    )
    paths = f"{Path.cwd()}:{Path(__file__).parent}"
    process = subprocess.Popen(
        [sys.executable, "-c", runner, str(tmp_path / "job.json"), str(tmp_path / "root")],
        env=os.environ | {"PYTHONPATH": paths},
        stderr=subprocess.PIPE,
    )
    while not pids.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=900)
    assert b"KeyboardInterrupt" in errors
    for pid in pids.read_text().split():
        assert not _lives(pid)


def _lives(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # Dead, and not yet noticed by its parent.
