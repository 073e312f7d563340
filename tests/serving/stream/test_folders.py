"""Files that appear in a folder are answered once each, whole, or told of with a cause."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tensorflow_data_validation as tfdv
from bad_messages import BAD, ROW
from small_model import expected, write_model

from common.errors import UserError
from models.names import PREDICTED
from schema.propose import SCHEMA_FILE
from serving.stream.folder_worker import Folders
from serving.stream.launch_stream import BAD_SETTINGS, FAILED, Stream, launch, main
from serving.stream.worker import Counts
from serving.watch.log_files import find_files
from serving.watch.logged_rows import read_rows

PROJECT = Path(__file__).parents[3]
LINES = {
    name: (data.replace(b"\n", b""), cause)
    for name, (data, cause) in BAD.items()
    if data.strip()  # An empty line is no row.
}


@dataclass(frozen=True)
class Place:
    """Folders to answer in."""

    folder: Path

    @property
    def source(self) -> Folders:
        return Folders(self.folder / "in", self.folder / "out")

    @property
    def pushed(self) -> Path:
        return self.folder / "pushed"

    def put(self, name: str, *rows: bytes | dict[str, Any]) -> Path:
        """Has a file appear, as its writer should."""
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        aside = self.source.input / f".{name}"
        aside.write_bytes(b"".join(line + b"\n" for line in lines))
        return aside.rename(self.source.input / name)

    def take(self, messages: int, tell: Callable[[str], None] = lambda _: None) -> Counts:
        return launch(Stream(self.source, str(self.pushed), most_messages=messages), tell)

    def read(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.source.output / name).read_bytes().splitlines()]

    def answered(self) -> list[str]:
        return sorted(os.listdir(self.source.output))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    write_model(tmp_path / "pushed", 1, offset=0.1)
    (tmp_path / "in").mkdir()
    return Place(tmp_path)


def test_good_lines_are_answered_in_order_and_bad_ones_told(place: Place):
    good = [ROW | {"key": i} for i in range(2500)]
    bad = [data for data, _ in LINES.values()]
    file = place.put("a.jsonl", *good[:1200], b"", *bad, *good[1200:])
    assert place.take(2500) == Counts(2500, len(LINES), 0)
    rows = place.read("a.jsonl")
    assert [row["key"] for row in rows] == list(range(2500))
    for row in rows[::500]:
        assert row[PREDICTED] == pytest.approx(expected(ROW, 0.1), rel=1e-5)
        assert row[f"{PREDICTED}_80_low"] < row[PREDICTED] < row[f"{PREDICTED}_80_high"]
        assert row["model_version"] == "1"
    letters = place.read("a.jsonl.dead.jsonl")
    assert [letter["row"] for letter in letters] == [1201 + i for i in range(len(LINES))]
    for letter, (data, cause) in zip(letters, LINES.values(), strict=True):
        assert letter["file"] == str(file)
        assert letter["cause"].startswith(cause)
        assert letter["raw"] == data.decode("utf-8", "backslashreplace")
    assert place.answered() == ["a.jsonl", "a.jsonl.dead.jsonl"]


def test_what_is_answered_goes_to_a_log_for_the_watch(place: Place, capfd):
    place.put("a.jsonl", ROW | {"key": 1}, b"{}", ROW | {"key": 2})
    stream = [place.source.input, "--output", place.source.output, "--most-messages", 3]
    log = ["--model-folder", place.pushed, "--request-log", place.folder / "log"]
    assert main([str(flag) for flag in ("--input", *stream, *log)]) == 0
    schema = tfdv.load_schema_text(str(SCHEMA_FILE))
    found = read_rows(find_files(place.folder / "log", None), schema, None)
    ids = [b"a.jsonl:1", b"a.jsonl:3"]
    assert found.keys.to_pylist() == [{"request_id": id_, "row": 0} for id_ in ids]
    assert found.versions.tolist() == [1, 1]
    answers = [row[PREDICTED] for row in place.read("a.jsonl")]
    assert found.predictions.tolist() == pytest.approx(answers)
    assert "log of requests" not in capfd.readouterr().err


def test_a_file_that_is_not_for_it_is_left_alone(place: Place):
    told: list[str] = []
    for name in (".a.jsonl", "_b.jsonl"):
        (place.source.input / name).write_text(json.dumps(ROW))
    for name in ("c.csv", "d.jsonl.dead.jsonl", "e.jsonl", "f.jsonl"):
        place.put(name, ROW)
    (place.source.input / "folder.jsonl").mkdir()
    place.take(2, told.append)
    assert place.answered() == ["e.jsonl", "f.jsonl"]
    left = [said for said in told if "left alone" in said]
    assert [said.split()[0] for said in left] == ["c.csv", "d.jsonl.dead.jsonl"]


def test_what_is_answered_stays_for_the_next_worker_and_the_next_version(place: Place):
    place.put("a.jsonl", ROW)
    place.put("empty.jsonl")
    place.put("z.jsonl", ROW)
    place.take(2)
    before = {name: (place.source.output / name).stat() for name in place.answered()}
    write_model(place.pushed, 2, offset=0.2)
    place.put("b.jsonl", ROW)
    assert place.take(1) == Counts(1, 0, 0)
    assert {name: (place.source.output / name).stat() for name in before} == before
    assert place.answered() == ["a.jsonl", "b.jsonl", "empty.jsonl", "z.jsonl"]
    assert place.read("b.jsonl")[0]["model_version"] == "2"
    assert place.read("empty.jsonl") == []


def test_what_a_killed_worker_left_is_done_anew(place: Place):
    """Killed as it wrote, and between the names of dead letters and of answers."""
    place.source.output.mkdir()
    for name in (".answers.part", ".dead.part", "good.jsonl.dead.jsonl", "mixed.jsonl.dead.jsonl"):
        (place.source.output / name).write_text("left\n" * 100)
    place.put("good.jsonl", ROW)
    place.put("mixed.jsonl", ROW, b"{}")
    assert place.take(3) == Counts(2, 1, 0)
    assert place.answered() == ["good.jsonl", "mixed.jsonl", "mixed.jsonl.dead.jsonl"]
    assert [letter["row"] for letter in place.read("mixed.jsonl.dead.jsonl")] == [2]


def test_what_cannot_be_is_told_with_its_cure(place: Place, tmp_path: Path, capsys):
    def run(*flags: object) -> tuple[int, str]:
        status = main([*map(str, flags), "--model-folder", str(place.pushed)])
        return status, capsys.readouterr().err

    given, out = place.source.input, place.source.output
    status, told = run("--input", tmp_path / "none", "--output", out)
    assert (status, "error: There is no folder" in told) == (FAILED, True)
    status, told = run("--input", given, "--output", given)
    assert (status, "can't hold both rows and answers" in told) == (FAILED, True)
    with place.source.worker(1000, print):
        status, told = run("--input", given, "--output", out)
    assert (status, "Another process answers into" in told) == (FAILED, True)
    status, told = run("--input", given)
    assert (status, "It is not said what to answer" in told) == (BAD_SETTINGS, True)
    status, told = run("--input", given, "--output", out, "--subscription", "s")
    assert (status, "or twice" in told) == (BAD_SETTINGS, True)


def test_a_file_that_cannot_be_answered_is_named(place: Place):
    long = f"{'x' * 240}.jsonl"  # Its dead letters have a name that no disk takes.
    place.put(long, b"{}")
    with pytest.raises(UserError, match=r"x\.jsonl can't be answered: .*File name too long"):
        place.take(1)
    assert place.answered() == []


@pytest.mark.slow
def test_a_switch_a_kill_and_a_calm_end(place: Place):
    """A version is pushed and a worker killed in the middle of a file; the next one is stopped."""
    flags = ["--input", place.source.input, "--output", place.source.output]
    flags += ["--model-folder", place.pushed]
    command = [sys.executable, "local_runner.py", "--run-root", place.folder, "stream", *flags]

    @contextmanager
    def worker():
        log = place.folder / "log"
        with (
            log.open("ab") as out,
            subprocess.Popen(command, cwd=PROJECT, stdout=out, stderr=out) as running,
        ):

            def wait_for(there: Callable[[], Any]) -> None:
                while not there():
                    assert running.poll() is None, log.read_text()
                    time.sleep(0.01)

            try:
                yield running, wait_for
            finally:
                running.kill()

    output = place.source.output
    aside = output / ".answers.part"
    many = 100_000
    with worker() as (first, wait_for):
        place.put("a.jsonl", ROW)
        wait_for((output / "a.jsonl").exists)
        write_model(place.folder / "aside", 2, offset=0.2)
        os.rename(place.folder / "aside" / "2", place.pushed / "2")
        versions = ["1"]
        while versions[-1] != "2":  # It goes on answering all the while.
            name = f"b{len(versions):05d}.jsonl"
            place.put(name, ROW)
            wait_for((output / name).exists)
            versions.append(place.read(name)[0]["model_version"])
        place.put("c.jsonl", *[ROW] * many)
        wait_for(lambda: aside.exists() and aside.stat().st_size)
        first.kill()
        first.wait()
    assert not (output / "c.jsonl").exists()
    done = {name: (output / name).stat() for name in place.answered() if name[0] != "."}
    place.put("d.jsonl", ROW, b"{}")
    with worker() as (second, wait_for):
        wait_for((output / "d.jsonl").exists)
        place.put("e.jsonl", *[ROW] * many)
        wait_for(lambda: aside.exists() and aside.stat().st_size)
        second.send_signal(signal.SIGTERM)
        assert second.wait(60) == 0
    assert "Stopped; what is not answered comes again." in (place.folder / "log").read_text()
    assert "Traceback" not in (place.folder / "log").read_text()
    assert {name: (output / name).stat() for name in done} == done
    new = set(place.answered()) - set(done)
    assert new == {"c.jsonl", "d.jsonl", "d.jsonl.dead.jsonl"}
    assert len(place.read("c.jsonl")) == many
    assert {row["model_version"] for row in place.read("c.jsonl")} == {"2"}
    for name, version in [("a.jsonl", "1"), ("c.jsonl", "2")]:
        row = place.read(name)[0]
        offset = {"1": 0.1, "2": 0.2}[version]
        assert row[PREDICTED] == pytest.approx(expected(ROW, offset), rel=1e-5)
