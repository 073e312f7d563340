"""How a command begins and ends: asked to stop, unheard, without streams, or by a bug."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[3]

COMMANDS = '''
import sys
import time
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from common.errors import UserError
from pipeline.cli.console import Progress
from pipeline.cli.entry import run_command
from pipeline.cli.interrupts import Interrupts
from pipeline.settings import LocalSettings


class Nothing(BaseModel):
    """Nothing."""


def wait(console):
    interrupts = Interrupts(lambda: None, 130)
    try:
        with interrupts, Progress(console):
            Path("ready").touch()
            while not Path("go").exists():
                time.sleep(0.01)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130
    return 0


def talk(console):
    for _ in range(10000):
        console.print("a word")
    Path("ended").touch()
    return 3


def fail(console):
    raise ZeroDivisionError("a bug")


def load(console):
    Path("ready").touch()
    while not Path("go").exists():
        time.sleep(0.01)


class Module:
    @staticmethod
    def run(settings, options, console):
        return globals()[sys.argv[1]](console)


def main(arguments):
    sys.modules.update({f"stub.{name}": Module for name in ("wait", "talk", "fail")})
    if arguments == ["load"]:
        load(None)
    commands = dict.fromkeys(("wait", "talk", "fail"), Nothing)
    return run_command(arguments, LocalSettings, "stub", commands)
'''


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a command in a folder of its own."""
    (tmp_path / "commands.py").write_text(COMMANDS)
    code = "from pipeline.cli.entry import start; start('commands')"

    def started(command: str, **options: Any) -> subprocess.Popen[str]:
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [sys.executable, "-c", code, command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": f"{PROJECT}:{tmp_path}", "TMPDIR": str(tmp_path)},
            text=True,
            **(streams | options),
        )

    return started


def await_file(process: subprocess.Popen[str], file: Path) -> None:
    while not file.exists():
        assert process.poll() is None, process.communicate()


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["wait", "load"])
def test_each_signal_ends_a_command_as_ctrl_c_does(
    start, tmp_path: Path, command: str, signal_: signal.Signals
):
    process = start(command)
    await_file(process, tmp_path / "ready")
    process.send_signal(signal_)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 130
    assert (out + err).split() == ["Stopped."]


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("command", ["wait", "load"])
def test_what_is_ignored_at_the_start_stays_ignored(
    start, tmp_path: Path, command: str, signal_: signal.Signals
):
    process = start(command, preexec_fn=lambda: signal.signal(signal_, signal.SIG_IGN))
    await_file(process, tmp_path / "ready")
    process.send_signal(signal_)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 130
    assert (out + err).split() == ["Stopped."]
    # Had it not been ignored, it would have been the first: so prove it without another.
    (tmp_path / "ready").unlink()
    process = start("wait", preexec_fn=lambda: signal.signal(signal_, signal.SIG_IGN))
    await_file(process, tmp_path / "ready")
    process.send_signal(signal_)
    (tmp_path / "go").touch()
    process.communicate(timeout=900)
    assert process.returncode == 0


def test_the_cursor_comes_back(start, tmp_path: Path):
    ours, theirs = os.openpty()
    process = start("wait", stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    await_file(process, tmp_path / "ready")
    process.send_signal(signal.SIGTERM)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:
        pass  # Linux says it this way when the other side has closed.
    assert process.wait() == 130
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")


def unheard(kind: str) -> int:
    """A standard output that nothing can be written to."""
    if kind == "full":
        return os.open("/dev/full", os.O_WRONLY)
    if kind == "gone":
        ours, theirs = os.openpty()
        os.close(ours)
        return theirs
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize("kind", ["closed pipe", "full", "gone"])
def test_a_command_that_nobody_hears_goes_on(start, tmp_path: Path, kind: str):
    out = unheard(kind)
    process = start("talk", stdout=out)
    os.close(out)
    _, err = process.communicate(timeout=900)
    assert process.returncode == 3
    assert (tmp_path / "ended").exists()
    assert err == ""


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]])
def test_streams_that_are_closed_are_no_matter(start, tmp_path: Path, closed: list[int]):
    process = start("talk", preexec_fn=lambda: [os.close(number) for number in closed])
    _, err = process.communicate(timeout=900)
    assert process.returncode == 3
    assert (tmp_path / "ended").exists()
    assert err == ""


def test_help_that_nobody_reads_is_no_error(start):
    out = unheard("closed pipe")
    process = start("--help", stdout=out)
    os.close(out)
    _, err = process.communicate(timeout=900)
    assert (process.returncode, err) == (0, "")


def test_a_bug_is_told_with_a_file_to_report(start):
    process = start("fail")
    out, err = process.communicate(timeout=900)
    assert process.returncode == 1
    assert out == ""
    assert "failed: ZeroDivisionError: a bug" in err
    assert "Traceback" not in err
    file = re.search(r"whole story is in (\S+): report it", err)
    assert file
    assert "in fail" in Path(file[1]).read_text()
