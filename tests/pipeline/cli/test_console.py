"""What people see: the list of components, the summary and errors, on a terminal and in a pipe."""

from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from common.errors import UserError
from pipeline.cli.console import (
    Progress,
    log_to,
    shortened,
    show_error,
    show_places,
    show_summary,
)
from pipeline.cli.status import State
from report.facts import Metric, Slice
from report.runs.summary import RunSummary

PROJECT = Path(__file__).parents[3]

OVERALL = Slice(
    feature="",
    value="",
    examples=12_345,
    rmse=Metric(1.0812),
    mae=Metric(0.8299),
    calibration=Metric(1.001),
    bias=Metric(0.01),
    judged=True,
    small=False,
)
GOOD = RunSummary(
    rows={"train": 59_998, "eval": 10_100},
    anomalies=(),
    overall=OVERALL,
    blessed=True,
    reasons=(),
    pushed_to="/runs/[red]/serving/1",
    training_log="/runs/log",
    page="/runs/reports/1.html",
)


def console(width: int = 80, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, highlight=False)


def text(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def drawn(progress: Progress, width: int = 80) -> list[str]:
    """The list as it stands, line by line."""
    on = console(width)
    on.print(progress._render())
    return [line.rstrip() for line in text(on).splitlines()]


def test_in_a_pipe_each_end_is_a_line():
    shown = console()
    with Progress(shown) as progress:
        progress.planned(["Transform", "Trainer", "Pusher"])
        progress.changed("Transform", State.RUNNING)
        assert progress.running == "Transform"
        progress.changed("Transform", State.DONE, 3.21)
        assert progress.running is None
        progress.changed("Trainer", State.RUNNING)
        progress.changed("Trainer", State.FAILED, 0.5)
        assert progress.running == "Trainer"
    assert text(shown) == "Transform: done 3.2 s\nTrainer: failed 0.5 s\n"


def test_on_a_terminal_the_list_is_aligned():
    progress = Progress(console(terminal=True))
    progress.planned(["BigQueryExampleGen", "Transform", "Trainer", "Pusher"])
    progress.changed("BigQueryExampleGen", State.CACHED, 0.1)
    progress.changed("Transform", State.RUNNING)
    progress.changed("Transform", State.DONE, 12.34)
    progress.changed("Trainer", State.RUNNING)
    lines = drawn(progress)
    assert lines[0] == "= BigQueryExampleGen        cached"
    assert lines[1] == "✓ Transform          12.3 s done"
    assert lines[2][1:] == " Trainer               0 s running"
    assert lines[3] == "· Pusher                    waiting"


def test_the_elapsed_time_ticks():
    progress = Progress(console(terminal=True))
    progress.planned(["Trainer"])
    progress.changed("Trainer", State.RUNNING)
    progress._began["Trainer"] -= 83
    assert "83 s running" in drawn(progress)[0]


def test_components_that_run_at_once_have_their_own_times():
    progress = Progress(console(terminal=True))
    progress.planned(["Transform", "Trainer"])
    progress.changed("Transform", State.RUNNING, 83)
    progress.changed("Trainer", State.RUNNING, 12)
    lines = drawn(progress)
    assert "83 s running" in lines[0]
    assert "12 s running" in lines[1]


def test_loading_is_told_before_components_are_known():
    progress = Progress(console(terminal=True))
    assert "looking for what has changed" in drawn(progress)[0]
    progress.loading()
    assert "loading TensorFlow, Beam and TFX, 0 s" in drawn(progress)[0]


def test_what_fails_as_the_user_stops_is_no_failure():
    shown = console()
    progress = Progress(shown, stopping=lambda: True)
    progress.planned(["Trainer"])
    progress.changed("Trainer", State.FAILED, 2)
    assert text(shown) == "Trainer: stopped 2.0 s\n"
    assert progress.running == "Trainer"


def test_live_output_leaves_the_log_alone_and_the_cursor_visible():
    shown = console(terminal=True)
    before = sys.stdout, sys.stderr
    with Progress(shown) as progress:
        assert (sys.stdout, sys.stderr) == before
        progress.planned(["Trainer"])
        progress.changed("Trainer", State.RUNNING)
        time.sleep(0.3)
    said = text(shown)
    assert "Trainer" in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")


def test_markup_in_names_is_text():
    shown = console()
    with Progress(shown) as progress:
        progress.planned(["[red]odd[/red]"])
        progress.changed("[red]odd[/red]", State.DONE, 1)
    show_error(shown, UserError("Column [red] is [/] odd.", "Rename [bold]it[/bold]."))
    show_places(shown, {"Log": "/runs/[red]/log"})
    said = text(shown)
    for whole in ("[red]odd[/red]: done", "[red] is [/] odd", "[bold]it[/bold]", "/runs/[red]/log"):
        assert whole in said
    assert "[red]odd[/red]" in drawn(progress)[0]


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    version = tmp_path / "[red]" / "10"
    version.mkdir(parents=True)
    return version


def test_the_summary_of_a_blessed_model(pushed):
    shown = console(width=200)
    show_summary(shown, dataclasses.replace(GOOD, pushed_to=str(pushed)))
    assert text(shown).splitlines() == [
        "",
        "  Examples    59,998 train, 10,100 eval",
        "  Anomalies   none",
        "  Eval        RMSE 1.0812 lb, MAE 0.8299 lb, calibration 1.001 on 12,345 examples",
        "  Baseline    none yet",
        "  Verdict     blessed",
        f"  Pushed to   {pushed}",
    ]


def test_the_summary_tells_when_another_version_is_served(pushed):
    (pushed.parent / "9").mkdir()
    (pushed.parent / "11").mkdir()
    shown = console(width=200)
    show_summary(shown, dataclasses.replace(GOOD, pushed_to=str(pushed)))
    assert text(shown).splitlines()[-1] == (
        "              the newest version there is 11; "
        "to push this model again: --from Pusher --no-cache"
    )


def test_the_summary_tells_when_the_pushed_model_is_gone(pushed):
    pushed.rmdir()
    shown = console(width=200)
    show_summary(shown, dataclasses.replace(GOOD, pushed_to=str(pushed)))
    assert "that folder has been removed since" in text(shown).splitlines()[-1]


def test_the_summary_of_a_model_that_is_not_blessed():
    shown = console(width=200)
    summary = RunSummary(
        rows={"train": 3},
        anomalies=("warning in train: month: found 13; expected 12.",),
        overall=dataclasses.replace(
            OVERALL,
            rmse=Metric(1.0812, baseline=1.05),
            mae=Metric(0.8299, baseline=0.83),
            calibration=Metric(1.001, baseline=1.0),
        ),
        blessed=False,
        reasons=("plurality Twins(2): RMSE is 2.700 lb; 2.500 is allowed",),
        pushed_to=None,
        training_log=None,
        page="/runs/reports/1.html",
    )
    show_summary(shown, summary)
    said = text(shown)
    assert "  Baseline    RMSE 1.0500 lb, MAE 0.8300 lb" in said
    assert "  Verdict     not blessed\n              plurality Twins(2): RMSE is 2.700 lb" in said
    assert "Pushed" not in said
    assert "month: found 13" in said


def test_the_summary_tells_where_training_started():
    shown = console()
    show_summary(shown, dataclasses.replace(GOOD, pushed_to=None, start="cold, as it must"))
    assert "  Start       cold, as it must\n  Eval" in text(shown)


def test_the_summary_of_a_partial_run_tells_what_there_is():
    shown = console()
    show_summary(shown, RunSummary({"train": 3}, None, None, None, (), None, None, "1.html"))
    assert text(shown) == "\n  Examples    3 train\n"


def test_errors_break_at_words_on_a_terminal_and_nowhere_in_a_pipe():
    error = UserError("The cause " + "is a long one " * 8 + "indeed.", "Mend it.")
    for terminal in (True, False):
        shown = console(width=40, terminal=terminal)
        show_error(shown, error)
        lines = text(shown).splitlines()
        assert len(lines) == (5 if terminal else 3) or (terminal and len(lines) > 4)
        assert all(len(line) <= 60 for line in lines) is terminal


def test_all_output_goes_to_the_log_that_of_children_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    log = tmp_path / "deep" / "run.log"
    with log_to(log) as shown:
        os.write(2, b"a library\n")
        subprocess.run([sys.executable, "-c", "print('a child')"], check=True)
        shown.print("for people")
    print("afterwards")
    assert capfd.readouterr().out == "for people\nafterwards\n"
    assert {"a library", "a child"} <= set(log.read_text().splitlines())


def test_output_comes_back_after_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(ZeroDivisionError), log_to(tmp_path / "run.log"):
        _ = 1 / 0
    print("afterwards")
    assert capfd.readouterr().out == "afterwards\n"


def test_paths_below_the_working_directory_are_shortened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shortened(str(tmp_path / "runs" / "1")) == "runs/1"
    assert shortened("/elsewhere/runs/1") == "/elsewhere/runs/1"


def test_on_a_small_terminal_the_running_component_is_in_view():
    small = console(terminal=True)
    small.height = 5
    progress = Progress(small)
    names = [f"Step{number}" for number in range(13)]
    progress.planned(names)
    for name in names[:9]:
        progress.changed(name, State.DONE, 1.0)
    progress.changed(names[9], State.RUNNING)
    assert [line.split()[1] for line in drawn(progress)] == names[7:11]
    progress.changed(names[9], State.DONE, 1.0)
    progress.changed(names[12], State.RUNNING)
    assert [line.split()[1] for line in drawn(progress)] == names[9:]
    progress.end()
    assert [line.split()[1] for line in drawn(progress)] == names
