"""However a run ends, it has a page that says so, and is among the runs that the command lists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2
from real_runs import Runs
from rich.console import Console

from common.errors import UserError
from pipeline.cli.console import log_to
from pipeline.local import report
from report.collect.lineage import RUN, read_lineage
from report.facts import Facts
from report.runs import reports_of_versions
from report.runs.metadata_file import open_metadata
from report.runs.run_records import RunRecords
from schema.propose import SCHEMA_FILE

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def bad(runs: Runs) -> Facts:
    """A run whose model is not blessed; all before the Evaluator is from the cache."""
    summary = runs.make("bad", "--max-rmse", "0.3")
    assert summary is not None and summary.blessed is False
    return runs.facts("bad")


@pytest.fixture(scope="module")
def stopped(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """A run that the gate stopped: its schema knows of no twins."""
    schema, changed = re.subn(r'^ +value: "Twins\(2\)"\n', "", SCHEMA_FILE.read_text(), flags=re.M)
    assert changed == 1
    file = tmp_path_factory.mktemp("schema") / "schema.pbtxt"
    file.write_text(schema)
    assert runs.make("stopped", "--schema-file", str(file)) is None
    return runs.facts("stopped")


@pytest.fixture(scope="module")
def failed(runs: Runs) -> Facts:
    """A run of so few births that a split has none."""
    assert runs.make("failed", "--sample", "0.000001") is None
    return runs.facts("failed")


@pytest.fixture(scope="module")
def partial(runs: Runs) -> Facts:
    assert runs.make("partial", "--to", "Transform") is not None
    return runs.facts("partial")


def own_page(runs: Runs, run_id: str) -> str:
    """What the component wrote."""
    page = runs.artifacts(run_id).page
    assert page is not None
    return Path(page.uri).read_text()


def test_the_page_is_an_artifact_that_consoles_show(runs: Runs, first: Facts):
    lineage = read_lineage(open_metadata(runs.root), "first")
    (page,) = (a for a in lineage.artifacts.values() if a.type == "system.HTML")
    assert page.uri.endswith("/report.html")
    assert page.properties["outcome"] == "blessed"
    text = Path(page.uri).read_text()
    assert "first" in text and f"{first.slices[0].rmse.value:.4f}" in text


def test_a_server_finds_the_page_of_a_version(runs: Runs, first: Facts):
    assert first.verdict.pushed_to
    version = Path(first.verdict.pushed_to).name
    page = runs.artifacts("first").page
    link = reports_of_versions(runs.root) / f"{version}.html"
    assert page and link.is_symlink() and link.samefile(page.uri)


def test_a_model_that_is_not_blessed(runs: Runs, bad: Facts):
    verdict = bad.verdict
    assert verdict.outcome == "not blessed"
    (violation,) = verdict.violations
    assert (violation.metric, violation.feature, violation.bound) == ("RMSE", "", 0.3)
    assert verdict.overall and violation.value == pytest.approx(verdict.overall.rmse.value)
    assert re.search(r"all examples: RMSE is \d\.\d+ lb; 0\.300 is allowed", verdict.sentence)
    assert verdict.pushed_to is None
    states = {e.component: e.state for e in bad.lineage.executions}
    assert (states["Trainer"], states["Evaluator"]) == ("cached", "complete")
    cached = next(e for e in bad.lineage.executions if e.component == "Trainer")
    assert cached.seconds and cached.seconds > 1, "as long as it took when it ran"
    assert verdict.sentence in own_page(runs, "bad")


def test_examples_are_compared_with_others_and_never_with_themselves(runs: Runs, bad: Facts):
    assert bad.data and bad.data.drift is None
    assert runs.make("other", "--sample", "0.19", "--to", "AnomalyGate") is not None
    other = runs.facts("other").data
    assert other and other.drift
    assert not any(distance.too_far for distance in other.drift)


def test_a_run_that_the_gate_stopped(runs: Runs, stopped: Facts):
    assert stopped.verdict.outcome == "stopped"
    assert stopped.verdict.stopped_by
    assert all("Twins(2)" in reason for reason in stopped.verdict.stopped_by)
    assert stopped.data
    assert {f.feature for f in stopped.data.findings if f.severity == "error"} == {"plurality"}
    assert re.search(r'^\+ +value: "Twins\(2\)"$', stopped.data.schema_diff, re.MULTILINE)
    assert stopped.slices == ()
    assert stopped.errors is stopped.training is stopped.transformed is None
    states = {e.component: e.state for e in stopped.lineage.executions}
    assert states["AnomalyGate"] == "failed" and "Transform" not in states
    assert "Twins(2)" in runs.page("stopped")


def test_a_run_in_which_something_failed(runs: Runs, failed: Facts):
    assert failed.verdict.outcome == "failed"
    assert re.search(r"Split \w+ has no rows", failed.verdict.sentence)
    assert failed.data is None
    assert "has no rows" in runs.page("failed")


def test_a_run_that_ended_before_the_evaluation(runs: Runs, partial: Facts):
    assert partial.verdict.outcome == "not evaluated"
    assert partial.transformed and partial.data
    assert partial.errors is partial.training is None
    assert "Not evaluated" in runs.page("partial")


@pytest.fixture
def all_runs(runs: Runs, bad: Facts, stopped: Facts, failed: Facts, partial: Facts) -> Runs:
    return runs


def test_the_list_has_all_runs_and_loads_no_tensorflow(all_runs: Runs):
    script = (
        "import sys; from pipeline.local.commands import main; status = main(sys.argv[1:]); "
        "sys.exit(status or any(n in sys.modules for n in ('tensorflow', 'tfx', 'apache_beam')))"
    )
    listed = subprocess.run(
        [sys.executable, "-c", script, "--run-root", str(all_runs.root), "report"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert listed.returncode == 0, listed.stderr
    head, *rows = listed.stdout.splitlines()
    assert head.split() == ["run", "RMSE,", "lb", "verdict", "examples", "began", "source"]
    verdicts = {
        "partial": "not evaluated",
        "failed": "failed",
        "stopped": "stopped",
        "bad": "not blessed",
        "first": "blessed",
    }
    places = {row.split()[0]: row for row in rows}
    newest_first = [name for name in places if name in verdicts]
    assert sorted(newest_first) == sorted(verdicts)
    assert newest_first[-1] == "first"
    for name, verdict in verdicts.items():
        assert f"  {verdict}  " in places[name], places[name]
    past = all_runs.past("first")
    assert past.rmse and past.examples
    assert f"{past.examples:,}" in places["first"] and f"{past.rmse:.4f}" in places["first"]


def shown(on: Runs, capfd: pytest.CaptureFixture[str], **asked) -> str:
    with log_to(Path(os.devnull)) as console:
        report.run(on.settings(), report.Options(**asked), console)
    return capfd.readouterr().out


def test_run_tells_where_the_page_is(all_runs: Runs, capfd: pytest.CaptureFixture[str]):
    assert Path(shown(all_runs, capfd, run="bad").strip()).read_text() == own_page(all_runs, "bad")
    written = Path(shown(all_runs, capfd, run="stopped").strip())
    assert written == all_runs.root / "reports" / "stopped.html"


def test_run_makes_a_page_that_has_been_removed(all_runs: Runs, capfd: pytest.CaptureFixture[str]):
    written = all_runs.root / "reports" / "failed.html"
    written.unlink()
    assert Path(shown(all_runs, capfd, run="failed").strip()) == written
    assert "has no rows" in written.read_text()


def test_compare_shows_what_differs(all_runs: Runs, capfd: pytest.CaptureFixture[str]):
    *lines, page = shown(all_runs, capfd, runs=["first", "bad"], compare=True).splitlines()
    said = "\n".join(lines)
    assert re.search(r"^max_rmse +20\.0 +0\.3$", said, re.MULTILINE)
    assert "train_steps" not in said
    assert re.search(r"^verdict +blessed +not blessed", said, re.MULTILINE)
    error = f"{all_runs.past('first').rmse:.4f}"
    assert re.search(rf"^all +{error} +{error} +\+0\.0000", said, re.MULTILINE)
    text = Path(page).read_text()
    assert "first" in text and "bad" in text


def test_a_comparison_says_nothing_of_libraries(all_runs: Runs):
    command = ["local_runner.py", "--run-root", str(all_runs.root), "report", "--compare"]
    ended = subprocess.run(
        [sys.executable, *command, "first", "bad"], cwd=PROJECT, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    first, *_, page = ended.stdout.splitlines()
    assert first.split() == ["setting", "first", "bad"]
    assert page.endswith("first-and-bad.html")


@pytest.mark.parametrize(
    ("asked", "cause", "cure"),
    [
        ({"run": "frist"}, "no run frist", "Did you mean first?"),
        ({"run": "x"}, "no run x", "local_runner.py report lists"),
        ({"compare": True, "runs": ["first"]}, "takes two runs, not 1", "Give two"),
        ({"runs": ["first"]}, "What to do with first", "--run before"),
        ({"run": "first", "compare": True}, "Both --run and --compare", "one of them"),
    ],
)
def test_what_can_not_be_shown_is_refused(runs: Runs, asked: dict, cause: str, cure: str):
    with pytest.raises(UserError) as refused:
        report.run(runs.settings(), report.Options(**asked), Console())
    assert cause in refused.value.cause
    assert cure in refused.value.cure


def test_without_any_run_the_cure_is_to_run(tmp_path: Path):
    with pytest.raises(UserError, match="no run in"):
        open_metadata(tmp_path)


def test_a_run_of_another_version_is_listed_and_says_that_it_is_not_known(tmp_path: Path):
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(tmp_path / "metadata.sqlite")
    store = mlmd.MetadataStore(config)
    kind = store.put_context_type(metadata_store_pb2.ContextType(name=RUN))
    older = metadata_store_pb2.Context(type_id=kind, name="older")
    older.custom_properties["info"].string_value = '{"pipeline": "natality", "what": "it was"}'
    older.custom_properties["outcome"].string_value = "blessed"
    store.put_contexts([older])
    past = RunRecords.open(tmp_path).read()["older"]
    assert past.outcome == "blessed"
    with pytest.raises(UserError, match="another version of this project"):
        past.known_info()
